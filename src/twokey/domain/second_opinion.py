"""A second opinion: an outside assistant's finding beside the analyst's, and where the two differ.

Rule: what is compared is what each would have done and to whom, never the words; agreement proves nothing by itself.
"""

from __future__ import annotations

import msgspec

from twokey.domain.finding import Finding, Suspect
from twokey.engine.canonical import digest

NOTHING = "none"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One point on which two findings differ, as each has it."""

    about: str
    analyst: str
    other: str


def differences(analyst: Finding, other: Finding) -> tuple[Difference, ...]:
    """Where the other finding differs from the analyst's: control, variation, cohort, recommendation, operations."""
    mine, theirs = _first(analyst), _first(other)
    told = [
        ("control", mine.flag if mine else NOTHING, theirs.flag if theirs else NOTHING),
        ("recommendation", str(analyst.recommendation), str(other.recommendation)),
    ]
    if mine and theirs and mine.flag == theirs.flag:
        told += [("variation", mine.variation, theirs.variation), ("cohort", _cohort(mine), _cohort(theirs))]
    found = [Difference(about=about, analyst=one, other=two) for about, one, two in told if one != two]
    if not found and not same_operations(analyst, other):
        found.append(Difference(about="operations", analyst=_count(analyst), other=_count(other)))
    return tuple(found)


def same_operations(one: Finding, two: Finding) -> bool:
    """Whether both would do exactly the same."""
    return digest(msgspec.to_builtins(one.operations)) == digest(msgspec.to_builtins(two.operations))


def _first(finding: Finding) -> Suspect | None:
    return finding.suspects[0] if finding.suspects else None


def _cohort(suspect: Suspect) -> str:
    told = (f"{name} {', '.join(sorted(values))}" for name, values in sorted(suspect.cohort.items()))
    return "; ".join(told) or "everyone"


def _count(finding: Finding) -> str:
    """The operations by their kinds, in order."""
    return ", ".join(str(msgspec.to_builtins(each).get("op", "")) for each in finding.operations) or NOTHING
