"""Times as people read them. Everything is UTC, and says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from twokey.documents.text import plain

_STEPS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"))


def stamp(text: object) -> str:
    """An RFC 3339 time to the minute: `2026-10-03 14:02 UTC`; nothing for nothing; what is no time stays as it is."""
    found = moment(text)
    return plain(text or "") if found is None else f"{found:%Y-%m-%d %H:%M} UTC"


def ago(text: object, now: datetime) -> str:
    """How long ago, or how far ahead: `4 min ago`, `in 3 h`."""
    found = moment(text)
    if found is None:
        return plain(text or "")
    span = _span(abs(now - found))
    if span == "0 min":
        return "now"
    return f"{span} ago" if found <= now else f"in {span}"


def moment(text: object) -> datetime | None:
    """An RFC 3339 time in UTC; nothing for what is none."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _span(distance: timedelta) -> str:
    for length, unit in _STEPS:
        if distance >= length:
            return f"{distance // length} {unit}"
    return "0 min"
