"""A case is one problem from its first signal to its decision.

What the machine promises:

- A case opens with its first signal; further signals of the same problem join it while it is not closed.
- It is `triaged` once a finding stands, `acting` while a proposal of it waits, `watching` once a change of it is
  live. A further proposal in the same case takes it back to `acting`; that proposal falling away, back again.
- It closes from `watching` with a decision. Before anything was done it closes only as *no action* or *resolved by
  itself*, each with a reason. Closed is final: the same alert starting anew opens a new case.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from twokey.domain.machine import move


class CaseStatus(StrEnum):
    """Where a case stands."""

    OPEN = "open"
    TRIAGED = "triaged"
    ACTING = "acting"
    WATCHING = "watching"
    CLOSED = "closed"


C = CaseStatus
TRANSITIONS: Mapping[CaseStatus, frozenset[CaseStatus]] = {
    C.OPEN: frozenset({C.TRIAGED, C.CLOSED}),
    C.TRIAGED: frozenset({C.ACTING, C.CLOSED}),
    C.ACTING: frozenset({C.WATCHING, C.TRIAGED, C.CLOSED}),
    C.WATCHING: frozenset({C.ACTING, C.CLOSED}),
    C.CLOSED: frozenset(),
}


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person or an agent wrote on a case. Text is never interpreted."""

    at: datetime
    author: str
    text: str


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One problem. `acted` says whether a change of it was ever live, which decides how it may close."""

    id: str
    project: str
    environment: str
    title: str
    severity: str
    status: CaseStatus
    opened_at: datetime
    updated_at: datetime
    owner: str | None = None
    acted: bool = False
    notes: tuple[Note, ...] = ()
    closed_at: datetime | None = None

    def to(self, status: CaseStatus, now: datetime) -> Case:
        """The case in another status; raises Conflict where the table has no such transition."""
        return msgspec.structs.replace(self, status=move(TRANSITIONS, "case", self.status, status), updated_at=now)
