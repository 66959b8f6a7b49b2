"""The six questions of a case, answered from the audit log alone: nothing else is read, so nothing else can be forged.

Rules this module keeps:

- the questions are those of the decision record, in its order;
- each answer names the entries that it rests on, by index: their proofs can be asked for one by one;
- what the log does not say is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from twokey.documents.decision_record import QUESTIONS
from twokey.documents.text import to_second
from twokey.domain.audit import Entry
from twokey.domain.control import Control, Kind
from twokey.domain.rebuild import CHANGE, rebuild

MOST_SHOWN = 6


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """One question with its answer, and the indices of the entries that say so."""

    key: str
    question: str
    sentences: tuple[str, ...]
    entries: tuple[int, ...]


def answers(entries: Sequence[Entry], case: str) -> tuple[Answered, ...]:
    """The six answers for a case, from a whole log. A case that the log does not know has no answers."""
    mine = [each for each in entries if each.happening.case == case]
    if not mine:
        return ()
    found = {
        "signal": _say(_of(mine, "signal.receive"), _signal, "No signal is on record; the case was opened by hand."),
        "control": _say(_of(mine, CHANGE), _control, "Nothing was changed."),
        "approval": _say(_counted(mine), _approval, "Nobody: no approval is on record."),
        "affected": _say(_of(_applied(mine), "proposal.draft"), _affected, "Not known: nothing was applied."),
        "telemetry": _say(_after(mine), _telemetry, "Nothing was measured after a change."),
        "lifetime": _lifetime(entries, mine),
    }
    return tuple(
        Answered(key=key, question=question, sentences=found[key][0], entries=found[key][1])
        for key, question in QUESTIONS
    )


_Answer = tuple[tuple[str, ...], tuple[int, ...]]


def _say(entries: Sequence[Entry], sentence: Any, unknown: str) -> _Answer:
    lines = tuple(line for each in entries for line in sentence(each))
    return (lines or (unknown,)), tuple(each.index for each in entries)


def _of(entries: Iterable[Entry], action: str) -> list[Entry]:
    return [each for each in entries if each.happening.action == action]


def _detail(entry: Entry) -> Mapping[str, Any]:
    return entry.happening.detail


def _who(entry: Entry) -> str:
    actor = entry.happening.actor
    behalf = actor.get("on_behalf_of")
    return f"{actor['kind']} {actor['id']}" + (f" for {behalf}" if behalf else "")


def _signal(entry: Entry) -> list[str]:
    said = _detail(entry)
    labels = ", ".join(f"{name}={value}" for name, value in sorted((said.get("labels") or {}).items()))
    return [f"{said['name']} from {said['source']} at {to_second(entry.at)}" + (f" ({labels})" if labels else "")]


def _control(entry: Entry) -> list[str]:
    said = _detail(entry)
    revisions = f"revision {said['revision_before']} to {said['revision_after']}"
    return [f"{said['summary']} ({said['effect']}, {revisions}, {to_second(entry.at)}, by {_who(entry)})"]


def _counted(mine: Sequence[Entry]) -> list[Entry]:
    """The approvals of what was applied."""
    return _of(_applied(mine), "proposal.approve")


def _applied(mine: Sequence[Entry]) -> list[Entry]:
    """The entries about proposals that a change of this case came from."""
    applied = {_detail(each).get("proposal") for each in _of(mine, CHANGE)}
    return [each for each in mine if each.happening.subject in applied]


def _approval(entry: Entry) -> list[str]:
    said = _detail(entry)
    roles = " and ".join(said.get("roles") or ()) or "no role"
    return [
        f"{_who(entry)} as {roles} at {to_second(entry.at)}, by {said.get('proof', 'a rule')}, for {said['digest']}"
    ]


def _affected(entry: Entry) -> list[str]:
    radius = _detail(entry).get("affected")
    if not radius or not radius["sampled_units"]:
        return ["Not known: no recorded contexts were replayed."]
    lines = [f"{radius['changed_units']} of {radius['sampled_units']} replayed units got something else"]
    for name, counts in sorted(radius.get("by_attribute", {}).items()):
        ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        more = f" and {len(ordered) - MOST_SHOWN} more" if len(ordered) > MOST_SHOWN else ""
        lines.append(f"{name}: {', '.join(f'{value} {count}' for value, count in ordered[:MOST_SHOWN])}{more}")
    return lines


def _after(mine: Sequence[Entry]) -> list[Entry]:
    """The last look after a change."""
    return [each for each in _of(mine, "evidence.check") if _detail(each)["phase"] == "after"][-1:]


def _telemetry(entry: Entry) -> list[str]:
    return [*_detail(entry)["sentences"]] or ["No guardrail is defined."]


def _lifetime(entries: Sequence[Entry], mine: Sequence[Entry]) -> _Answer:
    changes, closed = _of(mine, CHANGE), _of(mine, "case.close")
    lines = [_kept(each) for each in _controls(entries, changes)]
    for each in closed:
        said = _detail(each)
        choice = str(said["choice"]).replace("_", " ")
        lines.append(f"Closed as {choice} by {_who(each)}; {said['owner']} looks again on {said['review_date']}.")
    if changes and not closed:
        lines.append("The case is not closed.")
    return tuple(lines) or ("Not known: no flag was changed.",), tuple(each.index for each in (*changes, *closed))


def _controls(entries: Sequence[Entry], changes: Sequence[Entry]) -> list[Control]:
    """The flags that the case changed, as they were after the last change of the case, built again from the log."""
    if not changes:
        return []
    last = changes[-1].happening
    keys = dict.fromkeys(flag for each in changes for flag in _detail(each)["flags"])
    state = rebuild(entries, last.project, last.environment, revision=int(_detail(changes[-1])["revision_after"]))
    return [state.controls[key] for key in keys if key in state.controls]


def _kept(control: Control) -> str:
    if control.kind is Kind.PERMANENT:
        return f"{control.key} is permanent: {control.permanent_because or 'no reason is recorded'}."
    until = control.review_date or "no review date"
    return f"{control.key} is temporary: review {until}, removed when {control.cleanup_condition or 'not said'}."
