"""`/otlp/v1/logs`, `/traces`, `/metrics`: where OpenTelemetry's exporters and collectors send.

Rules kept here:
- an export has no id of its own: its digest is its id, so that an export that is repeated counts once;
- bad records are told of in `partial_success`, and the rest is kept; a client does not send such a batch again;
- errors are `google.rpc.Status`, in the encoding of the request; only 429 asks for another try.

OTLP 1.x, https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.concurrency import run_in_threadpool

from twokey.domain.identity import Actor
from twokey.engine.errors import Invalid
from twokey.steps.ingest_telemetry import Taken, Told, ingest_otel
from twokey.surfaces.calls import OURS, Acts, Serves
from twokey.surfaces.http_errors import headers_of, problem_of
from twokey.surfaces.otlp.decode import TooLarge, of_logs, of_metrics, of_traces, read, unpacked
from twokey.surfaces.otlp.known import Flags
from twokey.surfaces.services import Services

PROTOBUF, JSON = "application/x-protobuf", "application/json"
MOST_REASONS = 3
GRPC = {400: 3, 401: 16, 403: 7, 404: 5, 413: 8, 415: 3, 429: 8}
"""google.rpc.Code of a status of HTTP; 13 (internal) for any other."""


class Signal(NamedTuple):
    """One kind of export: its messages, what it tells, and how its answer counts what was refused."""

    request: type[Message]
    response: type[Message]
    told: Callable[[Any], Told]
    rejected: str


SIGNALS = {
    "logs": Signal(ExportLogsServiceRequest, ExportLogsServiceResponse, of_logs, "rejected_log_records"),
    "traces": Signal(ExportTraceServiceRequest, ExportTraceServiceResponse, of_traces, "rejected_spans"),
    "metrics": Signal(ExportMetricsServiceRequest, ExportMetricsServiceResponse, of_metrics, "rejected_data_points"),
}


class Otlp(APIRoute):
    """A route whose errors are `google.rpc.Status`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its errors in the words of the protocol."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except TooLarge:
                return _status(request, 413, "the export is too large once it is unpacked", {})
            except Invalid as error:
                unread = 415 if error.field == "Content-Type" else 400
                return _status(request, unread, str(error), {})
            except OURS as error:
                document = problem_of(error)
                return _status(request, document["status"], document["detail"], headers_of(error))

        return handle


router = APIRouter(prefix="/otlp/v1", tags=["telemetry"], route_class=Otlp, include_in_schema=False)


@router.post("/logs")
async def take_logs(request: Request, actor: Acts, services: Serves) -> Response:
    """Evaluations as events of the logs pipeline."""
    return await _take(request, actor, services, SIGNALS["logs"])


@router.post("/traces")
async def take_traces(request: Request, actor: Acts, services: Serves) -> Response:
    """Evaluations as events of spans."""
    return await _take(request, actor, services, SIGNALS["traces"])


@router.post("/metrics")
async def take_metrics(request: Request, actor: Acts, services: Serves) -> Response:
    """Numbers and histograms."""
    return await _take(request, actor, services, SIGNALS["metrics"])


async def _take(request: Request, actor: Actor, services: Services, signal: Signal) -> Response:
    body = await request.body()
    as_json = _content_type(request) == JSON
    taken = await run_in_threadpool(_keep, request, body, actor, services, signal, as_json)
    answer = signal.response()
    if taken.rejected:
        setattr(answer.partial_success, signal.rejected, taken.rejected)  # type: ignore[attr-defined]
        answer.partial_success.error_message = _why(taken)  # type: ignore[attr-defined]
    return _written(answer, 200, {}, as_json=as_json)


def _keep(request: Request, body: bytes, actor: Actor, services: Services, signal: Signal, as_json: bool) -> Taken:
    plain = unpacked(body, request.headers.get("content-encoding", "").strip().lower())
    told = signal.told(read(plain, signal.request, as_json=as_json))
    flags: Flags = request.app.state.telemetry_flags
    keys = {str(each.attributes.get("feature_flag.key", "")) for each in told.events}
    keys |= {str(each.attributes.get("feature_flag.key", "")) for each in told.points}
    known = flags.known((actor.project or "", actor.environment or ""), keys - {""})
    batch_id = f"otlp-{hashlib.sha256(plain).hexdigest()}"
    return ingest_otel(services.telemetry, actor, told, known, batch_id, services.clock())


def _content_type(request: Request) -> str:
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found not in (PROTOBUF, JSON):
        raise Invalid("Content-Type", f"is `{found[:60]}`", f"{PROTOBUF} or {JSON}")
    return found


def _why(taken: Taken) -> str:
    more = len(taken.reasons) - MOST_REASONS
    said = "; ".join(each[:300] for each in taken.reasons[:MOST_REASONS])
    return f"{said}; and {more} more reasons" if more > 0 else said


def _status(request: Request, status: int, detail: str, headers: dict[str, str]) -> Response:
    as_json = request.headers.get("content-type", "").startswith(JSON)
    return _written(Status(code=GRPC.get(status, 13), message=detail), status, headers, as_json=as_json)


def _written(message: Message, status: int, headers: dict[str, str], *, as_json: bool) -> Response:
    if as_json:
        return Response(json_format.MessageToJson(message, indent=None), status, headers, JSON)
    return Response(message.SerializeToString(), status, headers, PROTOBUF)
