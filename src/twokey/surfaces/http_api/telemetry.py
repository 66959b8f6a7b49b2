"""Telemetry intake as JSON: exposures, metric events and changes from elsewhere."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from twokey.engine.errors import Invalid
from twokey.engine.wire import TelemetryBatch
from twokey.steps.ingest_telemetry import ingest
from twokey.surfaces.calls import JSON_BODY, Acts, Serves
from twokey.surfaces.http_api.models import AcceptedView, RefusedRecord

router = APIRouter(tags=["telemetry"])


@router.post("/telemetry", openapi_extra=JSON_BODY)
async def take_batch(request: Request, actor: Acts, services: Serves) -> AcceptedView:
    """Take in a batch. A batch id that was seen before counts once; bad records are refused one by one."""
    batch = decode_batch(await request.body())
    accepted = await run_in_threadpool(ingest, services.telemetry, actor, batch, services.clock())
    return AcceptedView(
        batch_id=accepted.batch_id,
        repeated=accepted.duplicate,
        exposures=accepted.exposures,
        metrics=accepted.metrics,
        changes=accepted.changes,
        refused=[RefusedRecord(kind=each.kind, index=each.index, problem=each.reason) for each in accepted.refused],
    )


def decode_batch(body: bytes) -> TelemetryBatch:
    """A batch from its JSON. Raises Invalid naming the field."""
    try:
        return msgspec.json.decode(body, type=TelemetryBatch)
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at `$")
        raise Invalid(path.rstrip("`").lstrip(".") or "body", problem, "a telemetry batch, see the docs") from None
    except msgspec.DecodeError as error:
        raise Invalid("body", f"is not JSON: {error}", "a telemetry batch as JSON") from None
