"""The audit log and the telemetry intake."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from twokey.surfaces.shapes import Model


class EntryView(Model):
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
    previous: str
    hash: str


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
