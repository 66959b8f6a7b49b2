"""Experiments for a terminal: what was asked, what the figures say, what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twokey.cli.output import facts, heading, say, section, table
from twokey.cli.times import stamp

View = Mapping[str, Any]


def experiment_table(rows: Sequence[View]) -> None:
    """Those that run."""
    table(
        ("FLAG", "EXPERIMENT", "SHOWS", "DO", "WHAT"),
        ([row["flag"], row["key"], _words(row["finding"]), _words(row["advice"]), row["sentence"]] for row in rows),
        fixed=("SHOWS", "DO"),
        empty="No experiment runs.",
    )


def experiment_pages(flag: str, rows: Sequence[View]) -> None:
    """Every run of one flag."""
    if not rows:
        say(f"No experiment has been run on {flag}.")
    for number, row in enumerate(rows):
        if number:
            say("")
        _page(row)


def _page(row: View) -> None:
    heading(f"{row['key']}: {row['hypothesis']}", "ended" if row["ended_at"] else "running")
    facts(
        [
            ("flag", row["flag"]),
            ("compared", f"{row['candidate']} with {row['baseline']}"),
            ("audience", row["audience"]),
            ("split", row["split"]),
            (
                "judged by",
                f"{row['primary']['kind']} of {_measured(row['primary'])}, {row['primary']['better']} is better",
            ),
            ("began", f"{stamp(row['began_at'])}, by {row['began_by']}"),
            ("ended", stamp(row["ended_at"]) if row["ended_at"] else f"planned for {row['ends'] or 'no day'}"),
            ("shows", _words(row["finding"])),
            ("do", f"{_words(row['advice'])}: {row['because']}"),
        ]
    )
    section("What the figures say", [row["sentence"]])
    section("Guardrails", (each["sentence"] for each in row["guardrails"]))
    section("Changed while it ran", (_mark(each) for each in row["marks"]))


def _measured(primary: View) -> str:
    return f"{primary['metric']} to {primary['denominator']}" if primary["denominator"] else str(primary["metric"])


def _mark(mark: View) -> str:
    why = f", because: {mark['justification']}" if mark["justification"] else ""
    return f"{stamp(mark['at'])}  {mark['what']} ({mark['change']}){why}"


def _words(value: str) -> str:
    return value.replace("_", " ")
