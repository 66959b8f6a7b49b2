"""Reading views: what arrives, over time and in total.

Rules kept here:
- a chart shows each event under the variation that its unit was assigned at that moment, or as joining none;
- buckets are aligned to the window's start; empty ones are left out;
- every answer has a fixed order.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import duckdb
import msgspec

from twokey.adapters.telemetry.arms import failed, threshold
from twokey.adapters.telemetry.members import Values, place, window_values
from twokey.adapters.telemetry.schema import micros, moment
from twokey.domain.guardrail import Guardrail, GuardrailKind, Readings
from twokey.domain.telemetry import (
    ExposureCount,
    ExposurePoint,
    MetricPresence,
    RecordedChange,
    RecordedContext,
    Scope,
    SeriesPoint,
    Window,
)
from twokey.engine.errors import Invalid
from twokey.engine.wire import ChangeEvent

_HERE = "project = $project AND environment = $environment"
_WHEN = "happened >= $since AND happened < $until"


def _environment(scope: Scope) -> Values:
    return {"project": scope.project, "environment": scope.environment}


def _bucket_width(window: Window, buckets: int) -> int:
    """Microseconds of one bucket. Raises Invalid for an open or empty window."""
    if window.since is None or window.until is None or window.until <= window.since:
        raise Invalid("window", "is open or empty", "both ends, `since` before `until`")
    if buckets < 1:
        raise Invalid("buckets", f"is `{buckets}`", "1 or more")
    return max(1, -(-((window.until - window.since) // timedelta(microseconds=1)) // buckets))


# ---------------------------------------------------------------- over time

_SERIES = """
WITH events AS (
    SELECT who, happened, value, CASE WHEN flag = $flag THEN variation END AS own
    FROM metrics e
    WHERE project = $project AND environment = $environment AND metric = $metric
        AND happened >= $since AND happened < $until
),
met AS (
    SELECT who, happened, any_value(assigned ORDER BY revision DESC, assigned) AS assigned FROM exposures
    WHERE project = $project AND environment = $environment AND flag = $flag AND happened < $until
    GROUP BY who, happened
),
placed AS (
    SELECT e.happened, e.value, coalesce(e.own, met.assigned) AS variation
    FROM events e ASOF LEFT JOIN met
        ON e.who = met.who AND e.happened >= met.happened
)
SELECT (happened - $since) // $width AS bucket, variation, {figure}, count(*)
FROM placed GROUP BY bucket, variation ORDER BY bucket, variation NULLS LAST"""


def series(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, guardrail: Guardrail, window: Window, buckets: int
) -> tuple[SeriesPoint, ...]:
    """The guardrail's figure by bucket and assigned variation."""
    width = _bucket_width(window, buckets)
    if guardrail.kind is GuardrailKind.FALLBACK:
        return tuple(
            SeriesPoint(at=p.at, variation=p.variation, value=p.served_other / p.exposures, events=p.exposures)
            for p in exposure_series(cursor, scope, window, buckets)
        )
    values = place(scope) | window_values(window) | {"metric": guardrail.metric, "width": width}
    figure, extra = _figure(guardrail)
    found = cursor.execute(_SERIES.format(figure=figure), values | extra).fetchall()
    return tuple(
        SeriesPoint(at=_bucket(window, width, bucket), variation=variation, value=float(value), events=events)
        for bucket, variation, value, events in found
    )


def charted(readings: Readings) -> tuple[SeriesPoint, ...]:
    """A query's readings as a chart has them: of nobody's variation."""
    return tuple(
        SeriesPoint(at=each.at, variation=None, value=each.value, events=1)
        for each in readings.values
        if math.isfinite(each.value)
    )


def _figure(guardrail: Guardrail) -> tuple[str, Values]:
    if guardrail.kind is GuardrailKind.RATE:
        yes = "value > $limit" if guardrail.worse == "lower" else failed(guardrail, "value")
        return f"avg(CASE WHEN {yes} THEN 1.0 ELSE 0.0 END)", {"limit": threshold(guardrail)}
    if guardrail.kind is GuardrailKind.TAIL:
        return "quantile_cont(value, $quantile)", {"quantile": guardrail.quantile}
    return "avg(value)", {}


def _bucket(window: Window, width: int, bucket: int) -> datetime:
    assert window.since is not None  # noqa: S101 - `_bucket_width` has refused an open window
    return moment(micros(window.since) + bucket * width)


_EXPOSURE_SERIES = f"""
SELECT (happened - $since) // $width AS bucket, assigned, count(*), count(DISTINCT who),
       count(*) FILTER (WHERE served <> assigned)
FROM exposures WHERE {_HERE} AND flag = $flag AND {_WHEN}
GROUP BY bucket, assigned ORDER BY bucket, assigned"""  # noqa: S608


