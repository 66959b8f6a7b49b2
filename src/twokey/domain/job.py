"""A job is work that a step leaves behind in its own transaction, so that no crash can lose it.

Rules kept here: a job is claimed under a lease; its effect and its completion are one transaction, fenced by owner and
attempt; a dedupe key lets a job be asked for twice and stand once.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class JobKind(StrEnum):
    """What a worker can be asked to do."""

    TRIAGE_CASE = "triage_case"
    DRAFT_PROPOSAL = "draft_proposal"
    CHECK_EVIDENCE = "check_evidence"
    EXPIRE_PROPOSAL = "expire_proposal"
    APPLY_SCHEDULED = "apply_scheduled"
    ASK_ORDERS = "ask_orders"
    GUARD_ROLLOUT = "guard_rollout"
    MONITOR_GUARDRAILS = "monitor_guardrails"
    PRUNE_TELEMETRY = "prune_telemetry"
    SIGN_CHECKPOINT = "sign_checkpoint"
    EXPORT_CHECKPOINT = "export_checkpoint"


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of work about one subject. `key` is unique among jobs that are not done."""

    id: str
    kind: JobKind
    subject: str
    key: str
    run_at: datetime
    attempt: int = 0
    owner: str | None = None
    lease_until: datetime | None = None
    problem: str = ""
