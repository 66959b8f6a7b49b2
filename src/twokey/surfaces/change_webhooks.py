"""Changes elsewhere come in here: CloudEvents by a token, GitHub's deployments by their signature.

Rules kept here:
- a change is evidence and nothing else: it opens no case, and moves nothing;
- an event that is sent again is kept once.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.exceptions import BaseCloudEventException, CloudEventValidationError
from fastapi import APIRouter, Header, Request
from starlette.concurrency import run_in_threadpool

from twokey.domain.foreign_change import of_cloud_event, of_github
from twokey.domain.identity import Actor, ActorKind, Scope
from twokey.engine.errors import Invalid
from twokey.engine.wire import ChangeEvent, TelemetryBatch
from twokey.steps.ingest_telemetry import ingest
from twokey.surfaces.auth import Unauthenticated
from twokey.surfaces.calls import JSON_BODY, Acts, Serves, strict_json
from twokey.surfaces.services import Services
from twokey.surfaces.shapes import Model

MOST = 1000
"""Events in one batch."""


class TakenChanges(Model):
    """What became of events: how many were kept, and why others were not."""

    kept: int
    refused: list[str]


router = APIRouter(prefix="/changes/v1", tags=["changes elsewhere"])


@router.post("/cloudevents", openapi_extra=JSON_BODY)
async def take_cloud_events(request: Request, actor: Acts, services: Serves) -> TakenChanges:
    """CloudEvents 1.0 in any of the three modes of its HTTP binding. Needs `telemetry:write`."""
    body, now = await request.body(), services.clock()
    kept: list[ChangeEvent] = []
    refused: list[str] = []
    for number, headers, text in _messages(request.headers, body):
        try:
            kept.append(_change(headers, text, now))
        except Invalid as error:
            refused.append(f"events[{number}]: {error}")
    if len(refused) == 1 and not kept:
        raise Invalid("event", refused[0].partition(": ")[2], "a CloudEvent 1.0")
    return await run_in_threadpool(_keep, services, actor, kept, hashlib.sha256(body).hexdigest(), refused)


def _messages(headers: Mapping[str, str], body: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Each event as a message of its own."""
    plain = {name.lower(): value for name, value in headers.items()}
    if not plain.get("content-type", "").lower().startswith("application/cloudevents-batch"):
        return [(0, plain, body)]
    strict_json(body)
    events = json.loads(body)
    if not isinstance(events, list) or len(events) > MOST:
        raise Invalid("body", "is no list of events, or too long a one", f"at most {MOST} events")
    return [
        (number, {"content-type": "application/cloudevents+json"}, json.dumps(each).encode())
        for number, each in enumerate(events)
    ]


def _change(headers: dict[str, str], body: bytes, now: datetime) -> ChangeEvent:
    try:
        event: BaseCloudEvent = from_http_event(HTTPMessage(headers=headers, body=body))
    except CloudEventValidationError as error:
        why = "; ".join(f"{name}: {', '.join(map(str, found))}" for name, found in error.errors.items())
        raise Invalid("event", why[:500], "the attributes id, source, specversion and type") from None
    except (BaseCloudEventException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Invalid("event", f"cannot be read: {str(error)[:200]}", "a CloudEvent 1.0") from None
    said = dict(event.get_attributes())
    if not _is_timed(headers, body):
        said["time"] = None  # the library puts its own clock's time there
    return of_cloud_event(said, _data(event), now)


def _is_timed(headers: Mapping[str, str], body: bytes) -> bool:
    if "ce-specversion" in headers:
        return "ce-time" in headers
    return bool(json.loads(body).get("time"))


def _data(event: BaseCloudEvent) -> Any:
    data = event.get_data()
    if not isinstance(data, (str, bytes)):
        return data
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


@router.post("/github/{project}/{environment}", openapi_extra=JSON_BODY)
async def take_github(
    project: str,
    environment: str,
    request: Request,
    services: Serves,
    x_github_event: Annotated[str, Header()] = "",
    x_hub_signature_256: Annotated[str, Header()] = "",
) -> TakenChanges:
    """GitHub's webhook for deployments, signed with the secret that the server was given for this environment."""
    body = await request.body()
    secret = services.github_secrets.get(f"{project}/{environment}", "")
    wanted = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not secret or not hmac.compare_digest(wanted.encode(), x_hub_signature_256.encode()):
        raise Unauthenticated("the signature does not fit the webhook's secret for this environment")
    strict_json(body)
    said = json.loads(body)
    if not isinstance(said, dict):
        raise Invalid("body", "is no object", "GitHub's own payload, as application/json")
    change = of_github(x_github_event, said, services.clock())
    actor = Actor(
        id="github",
        kind=ActorKind.SERVICE,
        scopes=frozenset({Scope.TELEMETRY_WRITE}),
        project=project,
        environment=environment,
    )
    kept = [change] if change else []
    return await run_in_threadpool(_keep, services, actor, kept, hashlib.sha256(body).hexdigest(), [])


def _keep(
    services: Services, actor: Actor, events: Sequence[ChangeEvent], digest: str, refused: Sequence[str]
) -> TakenChanges:
    batch = TelemetryBatch(batch_id=f"changes-{digest}", changes=tuple(events))
    accepted = ingest(services.telemetry, actor, batch, services.clock())
    return TakenChanges(kept=accepted.changes, refused=[*refused, *(each.reason for each in accepted.refused)])
