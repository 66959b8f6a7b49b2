"""Foreign alerts come in here. The bearer token names the source and its environment."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool

from twokey.domain.errors import Refused
from twokey.domain.identity import ActorKind, Scope
from twokey.domain.signal import parse_alertmanager
from twokey.steps.receive_signal import receive
from twokey.surfaces.calls import JSON_BODY, Acts, Serves
from twokey.surfaces.shapes import Model


class Received(Model):
    """What became of an alert payload: per alert its signal, its case and what happened to it."""

    results: list[ReceivedAlert]


class ReceivedAlert(Model):
    fingerprint: str
    outcome: Literal["opened", "joined", "repeated", "resolved", "ignored"]
    case: str | None
    signal: str | None


router = APIRouter(prefix="/signals/v1", tags=["signals"])


def _source(actor: Acts) -> tuple[str, str]:
    """The environment that this source speaks for. An agent is no source: it makes no signals of its own."""
    if actor.kind is not ActorKind.SERVICE or Scope.SIGNALS_WRITE not in actor.scopes:
        raise Refused("alerts need a service token with the scope `signals:write`")
    return actor.project or "", actor.environment or ""


Source = Annotated[tuple[str, str], Depends(_source)]


@router.post("/alertmanager", openapi_extra=JSON_BODY)
async def alertmanager(request: Request, source: Source, actor: Acts, services: Serves) -> Received:
    """An Alertmanager webhook of version 4. Repeats are counted once; each alert has its own status."""
    alerts = parse_alertmanager(await request.body(), actor.name or actor.id)
    receipts = await run_in_threadpool(receive, services.store, actor, *source, alerts)
    return Received(
        results=[
            ReceivedAlert(fingerprint=each.fingerprint, outcome=each.outcome.value, case=each.case, signal=each.signal)
            for each in receipts
        ]
    )
