"""Who leans on whom: segments in flags and in segments, flags in prerequisites."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from twokey.domain.control import State
from twokey.engine.flag import Clause, Flag, Operator, Segment

SEGMENT_OPERATORS = frozenset({Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT})


def named_in(clauses: Iterable[Clause]) -> Iterator[str]:
    """Keys of the segments that clauses name."""
    for clause in clauses:
        if clause.operator in SEGMENT_OPERATORS:
            yield from (str(value) for value in clause.values)


def segments_of_flag(flag: Flag) -> frozenset[str]:
    """Keys of the segments that a flag's rules name."""
    return frozenset(named_in(clause for rule in flag.rules for clause in rule.clauses))


def segments_of_segment(segment: Segment) -> frozenset[str]:
    """Keys of the segments that a segment's rules name."""
    return frozenset(named_in(clause for rule in segment.rules for clause in rule.clauses))


def all_segments_of(state: State, keys: Iterable[str]) -> frozenset[str]:
    """These segments and all that they lean on, however indirectly."""
    found: set[str] = set()
    waiting = list(keys)
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting.extend(segments_of_segment(state.segments[key]) if key in state.segments else ())
    return frozenset(found)


def uses_of_segment(state: State, key: str) -> tuple[str, ...]:
    """`flag:key` and `segment:key` of everything that names this segment itself, archived flags included."""
    flags = [f"flag:{each.key}" for each in state.controls.values() if key in segments_of_flag(each.flag)]
    return (*flags, *(f"segment:{each.key}" for each in state.segments.values() if key in segments_of_segment(each)))


def flags_using(state: State, segments: frozenset[str]) -> tuple[str, ...]:
    """Keys of the live flags whose targeting leans on any of these segments, however indirectly."""
    if not segments:
        return ()
    reached = set(segments)
    while grown := {
        each.key for each in state.segments.values() if each.key not in reached and segments_of_segment(each) & reached
    }:
        reached |= grown
    live = (each.flag for each in state.controls.values() if not each.archived)
    return tuple(sorted(flag.key for flag in live if segments_of_flag(flag) & reached))


def flags_leaning_on(state: State, key: str, *, archived: bool) -> tuple[str, ...]:
    """Keys of the flags that have this one as a prerequisite themselves; archived ones too where asked for."""
    return tuple(
        sorted(
            each.key
            for each in state.controls.values()
            if (archived or not each.archived) and any(p.flag == key for p in each.flag.prerequisites)
        )
    )


def dependents(state: State, keys: Iterable[str]) -> frozenset[str]:
    """Keys of the live flags that wait for any of these through prerequisites, however indirectly; not these."""
    leaning: dict[str, set[str]] = {}
    for each in state.controls.values():
        if not each.archived:
            for prerequisite in each.flag.prerequisites:
                leaning.setdefault(prerequisite.flag, set()).add(each.key)
    start = set(keys)
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        new = leaning.get(waiting.pop(), set()) - found
        found |= new
        waiting.extend(new)
    return frozenset(found - start)


def prerequisites_of(state: State, keys: Iterable[str]) -> frozenset[str]:
    """Keys of all flags that these wait for, however indirectly; not these."""
    start = set(keys)
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        control = state.controls.get(waiting.pop())
        new = {each.flag for each in control.flag.prerequisites} - found if control is not None else set()
        found |= new
        waiting.extend(new)
    return frozenset(found - start)
