"""How values stand in columns, the same on every database.

Rules kept here:
- a moment is UTC text of one width (`2026-01-31T09:30:00.000000Z`), so that its order as text is its order in time;
- a record is the JSON that msgspec writes, kept as text byte for byte; columns beside it are copies for finding it;
- copies hold no NUL and no half surrogate, which PostgreSQL refuses; the document keeps both in their escaped form.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import msgspec

R = TypeVar("R")
Cell = str | int | None
"""What a column holds."""


def moment(at: datetime) -> str:
    """A moment as column text; raises ValueError for one without a time zone."""
    if at.tzinfo is None:
        raise ValueError(f"`{at}` has no time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_moment(text: str) -> datetime:
    """The moment that column text stands for."""
    return datetime.fromisoformat(text).astimezone(UTC)


def copy(value: Cell | datetime) -> Cell:
    """A value as it stands in an indexed column."""
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return value


def write(record: msgspec.Struct) -> str:
    """A record as its document."""
    return msgspec.json.encode(record).decode()


def read(document: str, type_: type[R]) -> R:
    """The record that a document holds."""
    return msgspec.json.decode(document, type=type_)
