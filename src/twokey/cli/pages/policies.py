"""Policies and the decision matrix for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twokey.cli.output import facts, heading, say, section, table, tell
from twokey.documents.text import plain

View = Mapping[str, Any]
HEAD = ("ACTION", "AI ALONE", "AI DRAFT", "APPROVAL", "PROMPT")
COLUMNS = ("ai_alone", "ai_may_draft", "approval", "prompt_alone")


def policy_table(view: View) -> None:
    """All policies in force."""
    rows = [(each["id"], each["effect"], _whose(each), each["says"]) for each in view["policies"]]
    table(("POLICY", "", "BY", "WHAT"), rows, fixed=("", "BY"), empty="No policies.")
    tell(f"digest {view['digest']}")


def policy_page(policy: View) -> None:
    """One policy with its text."""
    heading(policy["id"], policy["effect"])
    facts([("by", _whose(policy)), ("says", policy["says"])])
    say("", *policy["text"].splitlines())


def matrix_page(view: View) -> None:
    """The decision matrix, and what stands beside it."""
    place = f"{view['project']}/{view['environment']}" if view["project"] else "any guarded environment"
    heading("Decision matrix", place)
    say("")
    table(HEAD, [_cells(each) for each in (*view["rows"], *view["also"])], fixed=("APPROVAL",))
    say("", "PROMPT: whether it may rest on a prompt alone.")
    tell(f"Asked of the policies with digest {view['digest']}.")


def check_page(file: str, found: View) -> None:
    """A file that is in order."""
    count = len(found["policies"])
    heading(f"{plain(file)} is in order: {count} {'policy' if count == 1 else 'policies'}.")
    say("")
    rows = [(each["id"], each["effect"], each["says"] or "(no comment above it)") for each in found["policies"]]
    table(("POLICY", "", "WHAT"), rows, fixed=("",), empty="It holds no policy: the shipped ones stand alone.")
    section("What it changes in the decision matrix", found["matrix"] or ["nothing"])
    say("", f"digest  {found['digest']}")


def _whose(policy: View) -> str:
    return "twokey" if policy["shipped"] else "team"


def _cells(row: View) -> tuple[str, ...]:
    return (row["says"], *(row[column]["says"] for column in COLUMNS))
