"""A flag's targeting as a readable listing, and two listings side by side as a diff.

Rules kept here:
- the listing is in the order in which evaluation asks;
- a diff shows everything in which the two states differ about this flag: targeting, values, the segments it uses and
  what is kept beside it. Details that are the same in both are left out; targeting is always whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

import msgspec

from twokey.domain.control import Control, State
from twokey.domain.operation.uses import all_segments_of, segments_of_flag
from twokey.domain.operation.words.phrases import clauses_text, list_text, serve_text, value_text
from twokey.engine.flag import Flag, Prerequisite, Segment

Marker = Literal["same", "removed", "added"]
"""Whether a line stands in both listings, only in the one before, or only in the one after."""


class Line(NamedTuple):
    """One line of a listing; `rule` is the id of the rule that it shows, if it shows one."""

    text: str
    marker: Marker = "same"
    rule: str | None = None


def rule_lines(control: Control, segments: Mapping[str, Segment]) -> tuple[Line, ...]:
    """A flag's targeting, in the order in which it is asked.

    `segments` are those of the same state; a segment is named here, and listed in a diff where it changes.
    """
    return tuple(_targeting(control))


def _targeting(control: Control) -> Iterator[Line]:
    flag = control.flag
    if control.archived:
        yield Line("archived -> not published: applications get their own default")
    yield Line("enabled" if flag.enabled else f"disabled -> {flag.baseline} for everyone")
    for prerequisite in flag.prerequisites:
        yield Line(f"unless {_prerequisite(prerequisite)} -> {flag.baseline}")
    for target in flag.targets:
        yield Line(f"if {value_text(flag.unit)} is one of ({list_text(target.units)}) -> {target.variation}")
    for rule in flag.rules:
        yield Line(f"if {clauses_text(rule.clauses)} -> {serve_text(rule.serve)}", rule=rule.id)
    yield Line(f"otherwise -> {serve_text(flag.otherwise)}")


def _prerequisite(prerequisite: Prerequisite) -> str:
    return f"{prerequisite.flag} serves {' or '.join(prerequisite.variations)}"


def diff_lines(before: State, after: State, flag: str) -> tuple[Line, ...]:
    """One flag in two states: lines of both, of the one before only (`removed`), of the one after only (`added`)."""
    one, other = before.controls.get(flag), after.controls.get(flag)
    targeting = _diff(_listing(one), _listing(other))
    old, new = _details(before, one), _details(after, other)
    changed = [name for name in (old | new) if old.get(name) != new.get(name)]
    details = _diff([Line(old[name]) for name in changed if name in old], [Line(new[n]) for n in changed if n in new])
    return (*targeting, *details)


def _listing(control: Control | None) -> list[Line]:
    return [Line("does not exist")] if control is None else list(_targeting(control))


def _diff(before: list[Line], after: list[Line]) -> Iterator[Line]:
    one, other = [_identity(line) for line in before], [_identity(line) for line in after]
    for tag, i, j, k, m in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from after[k:m]
        else:
            yield from (line._replace(marker="removed") for line in before[i:j])
            yield from (line._replace(marker="added") for line in after[k:m])


def _identity(line: Line) -> tuple[str, str | None]:
    return line.text, line.rule


def _details(state: State, control: Control | None) -> dict[str, str]:
    """Everything about a flag that its targeting does not show, by a name that stays the same."""
    if control is None:
        return {}
    return {**_published(control.flag), **_kept(control), **_segments(state, control.flag)}


def _published(flag: Flag) -> dict[str, str]:
    found = {f"variation {each.key}": f"{each.key} = {value_text(each.value)}" for each in flag.variations}
    found["variations"] = f"variations: {', '.join(each.key for each in flag.variations)}"
    found["baseline"] = f"baseline: {flag.baseline}"
    found["unit"] = f"assigned by {value_text(flag.unit)}"
    found["salt"] = f"salt: {value_text(flag.salt)}"
    found["visible"] = f"{'given' if flag.client_visible else 'not given'} to clients on people's devices"
    return found


def _kept(control: Control) -> dict[str, str]:
    document = msgspec.to_builtins(control)
    skipped = {"flag", "guardrails", "upkeep"}
    found = {name: f"{_human(name)}: {value_text(value)}" for name, value in document.items() if name not in skipped}
    for each in document.get("guardrails", ()):
        found[f"guardrail {each['key']}"] = f"guardrail {each['key']}: {_pairs(each)}"
    for name, value in document.get("upkeep", {}).items():
        found[f"upkeep {name}"] = f"{name} is looked after by {_pairs(value)}"
    return found


def _human(name: str) -> str:
    return name.replace("_", " ")


def _pairs(document: Mapping[str, Any]) -> str:
    return ", ".join(f"{_human(name)} {value_text(value)}" for name, value in document.items() if name != "key")


def _segments(state: State, flag: Flag) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in sorted(all_segments_of(state, segments_of_flag(flag))):
        segment = state.segments.get(key)
        if segment is not None:
            found |= {f"{key} {number}": text for number, text in enumerate(segment_texts(segment))}
    return found


def segment_texts(segment: Segment) -> tuple[str, ...]:
    """Who is in a segment, in the order in which it is asked."""
    name = f"segment {segment.key}"
    rules = (f"{name}: if {clauses_text(rule.clauses)} -> in" for rule in segment.rules)
    return (
        f"{name} includes ({list_text(segment.included)})",
        f"{name} excludes ({list_text(segment.excluded)})",
        *rules,
    )
