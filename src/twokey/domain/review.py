"""Break-glass: one person, present now, goes to a recorded safe state alone; a review afterwards must be closed.

Rules kept here:
- it opens a review that somebody else closes, with what they found, before it is due;
- while a review of an environment is overdue, nobody breaks glass there again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from twokey.domain.errors import Refused
from twokey.domain.machine import move
from twokey.engine.errors import Invalid

ROLE = "break_glass"
DUE = timedelta(hours=24)
"""How long a review may stay open."""


class ReviewStatus(StrEnum):
    """Where a review stands."""

    OPEN = "open"
    CLOSED = "closed"


class Finding(StrEnum):
    """What a review found of the use of break-glass."""

    JUSTIFIED = "justified"
    AVOIDABLE = "avoidable"
    ABUSE = "abuse"


TRANSITIONS: Mapping[ReviewStatus, frozenset[ReviewStatus]] = {
    ReviewStatus.OPEN: frozenset({ReviewStatus.CLOSED}),
    ReviewStatus.CLOSED: frozenset(),
}


class Review(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The look back at one use of break-glass."""

    id: str
    project: str
    environment: str
    change: str
    person: str
    reason: str
    opened_at: datetime
    due_at: datetime
    status: ReviewStatus = ReviewStatus.OPEN
    closed_by: str | None = None
    closed_at: datetime | None = None
    found: Finding | None = None
    note: str = ""

    def overdue(self, now: datetime) -> bool:
        """Whether it is still open after its time."""
        return self.status is ReviewStatus.OPEN and now >= self.due_at

    def close(self, person: str, found: Finding, note: str, now: datetime) -> Review:
        """The closed review. Raises Refused for the person it is about, Invalid without a note, Conflict if closed."""
        if person == self.person:
            raise Refused("who broke the glass does not review it")
        if not note.strip():
            raise Invalid("note", "is empty", "what happened, and what shall change")
        status = move(TRANSITIONS, "review", self.status, ReviewStatus.CLOSED)
        return replace(self, status=status, closed_by=person, closed_at=now, found=found, note=note)
