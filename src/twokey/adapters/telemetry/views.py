"""Reading views: what arrives, over time and in total.

Rules kept here:
- a chart shows each event under the variation that its unit was assigned at that moment, or as joining none;
- buckets are aligned to the window's start; empty ones are left out;
- every answer has a fixed order.
"""

from __future__ import annotations

import duckdb

from twokey.adapters.telemetry.answers import (
    bucket_at,
    bucket_width,
    fallback_series,
    recorded_change,
    recorded_context,
)
from twokey.adapters.telemetry.arms import failed, threshold
from twokey.adapters.telemetry.members import Values, place, window_values
from twokey.domain.guardrail import Guardrail, GuardrailKind
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

_HERE = "project = $project AND environment = $environment"
_WHEN = "happened >= $since AND happened < $until"


def _environment(scope: Scope) -> Values:
    return {"project": scope.project, "environment": scope.environment}


# ---------------------------------------------------------------- over time

_SERIES = """
WITH events AS (
    SELECT who, happened, value, metric, CASE WHEN flag = $flag THEN variation END AS own
    FROM metrics e
    WHERE project = $project AND environment = $environment AND metric IN ($metric, $under)
        AND happened >= $since AND happened < $until
),
met AS (
    SELECT who, happened, any_value(assigned ORDER BY revision DESC, assigned) AS assigned FROM exposures
    WHERE project = $project AND environment = $environment AND flag = $flag AND happened < $until
    GROUP BY who, happened
),
placed AS (
    SELECT e.happened, e.value, e.metric, coalesce(e.own, met.assigned) AS variation
    FROM events e ASOF LEFT JOIN met
        ON e.who = met.who AND e.happened >= met.happened
)
SELECT (happened - $since) // $width AS bucket, variation, {figure}, count(*)
FROM placed GROUP BY bucket, variation ORDER BY bucket, variation NULLS LAST"""


def series(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, guardrail: Guardrail, window: Window, buckets: int
) -> tuple[SeriesPoint, ...]:
    """The guardrail's figure by bucket and assigned variation."""
    width = bucket_width(window, buckets)
    if guardrail.kind is GuardrailKind.FALLBACK:
        return fallback_series(exposure_series(cursor, scope, window, buckets))
    metrics: Values = {"metric": guardrail.metric, "under": guardrail.joined_by}
    values = place(scope) | window_values(window) | metrics | {"width": width}
    figure, extra = _figure(guardrail)
    found = cursor.execute(_SERIES.format(figure=figure), values | extra).fetchall()
    return tuple(
        SeriesPoint(at=bucket_at(window, width, bucket), variation=variation, value=float(value), events=events)
        for bucket, variation, value, events in found
        if value is not None
    )


_RATIO = """coalesce(sum(value) FILTER (WHERE metric <> $under), 0)
       / nullif(sum(value) FILTER (WHERE metric = $under), 0)"""


def _figure(guardrail: Guardrail) -> tuple[str, Values]:
    if guardrail.kind is GuardrailKind.RATE:
        yes = "value > $limit" if guardrail.worse == "lower" else failed(guardrail, "value")
        return f"avg(CASE WHEN {yes} THEN 1.0 ELSE 0.0 END)", {"limit": threshold(guardrail)}
    if guardrail.kind is GuardrailKind.TAIL:
        return "quantile_cont(value, $quantile)", {"quantile": guardrail.quantile}
    if guardrail.kind is GuardrailKind.RATIO:
        return _RATIO, {}
    return "avg(value)", {}


_EXPOSURE_SERIES = f"""
SELECT (happened - $since) // $width AS bucket, assigned, count(*), count(DISTINCT who),
       count(*) FILTER (WHERE served <> assigned)
FROM exposures WHERE {_HERE} AND flag = $flag AND {_WHEN}
GROUP BY bucket, assigned ORDER BY bucket, assigned"""  # noqa: S608


def exposure_series(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window, buckets: int
) -> tuple[ExposurePoint, ...]:
    """Exposures by bucket and assigned variation."""
    width = bucket_width(window, buckets)
    values = place(scope) | window_values(window) | {"width": width}
    return tuple(
        ExposurePoint(
            at=bucket_at(window, width, bucket), variation=name, exposures=seen, units=units, served_other=other
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

_MET = f"{_HERE} AND ($flag = '' OR flag = $flag) AND {_WHEN}"
_CONTEXTS = f"""
WITH latest AS MATERIALIZED (SELECT who, max(happened) AS latest FROM exposures WHERE {_MET} GROUP BY who),
chosen AS MATERIALIZED (
    SELECT who FROM latest
    WHERE latest >= (SELECT min(latest) FROM (SELECT latest FROM latest ORDER BY latest DESC LIMIT $limit))
),
places AS MATERIALIZED (SELECT e.rowid AS place FROM exposures e SEMI JOIN chosen USING (who) WHERE {_MET})
SELECT any_value(unit) AS unit, any_value(unit_name) AS unit_name,
       any_value(context ORDER BY happened DESC, revision DESC, context), count(*), max(happened) AS latest,
       any_value(assigned ORDER BY happened DESC, revision DESC, context, assigned)
FROM exposures e JOIN places ON e.rowid = places.place
GROUP BY who ORDER BY latest DESC, unit_name, unit LIMIT $limit"""  # noqa: S608
"""Who came last is found by numbers alone; texts are read of those units only: of two million, six times as fast."""


def contexts(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window, limit: int
) -> tuple[RecordedContext, ...]:
    """The latest context of each unit, with its id under the name it was bucketed by."""
    values = place(scope) | window_values(window) | {"limit": limit}
    found = cursor.execute(_CONTEXTS, values).fetchall()
    return tuple(recorded_context(scope, row) for row in found)


_CHANGES = f"""
SELECT id, source, kind, title, service, happened, url, attributes FROM changes
WHERE {_HERE} AND {_WHEN} ORDER BY happened, id"""  # noqa: S608


def change_events(cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window) -> tuple[RecordedChange, ...]:
    """Changes elsewhere, oldest first."""
    found = cursor.execute(_CHANGES, _environment(scope) | window_values(window)).fetchall()
    return tuple(recorded_change(row) for row in found)
