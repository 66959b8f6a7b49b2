"""What a control or segment is, apart from the number of its revision: for comparing, and as the base of a proposal.

Rule: objects are compared by their canonical JSON, never by `==`, to which True equals 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from twokey.domain.control import Control, State
from twokey.domain.operation.kinds import Operation
from twokey.domain.operation.law import apply_all, touched
from twokey.domain.operation.uses import (
    all_segments_of,
    dependents,
    flags_using,
    prerequisites_of,
    segments_of_flag,
)
from twokey.engine.canonical import digest
from twokey.engine.errors import Invalid
from twokey.engine.flag import Segment

ABSENT = "absent"
"""Stands for the digest of what does not exist."""


def content_digest(kept: Control | Segment | None) -> str:
    """The digest of the canonical JSON without revision and digest; `absent` where there is nothing."""
    if kept is None:
        return ABSENT
    if isinstance(kept, Segment):
        return digest(whole(replace(kept, revision=0, digest=None)))
    return digest(whole(replace(kept, flag=replace(kept.flag, revision=0, digest=None))))


def whole(value: Any) -> Any:
    """The value as plain JSON with every field written out.

    Whether a field that equals its default is left out depends on how the value was made, so equal values would give
    different bytes.
    """
    if isinstance(value, Struct):
        return {name: whole(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {name: whole(each) for name, each in value.items()}
    return [whole(each) for each in value] if isinstance(value, list | tuple) else value


def same_content(one: State, other: State) -> bool:
    """Whether two states are the same up to revisions and digests."""
    return not changed_flags(one, other) and not changed_segments(one, other)


def changed_flags(one: State, other: State) -> frozenset[str]:
    """Keys of the flags whose control differs, or is in one state only."""
    return frozenset(
        key
        for key in one.controls.keys() | other.controls.keys()
        if _differ(one.controls.get(key), other.controls.get(key))
    )


def changed_segments(one: State, other: State) -> frozenset[str]:
    """Keys of the segments that differ, or are in one state only."""
    return frozenset(
        key
        for key in one.segments.keys() | other.segments.keys()
        if _differ(one.segments.get(key), other.segments.get(key))
    )


def _differ(one: Control | Segment | None, other: Control | Segment | None) -> bool:
    return one is not other and content_digest(one) != content_digest(other)


def base_digests(state: State, operations: Sequence[Operation]) -> dict[str, str]:
    """`flag:<key>` and `segment:<key>` -> digest, of everything that a proposal of these operations stands on.

    That is: what they edit, the segments and prerequisites it uses (also those it comes to use), and the flags that use
    an edited segment or wait for an edited flag. What does not exist is `absent`. Never raises: where the operations do
    not apply (any more), they come to use nothing.
    """
    states: tuple[State, ...]
    try:
        states = (state, apply_all(state, operations))
    except Invalid:
        states = (state,)
    edited = touched(state, operations)
    flags: set[str] = set(edited.flags)
    segments: set[str] = set(edited.segments)
    for each in states:
        using = flags_using(each, edited.segments)
        start = {*edited.flags, *using}
        flags |= start | dependents(each, start)
        flags |= prerequisites_of(each, flags)
        used = [key for flag in flags if flag in each.controls for key in segments_of_flag(each.controls[flag].flag)]
        segments |= all_segments_of(each, used)
    found = {f"flag:{key}": content_digest(state.controls.get(key)) for key in flags}
    found |= {f"segment:{key}": content_digest(state.segments.get(key)) for key in segments}
    return dict(sorted(found.items()))
