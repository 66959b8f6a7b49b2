"""Guarded rollouts for a terminal: the stages, where it stands, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from twokey.cli.output import facts, heading, section, table
from twokey.cli.times import ago, stamp

View = Mapping[str, Any]


def rollout_table(rows: Sequence[View]) -> None:
    """Rollouts, newest first."""
    table(
        ("ROLLOUT", "STATUS", "STAGE", "SHARE", "FLAG", "WHY"),
        ([row["id"], _status(row), _stage(row), _share(row), row["flag"], row["because"]] for row in rows),
        fixed=("ROLLOUT", "STATUS", "STAGE", "SHARE"),
        empty="No guarded rollouts.",
    )


def rollout_page(view: View, now: datetime) -> None:
    """One rollout whole."""
    heading(f"{view['plan']['candidate']} of {view['flag']}", _status(view))
    facts(
        [
            ("Rollout", view["id"]),
            ("Where", f"{view['project']} / {view['environment']}, {_rule(view)}"),
            ("Approved as", view["proposal"]),
            ("Stage", f"{_stage(view)}, {_share(view)}, since {stamp(view['entered_at'])}"),
            ("Met it", f"{view['units']} units in this stage"),
            ("Looked at", ago(view["looked_at"], now) if view["looked_at"] else "not yet"),
            ("Why", view["because"] or "nothing to wait for"),
        ]
    )
    section("The plan", (_mark(view, number) + says for number, says in enumerate(view["plan"]["says"])))
    section("What the guardrails say", (each["sentence"] for each in view["verdicts"]))
    section(
        "So far", (f"{stamp(each['at'])}  {each['what']}: {each['sentence']} ({each['by']})" for each in view["steps"])
    )


def _status(view: View) -> str:
    return str(view["status"]).replace("_", " ")


def _stage(view: View) -> str:
    return f"{view['stage'] + 1} of {len(view['plan']['stages'])}"


def _rule(view: View) -> str:
    return str(view["plan"]["stages"][view["stage"]]["rule"] or "everybody else")


def _share(view: View) -> str:
    return f"{view['plan']['stages'][view['stage']]['share'] / 1000:g} %"


def _mark(view: View, number: int) -> str:
    return "-> " if number == view["stage"] else "   "
