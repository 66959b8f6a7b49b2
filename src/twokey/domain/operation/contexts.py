"""Contexts made up to meet what a flag asks for: each clause, each listed unit, each segment's members.

Used beside recorded contexts to prove a way back, so that a path which nobody has taken lately is replayed as well.
Rule: bounded, and the same for the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from twokey.domain.control import State
from twokey.domain.operation.uses import SEGMENT_OPERATORS, all_segments_of
from twokey.engine.flag import TARGETING_KEY, Clause, Flag, Operator, Scalar

MAX_CONTEXTS = 500
"""Contexts made for one flag."""
_UNITS = 20
"""Listed units taken from one list, and units made up to fall into different buckets."""

Context = dict[str, Any]


def made_up(state: State, flag: str) -> tuple[Context, ...]:
    """Contexts aimed at everything that this flag asks about; empty where there is no such flag."""
    control = state.controls.get(flag)
    if control is None:
        return ()
    return tuple(islice(_contexts(state, control.flag), MAX_CONTEXTS))


def _contexts(state: State, flag: Flag) -> Iterator[Context]:
    yield {}
    units = _unit_names(flag)
    for unit in chain(_listed(flag), (f"made-up-{number}" for number in range(_UNITS))):
        yield dict.fromkeys(units, unit)
    for rule in flag.rules:
        for number in range(3):
            yield _satisfying(state, rule.clauses, dict.fromkeys(units, f"{rule.id}-{number}"))
    for clause in chain.from_iterable(rule.clauses for rule in flag.rules):
        yield from ({**dict.fromkeys(units, "one-clause"), **each} for each in _aimed(state, clause))


def _unit_names(flag: Flag) -> tuple[str, ...]:
    serves = (*(rule.serve for rule in flag.rules), flag.otherwise)
    named = (flag.bucketing_unit(each.rollout) for each in serves if each.rollout is not None)
    return tuple(dict.fromkeys((TARGETING_KEY, flag.unit, *named)))


def _listed(flag: Flag) -> Iterator[str]:
    for target in flag.targets:
        yield from target.units[:_UNITS]


def _satisfying(state: State, clauses: Iterable[Clause], start: Context) -> Context:
    context = dict(start)
    for clause in clauses:
        context |= next(iter(_aimed(state, clause)), {})
    return context


def _aimed(state: State, clause: Clause) -> Iterator[Context]:
    """Contexts in which the clause's attribute has one of its values, or in which its segments have a member."""
    if clause.operator in SEGMENT_OPERATORS:
        yield from _members(state, clause)
    elif clause.operator is Operator.EXISTS:
        yield {clause.attribute: "anything"}
    else:
        for value in clause.values[:_UNITS]:
            yield {clause.attribute: value}
            yield {clause.attribute: _beside(value)}


def _beside(value: Scalar) -> Scalar:
    """A value of the same kind that is another one."""
    if isinstance(value, bool):
        return not value
    return f"{value}-x" if isinstance(value, str) else value + 1


def _members(state: State, clause: Clause) -> Iterator[Context]:
    for key in sorted(all_segments_of(state, map(str, clause.values))):
        segment = state.segments.get(key)
        if segment is None:
            continue
        yield from ({clause.attribute: unit} for unit in (*segment.included[:_UNITS], *segment.excluded[:_UNITS]))
        for rule in segment.rules:
            plain = [each for each in rule.clauses if each.operator not in SEGMENT_OPERATORS]
            yield _satisfying(state, plain, {clause.attribute: f"member-of-{key}"})