def exposure_series(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window, buckets: int
) -> tuple[ExposurePoint, ...]:
    """Exposures by bucket and assigned variation."""
    width = _bucket_width(window, buckets)
    values = place(scope) | window_values(window) | {"width": width}
    return tuple(
        ExposurePoint(
            at=_bucket(window, width, bucket), variation=name, exposures=seen, units=units, served_other=other
        )
        for bucket, name, seen, units, other in cursor.execute(_EXPOSURE_SERIES, values).fetchall()
    )


# ---------------------------------------------------------------- in total

_EXPOSURE_COUNTS = f"""
SELECT rule, assigned, served, count(*), count(DISTINCT who)
FROM exposures WHERE {_HERE} AND flag = $flag AND {_WHEN}
GROUP BY rule, assigned, served ORDER BY rule NULLS FIRST, assigned, served"""  # noqa: S608


def exposure_counts(cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window) -> tuple[ExposureCount, ...]:
    """Exposures and distinct units by rule, assigned and served."""
    found = cursor.execute(_EXPOSURE_COUNTS, place(scope) | window_values(window)).fetchall()
    return tuple(
        ExposureCount(rule=rule, assigned=assigned, served=served, exposures=exposures, units=units)
        for rule, assigned, served, exposures, units in found
    )


_PRESENCE = f"""
WITH events AS (
    SELECT who, unit_name, happened, unit_name <> 'observation' AND flag IS NOT DISTINCT FROM $flag
        AND variation IS NOT NULL AS own
    FROM metrics WHERE {_HERE} AND metric = $metric AND {_WHEN}
),
met AS (
    SELECT who, min(happened) AS entered FROM exposures
    WHERE {_HERE} AND flag = $flag AND happened < $until GROUP BY who
),
placed AS (
    SELECT e.who, e.unit_name, e.own OR coalesce(e.happened >= met.entered, false) AS joined
    FROM events e LEFT JOIN met USING (who)
)
SELECT count(*), count(DISTINCT who), count(*) FILTER (WHERE joined),
       count(DISTINCT who) FILTER (WHERE joined), list_sort(list(DISTINCT unit_name))
FROM placed"""  # noqa: S608


def metric_presence(cursor: duckdb.DuckDBPyConnection, scope: Scope, metric: str, window: Window) -> MetricPresence:
    """How much of a metric arrives, and how much joins an exposure of the flag."""
    values = place(scope) | window_values(window) | {"metric": metric}
    found = cursor.execute(_PRESENCE, values).fetchone()
    if found is None or not found[0]:
        return MetricPresence(metric=metric)
    events, units, joined_events, joined_units, names = found
    return MetricPresence(
        metric=metric,
        events=events,
        units=units,
        joined_events=joined_events,
        joined_units=joined_units,
        unit_names=tuple(names),
    )


def metrics(cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window) -> tuple[str, ...]:
    """Names of the metrics that arrived."""
    statement = f"SELECT DISTINCT metric FROM metrics WHERE {_HERE} AND {_WHEN} ORDER BY metric"  # noqa: S608
    found = cursor.execute(statement, _environment(scope) | window_values(window)).fetchall()
    return tuple(name for (name,) in found)


# ---------------------------------------------------------------- contexts and changes

_CONTEXTS = f"""
SELECT any_value(unit) AS unit, any_value(unit_name) AS unit_name,
       any_value(context ORDER BY happened DESC, revision DESC, context), count(*), max(happened) AS latest,
       any_value(assigned ORDER BY happened DESC, revision DESC, context)
FROM exposures WHERE {_HERE} AND ($flag = '' OR flag = $flag) AND {_WHEN}
GROUP BY who ORDER BY latest DESC, unit_name, unit LIMIT $limit"""  # noqa: S608


def contexts(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window, limit: int
) -> tuple[RecordedContext, ...]:
    """The latest context of each unit, with its id under the name it was bucketed by."""
    values = place(scope) | window_values(window) | {"limit": limit}
    return tuple(
        RecordedContext(
            unit=unit,
            unit_name=unit_name,
            context={"targetingKey": unit} | msgspec.json.decode(context) | {unit_name: unit},
            weight=weight,
            at=moment(happened),
            variation=None if scope.flag is None else variation,
        )
        for unit, unit_name, context, weight, happened, variation in cursor.execute(_CONTEXTS, values).fetchall()
    )


_CHANGES = f"""
SELECT id, source, kind, title, service, happened, url, attributes FROM changes
WHERE {_HERE} AND {_WHEN} ORDER BY happened, id"""  # noqa: S608


def change_events(cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window) -> tuple[RecordedChange, ...]:
    """Changes elsewhere, oldest first."""
    found = cursor.execute(_CHANGES, _environment(scope) | window_values(window)).fetchall()
    return tuple(_change(row) for row in found)


def _change(row: tuple[str, str, str, str, str, int, str | None, str]) -> RecordedChange:
    id_, source, kind, title, service, happened, url, attributes = row
    fields = {"kind": kind, "title": title, "service": service, "url": url, "at": moment(happened)}
    event = msgspec.convert(fields | {"attributes": msgspec.json.decode(attributes)}, ChangeEvent)
    return RecordedChange(id=id_, source=source, event=event)
