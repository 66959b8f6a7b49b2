"""The audit log and the telemetry intake."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from twokey.surfaces.shapes import Model


class EntryView(Model):
    """An entry of the audit log: all that its hash covers.

    `beside` holds the commitments to those members of `detail` that can be erased, `salts` what they are checked with.
    """

    index: int
    at: datetime
    action: str
    subject: str
    actor: dict[str, str]
    outcome: Literal["done", "refused"]
    project: str
    environment: str
    case: str | None
    detail: dict[str, Any]
    beside: dict[str, str]
    previous: str
    hash: str
    salts: dict[str, str]


class RebuiltView(Model):
    """The state of an environment, built again from the log: its snapshot's digest, beside that of what is stored."""

    project: str
    environment: str
    revision: int
    digest: str
    stored: str
    agrees: bool


class AnsweredView(Model):
    """One of the six questions of a case, answered from the log alone; `entries` are the indices that say so."""

    key: str
    question: str
    sentences: list[str]
    entries: list[int]


class VerificationView(Model):
    ok: bool
    entries: int
    head: str
    broken_at: int | None
    problem: str


class AcceptedView(Model):
    """What became of a telemetry batch: counts taken, and each refused record with its reason."""

    batch_id: str
    repeated: bool
    exposures: int
    metrics: int
    changes: int
    refused: list[RefusedRecord]


class RefusedRecord(Model):
    kind: str
    index: int
    problem: str
