"""Apply and reverse, for every kind of operation.

The law, held by property tests for each kind: for every state `s` and every operation `o` that applies to it,
`apply_all(apply(s, o), reverse(s, o))` is `s` up to revisions and digests. An operation for which that cannot be had is
refused as not applicable.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from twokey.domain.control import State
from twokey.domain.operation import keeping, serving, targeting, varying
from twokey.domain.operation.edits import Laws
from twokey.domain.operation.kinds import ArchiveSegment, CreateFlag, CreateSegment, EditSegment, Operation
from twokey.domain.operation.soundness import check_touched

LAWS: Laws = {**serving.LAWS, **targeting.LAWS, **varying.LAWS, **keeping.LAWS}
"""One row for each kind of the closed set (a test compares them)."""


class Touched(NamedTuple):
    """Keys of the flags and segments that operations name."""

    flags: frozenset[str]
    segments: frozenset[str]


def apply(state: State, operation: Operation) -> State:
    """The state after one operation. Revisions stay (publishing stamps them); what changed has no digest.

    Raises Invalid, naming the field, where the operation does not apply or would leave something unsound.
    """
    after = LAWS[type(operation)].apply(state, operation)
    check_touched(after, *touched_by(operation))
    return after


def apply_all(state: State, operations: Sequence[Operation]) -> State:
    """The state after all operations, in their order; each one must leave a sound state."""
    for each in operations:
        state = apply(state, each)
    return state


def reverse(state: State, operation: Operation) -> tuple[Operation, ...]:
    """What undoes this operation on this state (the state *before* it). Raises Invalid where it does not apply."""
    apply(state, operation)
    return LAWS[type(operation)].reverse(state, operation)


def reverse_all(state: State, operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """What undoes all of these operations together, in the order in which it has to be applied."""
    undone: tuple[Operation, ...] = ()
    for each in operations:
        after = apply(state, each)
        undone = (*LAWS[type(each)].reverse(state, each), *undone)
        state = after
    return undone


def touched(state: State, operations: Sequence[Operation]) -> Touched:
    """Keys of the flags and segments that these operations edit themselves."""
    each = [touched_by(operation) for operation in operations]
    return Touched(frozenset().union(*(one.flags for one in each)), frozenset().union(*(one.segments for one in each)))


def touched_by(operation: Operation) -> Touched:
    """Keys of what one operation edits itself."""
    match operation:
        case CreateFlag(control=control):
            return Touched(frozenset({control.key}), frozenset())
        case CreateSegment(segment=segment):
            return Touched(frozenset(), frozenset({segment.key}))
        case EditSegment(segment=key) | ArchiveSegment(segment=key):
            return Touched(frozenset(), frozenset({key}))
        case _:
            return Touched(frozenset({operation.flag}), frozenset())
