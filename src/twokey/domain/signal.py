"""A signal is our deduplicated record of a foreign alert.

Rules kept here:
- the same alert (source, fingerprint, start) is one signal however often it is sent;
- a resolved alert ends its signal and opens nothing;
- what is malformed is refused by field, and the whole payload with it: a sender never has half of a group taken.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from twokey.engine.canonical import digest
from twokey.engine.errors import Invalid

MAX_ALERTS = 500
MAX_LABELS = 200
"""Labels of one alert, and annotations. Alertmanager's users have a dozen."""
MAX_NAME = 256
MAX_TEXT = 4096


class SignalStatus(StrEnum):
    """Whether the alert behind a signal still fires."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One foreign alert in our terms, before it is joined to what we have."""

    source: str
    fingerprint: str
    status: SignalStatus
    name: str
    summary: str
    severity: str
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    ends_at: datetime | None
    url: str = ""

    @property
    def workflow(self) -> str:
        """The workflow whose trouble it tells of; empty where it names none."""
        return self.labels.get("workflow", "")

    @property
    def service(self) -> str:
        """The service it speaks of; empty where it names none. A label without a value is no label."""
        return self.labels.get("service", "")


class Signal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A deduplicated alert as it stands in the record; `case` is the case it opened or joined."""

    id: str
    case: str
    project: str
    environment: str
    alert: Alert
    received_at: datetime
    last_seen_at: datetime
    seen: int = 1
    resolved_at: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """What identifies the signal: source and the source's own fingerprint."""
        return fingerprint(self.alert)


def fingerprint(alert: Alert) -> str:
    """The identity of an alert across repeats: its source and the source's fingerprint."""
    return digest([alert.source, alert.fingerprint])


class _Alert(msgspec.Struct, kw_only=True, rename="camel"):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: datetime
    ends_at: datetime | None = None
    url: str = msgspec.field(default="", name="generatorURL")
    fingerprint: str = ""


class _Group(msgspec.Struct, kw_only=True):
    version: str
    alerts: list[_Alert]


def parse_alertmanager(body: bytes, source: str) -> tuple[Alert, ...]:
    """The alerts of an Alertmanager webhook payload of version 4, each with its own status.

    Raises Invalid naming the field for what is not such a payload.
    """
    group = _decode(body)
    if group.version != "4":
        raise Invalid(
            "version", f"is `{group.version[:40]}`", "4 (Alertmanager's own payload, not a template of yours)"
        )
    if not group.alerts:
        raise Invalid("alerts", "is empty", f"1 to {MAX_ALERTS} alerts")
    if len(group.alerts) > MAX_ALERTS:
        raise Invalid("alerts", f"has {len(group.alerts)} alerts", f"1 to {MAX_ALERTS} alerts")
    return tuple(_alert(each, f"alerts[{index}]", source) for index, each in enumerate(group.alerts))


def _decode(body: bytes) -> _Group:
    try:
        return msgspec.json.decode(body, type=_Group)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        raise Invalid(path.rstrip("`").lstrip(".") or "body", problem, "an Alertmanager webhook of version 4") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("body", f"is not JSON: {error}", "an Alertmanager webhook of version 4") from None
    except RecursionError:
        raise Invalid("body", "is nested too deeply", "an Alertmanager webhook of version 4") from None


def _alert(raw: _Alert, where: str, source: str) -> Alert:
    status = _status(raw.status, f"{where}.status")
    _check_time(raw.starts_at, f"{where}.startsAt")
    _check_time(raw.ends_at, f"{where}.endsAt")
    _check_sizes(raw, where)
    name = raw.labels.get("alertname", "")
    return Alert(
        source=source,
        fingerprint=raw.fingerprint or digest(raw.labels),
        status=status,
        name=(name or "alert")[:MAX_TEXT],
        summary=(raw.annotations.get("summary") or raw.annotations.get("description") or name)[:MAX_TEXT],
        severity=raw.labels.get("severity", "")[:64],
        labels={key[:MAX_NAME]: value[:MAX_TEXT] for key, value in raw.labels.items()},
        annotations={key[:MAX_NAME]: value[:MAX_TEXT] for key, value in raw.annotations.items()},
        starts_at=raw.starts_at,
        ends_at=raw.ends_at if status is SignalStatus.RESOLVED else None,
        url=raw.url[:MAX_TEXT],
    )


def _status(text: str, where: str) -> SignalStatus:
    try:
        return SignalStatus(text)
    except ValueError:
        raise Invalid(where, f"is `{text[:40]}`", "firing or resolved") from None


def _check_time(at: datetime | None, where: str) -> None:
    accepted = "an RFC 3339 time with its offset"
    if at is None:
        return
    if at.tzinfo is None:
        raise Invalid(where, "has no time zone", accepted)
    try:
        at.astimezone(UTC)
    except OverflowError:
        raise Invalid(where, f"is `{at}`, which is before or after all time in UTC", accepted) from None


def _check_sizes(raw: _Alert, where: str) -> None:
    if not raw.labels:
        raise Invalid(f"{where}.labels", "is empty", "the labels that identify the alert")
    for name, found in (("labels", raw.labels), ("annotations", raw.annotations)):
        if len(found) > MAX_LABELS:
            raise Invalid(f"{where}.{name}", f"has {len(found)} of them", f"at most {MAX_LABELS}")
    if len(raw.fingerprint) > MAX_NAME:
        raise Invalid(f"{where}.fingerprint", f"has {len(raw.fingerprint)} characters", f"at most {MAX_NAME}")
