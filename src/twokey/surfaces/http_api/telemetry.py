"""Telemetry intake as JSON: exposures, metric events and changes from elsewhere."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from twokey.domain.intake import read_batch
from twokey.steps.ingest_telemetry import ingest
from twokey.surfaces.calls import JSON_BODY, Acts, Serves
from twokey.surfaces.http_api.models import AcceptedView, RefusedRecord

router = APIRouter(tags=["telemetry"])


@router.post("/telemetry", openapi_extra=JSON_BODY)
async def take_batch(request: Request, actor: Acts, services: Serves) -> AcceptedView:
    """Take in a batch. A batch id that was seen before counts once; bad records are refused one by one."""
    batch, misshapen = read_batch(await request.body())
    accepted = await run_in_threadpool(ingest, services.telemetry, actor, batch, services.clock())
    return AcceptedView(
        batch_id=accepted.batch_id,
        repeated=accepted.duplicate,
        exposures=accepted.exposures,
        metrics=accepted.metrics,
        changes=accepted.changes,
        refused=[
            RefusedRecord(kind=each.kind, index=each.index, problem=each.reason)
            for each in (*misshapen, *accepted.refused)
        ],
    )
