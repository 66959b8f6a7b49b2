"""OTLP's messages into plain records, in protobuf or JSON, gzipped or not.

Rules kept here:
- what a body becomes when it is unpacked is bounded as well;
- records that tell of no evaluation are passed over: a collector sends whatever it has;
- a cumulative sum or histogram is the state of a counter, not something that happened: it is refused with what to set.

Formats: opentelemetry-proto 1.x; in JSON, identifiers are hexadecimal, which protobuf's reader takes for base64: they
are read by nobody here.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE

from twokey.domain.otel import EVENTS, Bucket, Event, Point, Scalar, observations
from twokey.engine.errors import Invalid
from twokey.steps.ingest_telemetry import Told

M = TypeVar("M", bound=Message)
MOST = 16 * 1024 * 1024
"""Bytes of a request once it is unpacked."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 253_402_300_799 * 10**9
"""The last nanosecond that a date can be written for."""
DELTA = "set the exporter's temporality to delta (OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta)"


class TooLarge(Exception):
    """More than is taken at once."""


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body as it was before it was packed. Raises Invalid, and TooLarge."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Invalid("Content-Encoding", f"is `{encoding[:40]}`", "gzip, or none")
    machine = zlib.decompressobj(wbits=31)
    try:
        found = machine.decompress(body, MOST + 1)
    except zlib.error as error:
        raise Invalid("body", f"is not gzip: {error}", "gzip as Content-Encoding says") from None
    if len(found) > MOST:
        raise TooLarge
    if not machine.eof:
        raise Invalid("body", "is cut off", "a whole gzip stream")
    return found


def read(body: bytes, kind: type[M], *, as_json: bool) -> M:
    """The message in a body. Raises Invalid."""
    message = kind()
    try:
        if as_json:
            json_format.Parse(body, message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(body)
    except (json_format.ParseError, DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Invalid("body", f"is no {kind.__name__}: {str(error)[:200]}", "OTLP as its content type says") from None
    return message


# ---------------------------------------------------------------- evaluations


def of_logs(message: ExportLogsServiceRequest) -> Told:
    """The evaluations among log records."""
    events: list[Event] = []
    misread: list[str] = []
    for resource in message.resource_logs:
        for scope in resource.scope_logs:
            for record in scope.log_records:
                said = _attributes(record.attributes)
                name = record.event_name or str(said.pop("event.name", ""))
                if name in EVENTS:
                    said = _value_in(record.body) | said
                    at = _moment(record.time_unix_nano or record.observed_time_unix_nano)
                    _keep(events, misread, at, said)
    return Told(events=events, misread=tuple(misread))


def _value_in(body: Any) -> dict[str, Scalar]:
    """The value that older conventions put into the record's body: `{"value": ...}`."""
    found = next((_scalar(each.value) for each in body.kvlist_value.values if each.key == "value"), None)
    return {} if found is None else {"feature_flag.result.value": found}


def of_traces(message: ExportTraceServiceRequest) -> Told:
    """The evaluations among spans' events."""
    events: list[Event] = []
    misread: list[str] = []
    for resource in message.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                for event in span.events:
                    if event.name in EVENTS:
                        _keep(events, misread, _moment(event.time_unix_nano), _attributes(event.attributes))
    return Told(events=events, misread=tuple(misread))


def _keep(events: list[Event], misread: list[str], at: datetime | None, said: Mapping[str, Scalar]) -> None:
    if at is None:
        misread.append("time_unix_nano: is missing, or no date")
    else:
        events.append(Event(at=at, attributes=said))


# ---------------------------------------------------------------- data points


def of_metrics(message: ExportMetricsServiceRequest) -> Told:
    """The data points."""
    points: list[Point] = []
    misread: list[str] = []
    for resource in message.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for found in _points(metric):
                    if isinstance(found, Point):
                        points.append(found)
                    else:
                        misread.append(f"{metric.name[:200]}: {found}")
    return Told(points=points, misread=tuple(misread))


def _points(metric: Any) -> Iterator[Point | str]:
    """Each data point, or why it is none."""
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    cumulative = getattr(data, "aggregation_temporality", 0) == AGGREGATION_TEMPORALITY_CUMULATIVE
    for each in data.data_points:
        if kind == "summary":
            yield "a summary holds no observations; send a histogram"
        elif cumulative and (kind != "sum" or data.is_monotonic):
            yield f"is cumulative; {DELTA}"
        elif each.flags & 1:
            continue  # the point says itself that it holds no value
        else:
            yield _point(metric.name, kind, each)


def _point(name: str, kind: str, each: Any) -> Point | str:
    at = _moment(each.time_unix_nano)
    if at is None:
        return "time_unix_nano: is missing, or no date"
    try:
        values = _values(kind, each)
    except Invalid as error:
        return str(error)
    return Point(metric=name, at=at, attributes=_attributes(each.attributes), values=values)


def _values(kind: str, each: Any) -> tuple[float, ...]:
    if kind in ("sum", "gauge"):
        return (float(each.as_int if each.WhichOneof("value") == "as_int" else each.as_double),)
    if each.count == 1 and each.HasField("sum"):
        return (float(each.sum),)
    least, most = (each.min if each.HasField("min") else None), (each.max if each.HasField("max") else None)
    return observations(_explicit(each) if kind == "histogram" else _exponential(each), least, most)


def _explicit(each: Any) -> list[Bucket]:
    ends = [-math.inf, *each.explicit_bounds, math.inf]
    return list(zip(ends, ends[1:], each.bucket_counts, strict=False))


def _exponential(each: Any) -> list[Bucket]:
    """The buckets of an exponential histogram: (base^index, base^(index + 1)], with base = 2^(2^-scale)."""
    base = 2.0 ** (2.0**-each.scale)
    up = [(each.positive.offset + index, count) for index, count in enumerate(each.positive.bucket_counts)]
    down = [(each.negative.offset + index, count) for index, count in enumerate(each.negative.bucket_counts)]
    try:
        above = [(base**index, base ** (index + 1), count) for index, count in up]
        below = [(-(base ** (index + 1)), -(base**index), count) for index, count in down]
    except OverflowError:
        raise Invalid("scale", f"is {each.scale}: its buckets are no numbers", "a histogram within a double") from None
    return [*below, (-each.zero_threshold, each.zero_threshold, each.zero_count), *above]


# ---------------------------------------------------------------- values


def _moment(nanos: int) -> datetime | None:
    if not 0 < nanos <= LATEST:
        return None
    return EPOCH + timedelta(microseconds=nanos // 1000)


def _attributes(pairs: Iterable[Any]) -> dict[str, Scalar]:
    """Flat attributes; of structures the JSON."""
    found = {pair.key: _scalar(pair.value) for pair in pairs}
    return {key: value for key, value in found.items() if value is not None}


def _scalar(value: Any) -> Scalar | None:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind in ("string_value", "bool_value", "int_value", "double_value"):
        plain: Scalar = getattr(value, kind)
        return plain
    return json.dumps(_structure(value), sort_keys=True)


def _structure(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_structure(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {each.key: _structure(each.value) for each in value.kvlist_value.values}
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return getattr(value, kind) if kind else None
