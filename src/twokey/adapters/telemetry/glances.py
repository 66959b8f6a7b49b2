"""Many flags at once: who met which, what their metrics were roughly, and who came at all.

Rules kept here:
- one pass answers for every flag of an environment, so that ten thousand of them cost what one costs;
- figures are rough: they choose what is measured by arms and stages, and judge nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import duckdb
import msgspec

from twokey.adapters.telemetry.members import DRAWN, Values, place, window_values
from twokey.domain.telemetry import Asked, ExposureCount, Glance, Scope, Traffic, Window

_HERE = "project = $project AND environment = $environment"
_WHEN = "happened >= $since AND happened < $until"

_GLANCES = f"""
WITH asked AS (
    SELECT unnest($number::BIGINT[]) AS number, unnest($flags::VARCHAR[]) AS flag, unnest($metric::VARCHAR[]) AS metric,
           unnest($failing::DOUBLE[]) AS failing, unnest($higher::BOOLEAN[]) AS higher, unnest($part::BIGINT[]) AS part
),
met AS (
    SELECT flag, who, min({{'happened': happened, 'rule': rule, 'assigned': assigned}}) AS entry
    FROM exposures e WHERE {_HERE} AND {_WHEN} AND flag IN (SELECT flag FROM asked) AND {DRAWN} GROUP BY flag, who
),
per_unit AS (
    SELECT number, e.who, any_value(met.entry) AS entry,
           CASE WHEN max(part) = 0 THEN avg(e.value)
                ELSE coalesce(sum(e.value) FILTER (WHERE part = 1), 0)
                     / nullif(sum(e.value) FILTER (WHERE part = 2), 0) END AS value,
           bool_or(CASE WHEN asked.higher THEN e.value > asked.failing ELSE e.value < asked.failing END) AS failed
    FROM metrics e JOIN met ON met.who = e.who AND e.happened >= met.entry.happened
        JOIN asked ON asked.flag = met.flag AND asked.metric = e.metric
    WHERE e.project = $project AND e.environment = $environment
        AND e.happened >= $since AND e.happened < $until AND e.metric IN (SELECT metric FROM asked)
    GROUP BY number, e.who
)
SELECT number, entry.rule, entry.assigned, count(*), count(*) FILTER (WHERE failed), avg(value),
       coalesce(var_samp(value), 0.0)
FROM per_unit WHERE value IS NOT NULL GROUP BY ALL ORDER BY ALL"""  # noqa: S608 - assembled from this module's own text


def glances(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, asked: Sequence[Asked], window: Window
) -> tuple[Glance, ...]:
    """What was asked for, by rule and assigned variation."""
    if not asked:
        return ()
    values = {"project": scope.project, "environment": scope.environment} | window_values(window) | wanted(asked)
    return tuple(glance(asked[row[0]], row[1:]) for row in cursor.execute(_GLANCES, values).fetchall())


def wanted(asked: Sequence[Asked]) -> Values:
    """What is asked for, as parameters: a metric by itself (part 0), or both parts of a ratio (1 and 2)."""
    parts = [
        (number, each, part, name)
        for number, each in enumerate(asked)
        for part, name in (((1, each.metric), (2, each.denominator)) if each.denominator else ((0, each.metric),))
    ]
    return {
        "number": [number for number, _, _, _ in parts],
        "flags": [each.flag for _, each, _, _ in parts],
        "metric": [name for _, _, _, name in parts],
        "failing": [each.failing for _, each, _, _ in parts],
        "higher": [each.higher for _, each, _, _ in parts],
        "part": [part for _, _, part, _ in parts],
    }


def glance(asked: Asked, row: Sequence[Any]) -> Glance:
    """One row of the answer."""
    rule, assigned, units, failures, mean, variance = row
    return Glance(
        flag=asked.flag,
        guardrail=asked.guardrail,
        rule=rule or None,
        assigned=assigned,
        units=units,
        failures=failures,
        mean=mean,
        variance=variance,
        failing=asked.failing,
    )


_EXPOSED = f"""
SELECT flag, rule, assigned, served, count(*), count(DISTINCT who)
FROM exposures WHERE {_HERE} AND {_WHEN}
GROUP BY flag, rule, assigned, served ORDER BY flag, rule NULLS FIRST, assigned, served"""  # noqa: S608


def exposed(cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window) -> dict[str, tuple[ExposureCount, ...]]:
    """Exposures and distinct units of every flag, by rule, assigned and served."""
    values = {"project": scope.project, "environment": scope.environment} | window_values(window)
    return by_flag(cursor.execute(_EXPOSED, values).fetchall())


def by_flag(found: Sequence[tuple[str, str | None, str, str, int, int]]) -> dict[str, tuple[ExposureCount, ...]]:
    """Rows into counts, by flag."""
    counts: dict[str, list[ExposureCount]] = defaultdict(list)
    for flag, rule, assigned, served, exposures, units in found:
        counts[flag].append(
            ExposureCount(rule=rule or None, assigned=assigned, served=served, exposures=exposures, units=units)
        )
    return {flag: tuple(each) for flag, each in counts.items()}


_UNITS = f"""
SELECT count(DISTINCT who), count(*) FROM exposures
WHERE {_HERE} AND ($flag = '' OR flag = $flag) AND {_WHEN}"""  # noqa: S608

_SAMPLE = f"""
WITH chosen AS (
    SELECT DISTINCT who FROM exposures WHERE {_HERE} AND ($flag = '' OR flag = $flag) AND {_WHEN}
    ORDER BY who LIMIT $sample
)
SELECT arg_max(context, (happened, context)) FROM exposures SEMI JOIN chosen USING (who)
WHERE {_HERE} AND ($flag = '' OR flag = $flag) AND {_WHEN} GROUP BY who ORDER BY who"""  # noqa: S608


def traffic(cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window, sample: int) -> Traffic:
    """Who came. `who` is a hash, so the lowest are a sample, and the same units in every window."""
    values = place(scope) | window_values(window)
    ((units, exposures),) = cursor.execute(_UNITS, values).fetchall()
    contexts = cursor.execute(_SAMPLE, values | {"sample": sample}).fetchall()
    return Traffic(units=units, exposures=exposures, contexts=tuple(msgspec.json.decode(row[0]) for row in contexts))
