"""Evidence is a stored, re-readable fact with an id; a gap is what should be known and is not.

Rule: what an assistant cites must be found here again, figure by figure (`finding.ground`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from twokey.domain.guardrail import EvidenceGap
from twokey.engine.canonical import digest

__all__ = ["Evidence", "EvidenceGap", "EvidenceKind", "make"]


class EvidenceKind(StrEnum):
    """What a piece of evidence is about."""

    SIGNAL = "signal"
    CHANGE = "change"
    AUDIT = "audit"
    VERDICT = "verdict"
    EXPOSURE = "exposure"
    COHORT = "cohort"
    CHANGE_EVENT = "change_event"
    METRIC = "metric"
    REPLAY = "replay"
    TRAFFIC = "traffic"
    EXPERIMENT = "experiment"
    RUNBOOK = "runbook"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A fact as it was read at `at`. `body` is JSON; `sha256` is its digest, which a proposal's digest covers."""

    id: str
    case: str
    kind: EvidenceKind
    title: str
    at: datetime
    body: dict[str, Any]
    sha256: str


def make(id: str, case: str, kind: EvidenceKind, title: str, at: datetime, body: dict[str, Any]) -> Evidence:
    """A piece of evidence with the digest of its body."""
    return Evidence(id=id, case=case, kind=kind, title=title, at=at, body=body, sha256=digest(body))
