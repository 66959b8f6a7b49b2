"""A change is an applied proposal: what was, what is, who made it and by which authority."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from twokey.domain.operation import Action, Effect, Operation


class Cause(StrEnum):
    """Which of the sanctioned ways a change came about."""

    PROPOSAL = "proposal"
    REVERSE = "reverse"
    ROLLBACK = "rollback"
    SETUP = "setup"
    UNGUARDED = "unguarded"
    BREAK_GLASS = "break_glass"
    ROLLOUT = "rollout"


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Flag state moved from `revision_before` to `revision_after` of the environment."""

    id: str
    project: str
    environment: str
    cause: Cause
    proposal: str | None
    case: str | None
    operations: tuple[Operation, ...]
    effect: Effect
    action: Action
    summary: str
    flags: tuple[str, ...]
    segments: tuple[str, ...] = ()
    revision_before: int
    revision_after: int
    applied_by: str
    applied_at: datetime
    undoes: str | None = None
