"""Assistants measured on incidents with a known cause: `python -m benchmarks.incidents [--write]`.

Each case is a seeded service of a few dozen flags under traffic, with decoy edits, in which one thing is wrong: a bad
prompt profile, a slow reranker, a costly route, an over-strict guardrail, an agent's tool that misfires, harm in one
region, plan or workflow only, two flags that do harm together; or nothing that a flag does (an outage, load, a deploy,
drift, a flapping alert, evidence planted by an attacker). It is played on the real parts: flag store, telemetry store,
triage. The kinds of `shop` are made of real requests, where the shared data are there.

Thresholds were set on seeds below 1,000; what is published is of seeds from 1,000 on. It exits with 1 where a target is
missed.

Options: `--seeds FIRST-LAST` (default 1000-1019), `--kinds simulated`, `real` or `a,b`, `--processes N`, `--misses`
tells each case that went wrong, `--keep FILE` keeps the marks and does not play again what is in it, `--write` writes
into the docs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.incidents import causes, reporting, shop
from benchmarks.incidents.running import ANALYST, Marks, Task, run
from benchmarks.report import PAGE, write_section

DOCS = PAGE.with_name("assistants.md")
GROUPS = {"simulated": tuple(causes.KINDS), "real": shop.KINDS}
SECTIONS = {"simulated": "incidents", "real": "real incidents"}


class Kept(msgspec.Struct):
    """One case's marks, as they are kept."""

    task: Task
    marks: Marks


def played(tasks: Sequence[Task], processes: int, keep: Path | None) -> Iterator[Marks]:
    """The marks of every case, in order; those that were kept are not played again."""
    lines = keep.read_text().splitlines() if keep and keep.exists() else []
    known = {each.task: each.marks for each in (msgspec.json.decode(line, type=Kept) for line in lines)}
    yield from (known[task] for task in tasks if task in known)
    left = [task for task in tasks if task not in known]
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=50) as pool:
        for task, marks in pool.imap(run, left, chunksize=1):
            if keep:
                with keep.open("ab") as file:
                    file.write(msgspec.json.encode(Kept(task, marks)) + b"\n")
            yield marks


def report(marks: Sequence[Marks], seeds: str) -> str:
    """All tables of these cases."""
    mine = [each[ANALYST] for each in marks]
    kinds = {each.kind for each in mine}
    parts = (
        reporting.compared(marks),
        reporting.by_kind(mine, kinds),
        reporting.calibration(mine),
        reporting.summary(mine),
        [f"{len(marks)} cases, seeds {seeds}."],
    )
    return "\n\n".join("\n".join(part) for part in parts)


def main() -> int:
    """Play the cases, print the tables, write them where asked to; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="1000-1019")
    parser.add_argument("--kinds", default="simulated")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    first, last = map(int, chosen.seeds.split("-"))
    kinds = GROUPS.get(chosen.kinds) or tuple(chosen.kinds.split(","))
    tasks = [(kind, seed) for kind in kinds for seed in range(first, last + 1)]
    marks = list(played(tasks, chosen.processes, chosen.keep))
    text = report(marks, chosen.seeds)
    print(text)
    if chosen.misses:
        print("", *reporting.misses(marks), sep="\n")
    missed = reporting.missed(marks)
    print("", *[f"MISSED {each}" for each in missed] or ["every target is met"], sep="\n")
    if chosen.write:
        write_section(SECTIONS[chosen.kinds], text, DOCS)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
