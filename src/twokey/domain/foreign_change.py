"""Changes elsewhere, as others tell of them: CloudEvents, and GitHub's deployments. They compete with flags as causes.

Rules kept here:
- what kind of change it is follows from the event's type alone; what is not known is `other`;
- text of others is kept as it came, within bounds, and never believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from twokey.engine.errors import Invalid
from twokey.engine.wire import ChangeEvent, ChangeKind

LONGEST = 1000
_KINDS = (
    (ChangeKind.DEPLOY, ("deploy", "release", "rollout")),
    (ChangeKind.MIGRATION, ("migrat",)),
    (ChangeKind.CONFIGURATION, ("config", "flag", "setting", "secret")),
)
_NAMES = ("title", "summary", "name", "message")


def of_cloud_event(attributes: Mapping[str, Any], data: Any, now: datetime) -> ChangeEvent:
    """The change that a CloudEvent tells of; at `now`, where it names no time. Raises Invalid."""
    type_, source = str(attributes["type"]), str(attributes["source"])
    subject = str(attributes.get("subject") or "")
    said = data if isinstance(data, Mapping) else {}
    title = next((str(said[name]) for name in _NAMES if isinstance(said.get(name), str) and said[name].strip()), "")
    return _made(
        kind=_kind(type_),
        title=title or f"{type_} {subject}".strip(),
        service=str(said.get("service") or subject or source),
        at=attributes.get("time") or now,
        url=said.get("url"),
        attributes={"id": str(attributes["id"]), "source": source, "type": type_},
    )


def of_github(event: str, body: Mapping[str, Any], now: datetime) -> ChangeEvent | None:
    """The deployment that succeeded, from a webhook of GitHub's; nothing for any other event. Raises Invalid.

    `deployment_status` with the state `success`, https://docs.github.com/webhooks/webhook-events-and-payloads.
    """
    if event != "deployment_status":
        return None
    status, deployed, repository = (_part(body, name) for name in ("deployment_status", "deployment", "repository"))
    if status.get("state") != "success":
        return None
    name, ref = str(repository.get("full_name") or "unknown"), str(deployed.get("ref") or "")
    return _made(
        kind=ChangeKind.DEPLOY,
        title=f"{name} {ref} deployed to {deployed.get('environment') or 'somewhere'}",
        service=str(repository.get("name") or name),
        at=_time(status.get("created_at")) or now,
        url=status.get("log_url") or status.get("target_url") or repository.get("html_url"),
        attributes={"id": str(status.get("id", "")), "ref": ref, "sha": str(deployed.get("sha") or "")},
    )


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    if not isinstance(found, Mapping):
        raise Invalid(name, "is missing, or no object", "GitHub's own payload")
    return found


def _time(value: Any) -> datetime | None:
    try:
        found = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return None
    return found if found.tzinfo else None


def _kind(type_: str) -> ChangeKind:
    lowered = type_.lower()
    return next((kind for kind, words in _KINDS if any(word in lowered for word in words)), ChangeKind.OTHER)


def _made(**fields: Any) -> ChangeEvent:
    url = fields["url"]
    fields["url"] = url[:LONGEST] if isinstance(url, str) and url.startswith(("https://", "http://")) else None
    fields |= {name: fields[name][:LONGEST] for name in ("title", "service")}
    fields["attributes"] = {name: value[:LONGEST] for name, value in fields["attributes"].items()}
    try:
        return msgspec.convert(fields, ChangeEvent)
    except msgspec.ValidationError as error:
        raise Invalid("event", str(error), "an event with its time in UTC or with an offset") from None
