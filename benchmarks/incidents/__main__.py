"""Assistants measured on incidents with a known cause: `python -m benchmarks.incidents [--write]`.

Each case is a seeded service of a few dozen flags under traffic, with decoy edits, in which one thing is wrong: a bad
prompt profile, a slow reranker, a costly route, an over-strict guardrail, an agent's tool that misfires, harm in one
region or plan only, two flags that do harm together; or nothing that a flag does (an outage, load, a deploy, drift, a
flapping alert, evidence planted by an attacker). It is played on the real parts: flag store, telemetry store, triage.

Thresholds were set on seeds below 1,000; what is published is of seeds from 1,000 on.

Options: `--seeds FIRST-LAST` (default 1000-1019), `--kinds a,b`, `--processes N`, `--write` into the docs.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Sequence

from benchmarks.incidents import baselines, causes
from benchmarks.incidents.running import ANALYST, run
from benchmarks.incidents.scoring import Score, calibration, share
from benchmarks.report import PAGE, write_section


def percent(value: float) -> str:
    """A share for a table."""
    return "-" if value != value else f"{100 * value:.0f} %"


def by_kind(scores: Sequence[Score]) -> list[str]:
    """The analyst's marks, kind by kind."""
    lines = [
        "| what is wrong | cases | with evidence | right control first | right cohort | narrowest sufficient action |",
        "|---|---|---|---|---|---|",
    ]
    for kind in causes.GUILTY:
        mine = [each for each in scores if each.kind == kind]
        seen = [each for each in mine if each.evidence]
        if mine:
            marks = [
                percent(share([getattr(each, mark) for each in seen])) for mark in ("first", "cohort", "narrowest")
            ]
            lines.append(f"| {kind} | {len(mine)} | {len(seen)} | {' | '.join(marks)} |")
    lines += ["", "| nobody's doing | cases | abstains |", "|---|---|---|"]
    for kind in causes.NEGATIVE:
        mine = [each for each in scores if each.kind == kind]
        if mine:
            lines.append(f"| {kind} | {len(mine)} | {percent(share([each.abstains for each in mine]))} |")
    return lines


def compared(marks: Sequence[dict[str, Score]]) -> list[str]:
    """Every assistant on the same cases."""
    lines = [
        "| assistant | right control first | among its first three | abstains where it should | Brier score |",
        "|---|---|---|---|---|",
    ]
    for name in (ANALYST, *baselines.BASELINES):
        scores = [each[name] for each in marks]
        seen = [each for each in scores if each.evidence]
        lines.append(
            f"| {name} | {percent(share([each.first for each in seen]))} "
            f"| {percent(share([each.among_three for each in seen]))} "
            f"| {percent(share([each.abstains for each in scores]))} | {calibration(scores):.2f} |"
        )
    return lines


def summary(scores: Sequence[Score]) -> list[str]:
    """What holds over all cases of the analyst."""
    seen = [each for each in scores if each.evidence]
    drafted = [each for each in scores if each.reverses is not None]
    seconds = sorted(each.seconds for each in scores)
    told = (
        f"Narrowest sufficient action: {percent(share([each.narrowest for each in seen]))} of {len(seen)}.",
        f"Reverses that restore the state: {sum(bool(each.reverses) for each in drafted)} of {len(drafted)}.",
        f"Widening drafts: {sum(each.widens for each in scores)}.",
        f"Seconds to a finding: median {seconds[len(seconds) // 2]:.1f}, most {seconds[-1]:.1f}. No model, no cost.",
    )
    return [" ".join(told)]


def main() -> None:
    """Play the cases, print the tables, and write them where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1000-1019")
    parser.add_argument("--kinds", default=",".join(causes.KINDS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    first, last = map(int, chosen.seeds.split("-"))
    tasks = [(kind, seed) for kind in chosen.kinds.split(",") for seed in range(first, last + 1)]
    with multiprocessing.get_context("spawn").Pool(chosen.processes) as pool:
        marks = pool.map(run, tasks, chunksize=1)
    mine = [each[ANALYST] for each in marks]
    lines = [*compared(marks), "", *by_kind(mine), "", *summary(mine), "", f"{len(tasks)} cases, seeds {chosen.seeds}."]
    print("\n".join(lines))
    if chosen.write:
        write_section("incidents", "\n".join(lines), PAGE.with_name("assistants.md"))


if __name__ == "__main__":
    main()
