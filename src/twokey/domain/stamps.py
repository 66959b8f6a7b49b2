"""The stamps that a publish puts on flags and segments: the revision it made, and the digest of what now stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from msgspec.structs import replace

from twokey.domain.control import Control
from twokey.engine.admission import digest_of
from twokey.engine.flag import Flag, Segment

T = TypeVar("T")
P = TypeVar("P", Flag, Segment)


@dataclass(frozen=True)
class Stamps(Generic[T]):
    """How one type of object is stamped with a revision, and what it says without its stamps."""

    stamped: Callable[[T, int], T]
    content: Callable[[T], T]


def _stamped(part: P, revision: int) -> P:
    unsigned = replace(part, revision=revision, digest=None)
    return replace(unsigned, digest=digest_of(unsigned))


def _content(part: P) -> P:
    return replace(part, revision=0, digest=None)


def _stamped_control(control: Control, revision: int) -> Control:
    return replace(control, flag=_stamped(control.flag, revision))


def _control_content(control: Control) -> Control:
    return replace(control, flag=_content(control.flag))


SEGMENT_STAMPS: Stamps[Segment] = Stamps(_stamped, _content)
CONTROL_STAMPS: Stamps[Control] = Stamps(_stamped_control, _control_content)
