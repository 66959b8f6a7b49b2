"""Times as people read them. Everything is UTC, and says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twokey.documents.text import plain

_STEPS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def stamp(text: object) -> str:
    """An RFC 3339 time to the minute: `2026-10-03 14:02 UTC`; nothing for nothing; what is no time stays as it is."""
    moment = _read(text)
    return plain(text or "") if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"


def ago(text: object, now: datetime) -> str:
    """How long ago, or how far ahead: `4 min ago`, `in 3 h`."""
    moment = _read(text)
    if moment is None:
        return plain(text or "")
    span = _span(abs(now - moment))
    if span == "0 min":
        return "now"
    return f"{span} ago" if moment <= now else f"in {span}"


def _span(distance: timedelta) -> str:
    for length, unit in _STEPS:
        if distance >= length:
            return f"{distance // length} {unit}"
    return "0 min"


def _read(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
