"""What happened in an environment, here and elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from twokey.surfaces.shapes import Model


class HappeningView(Model):
    """One thing that happened, as the audit log tells it; `entry` is its index there."""

    entry: int
    at: datetime
    action: str
    subject: str
    actor: str
    actor_kind: str
    outcome: Literal["done", "refused"]
    case: str | None
    text: str


class ChangeElsewhereView(Model):
    """A change that was not made here: a deploy, a configuration edit, a migration. All of it is foreign text."""

    id: str
    source: str
    kind: str
    title: str
    service: str
    at: datetime
    url: str | None
    attributes: dict[str, Any]
