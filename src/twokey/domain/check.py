"""A check is what the guardrails of one flag said at one moment, kept as evidence of a case."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from twokey.domain.evidence import EvidenceGap
from twokey.domain.guardrail import Verdict


class Phase(StrEnum):
    """Whether a check looked before any change of the case was live, or after."""

    BEFORE = "before"
    AFTER = "after"


class Check(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdicts of one flag's guardrails over one window, and what could not be judged."""

    id: str
    case: str
    project: str
    environment: str
    flag: str
    phase: Phase
    change: str | None
    at: datetime
    since: datetime
    until: datetime
    verdicts: tuple[Verdict, ...]
    gaps: tuple[EvidenceGap, ...] = ()
