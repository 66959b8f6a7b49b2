"""Rows into answers: what both stores make of what they found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from twokey.adapters.telemetry.schema import micros, moment
from twokey.domain.guardrail import Guardrail, Readings
from twokey.domain.telemetry import (
    ExposurePoint,
    Queries,
    RecordedChange,
    RecordedContext,
    Scope,
    SeriesPoint,
    Window,
)
from twokey.engine.errors import Invalid
from twokey.engine.wire import ChangeEvent

_decode = msgspec.json.Decoder(dict[str, str | int | float | bool]).decode


def bucket_width(window: Window, buckets: int) -> int:
    """Microseconds of one bucket. Raises Invalid for an open or empty window."""
    if window.since is None or window.until is None or window.until <= window.since:
        raise Invalid("window", "is open or empty", "both ends, `since` before `until`")
    if buckets < 1:
        raise Invalid("buckets", f"is `{buckets}`", "1 or more")
    return max(1, -(-((window.until - window.since) // timedelta(microseconds=1)) // buckets))


def bucket_at(window: Window, width: int, bucket: int) -> datetime:
    """When a bucket begins; buckets are aligned to the window's start."""
    assert window.since is not None  # noqa: S101 - `bucket_width` has refused an open window
    return moment(micros(window.since) + bucket * width)


def fallback_series(points: Sequence[ExposurePoint]) -> tuple[SeriesPoint, ...]:
    """The share that was served something else, over time."""
    return tuple(
        SeriesPoint(at=p.at, variation=p.variation, value=p.served_other / p.exposures, events=p.exposures)
        for p in points
    )


def charted(readings: Readings) -> tuple[SeriesPoint, ...]:
    """A query's readings as a chart has them: of nobody's variation."""
    return tuple(
        SeriesPoint(at=each.at, variation=None, value=each.value, events=1)
        for each in readings.values
        if math.isfinite(each.value)
    )


def asked(queries: Queries | None, scope: Scope, guardrail: Guardrail, window: Window) -> Readings:
    """What the metrics system says for a guardrail by query, where one is connected."""
    if queries is None:
        return Readings(problem="no metrics system is connected; name one with `twokey serve --prometheus`")
    return queries.read(scope, guardrail.query, window)


def recorded_context(scope: Scope, row: tuple[str, str, str, int, int, str]) -> RecordedContext:
    """A unit's latest context, with its id under the name it was bucketed by."""
    unit, unit_name, context, weight, happened, variation = row
    return RecordedContext(
        unit=unit,
        unit_name=unit_name,
        context={"targetingKey": unit, **_decode(context), unit_name: unit},
        weight=weight,
        at=moment(happened),
        variation=None if scope.flag is None else variation,
    )


def recorded_change(row: tuple[str, str, str, str, str, int, str | None, str]) -> RecordedChange:
    """A change elsewhere, with the id it can be cited by."""
    id_, source, kind, title, service, happened, url, attributes = row
    fields = {"kind": kind, "title": title, "service": service, "url": url, "at": moment(happened)}
    event = msgspec.convert(fields | {"attributes": msgspec.json.decode(attributes)}, ChangeEvent)
    return RecordedChange(id=id_, source=source, event=event)
