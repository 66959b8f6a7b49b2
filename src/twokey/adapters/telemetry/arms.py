"""Figures of the arms: what the members' metrics were.

Rules kept here:
- a unit's events count while it belongs: from its first exposure until it leaves; an event that names flag, variation
  and revision itself counts where these agree with the unit's stage and arm, whatever the clocks say;
- one number a unit: a rate or tail counts it as failing once any of its events failed, a mean takes the mean of its
  events; the displayed quantile is over events; ratios have two numbers a unit, and statements of their own (`ratios`);
- figures keep twelve digits, so that the order in which threads add them up does not show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import duckdb

from twokey.adapters.telemetry import members, ratios
from twokey.adapters.telemetry.events import EVENTS, Key
from twokey.adapters.telemetry.members import EVERYTHING, Rows, Split, Values, place, window_values
from twokey.adapters.telemetry.ratios import rounded
from twokey.domain.guardrail import ArmFigures, Guardrail, GuardrailKind, StageArms, Worse, each_alone, together
from twokey.domain.telemetry import CohortContrast, Scope, Window

Measured = tuple[int, int, float, float]
"""Joined units, failures, mean, sample variance."""


def failed(guardrail: Guardrail, column: str = "e.value") -> str:
    """SQL that says whether an event failed; its limit is the parameter `$limit`."""
    return f"{column} {'>' if guardrail.worse is Worse.HIGHER else '<'} $limit"


def threshold(guardrail: Guardrail) -> float:
    """What an event is held against: halfway between no and yes for a rate, the agreed limit otherwise."""
    return 0.5 if guardrail.kind is GuardrailKind.RATE else guardrail.limit


# ---------------------------------------------------------------- what was measured of the members

_SIZES = """
SELECT cohort, stage, candidate, count(*), count(*) FILTER (WHERE fell) FROM members GROUP BY ALL"""

_PER_UNIT = """
    SELECT number, who, {cohort} AS cohort, any_value(2 * stage + candidate) AS arm,
           avg(value) AS value, bool_or(failed) AS failed
    FROM events GROUP BY number, who
"""

_FIGURES = f"""
WITH {EVENTS},
per_unit AS ({_PER_UNIT})
SELECT number, cohort, arm // 2, arm % 2, count(*), count(*) FILTER (WHERE failed), avg(value), var_samp(value)
FROM per_unit GROUP BY number, cohort, arm"""  # noqa: S608 - assembled from this module's own text

_QUANTILES = f"""
WITH {EVENTS}
SELECT number, cohort, stage, candidate, quantile_cont(value, $quantile)
FROM events GROUP BY number, cohort, stage, candidate"""  # noqa: S608 - assembled from this module's own text


_SIDE = "sign(value)::INTEGER"
_BUCKET = "CASE WHEN value = 0 THEN 0 ELSE floor(ln(abs(value)) * $fineness)::INTEGER END"

_BUCKETS = f"""
WITH {EVENTS}
SELECT number, cohort, stage, candidate, {_SIDE} AS side, {_BUCKET} AS bucket, count(*)
FROM events GROUP BY ALL"""  # noqa: S608 - assembled from this module's own text


_AT_ONCE = f"""
WITH {EVENTS.replace("events AS (", "events AS MATERIALIZED (", 1)},
per_unit AS ({_PER_UNIT}),
counted AS (
    SELECT number, cohort, stage, candidate, {_SIDE} AS side, {_BUCKET} AS bucket, count(*) AS events
    FROM events WHERE list_contains($tails::BIGINT[], number) GROUP BY ALL
)
SELECT 0 AS part, -1 AS number, cohort, stage, candidate, count(*), count(*) FILTER (WHERE fell), 0::DOUBLE, 0::DOUBLE,
       NULL::INTEGER[], NULL::INTEGER[], NULL::BIGINT[]
FROM members GROUP BY ALL
UNION ALL
SELECT 1, number, cohort, arm // 2, arm % 2, count(*), count(*) FILTER (WHERE failed), avg(value), var_samp(value),
       NULL, NULL, NULL
FROM per_unit GROUP BY number, cohort, arm
UNION ALL
SELECT 2, number, cohort, stage, candidate, 0, 0, 0, 0, list(side), list(bucket), list(events)
FROM counted GROUP BY number, cohort, stage, candidate"""  # noqa: S608 - assembled from this module's own text


def counted_alone(guardrails: Sequence[Guardrail]) -> list[tuple[int, Guardrail]]:
    """The guardrails, by their numbers, that one metric alone is needed for."""
    others = (GuardrailKind.FALLBACK, GuardrailKind.RATIO)
    return [(number, each) for number, each in enumerate(guardrails) if each.kind not in others]


def measure_at_once(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    guardrails: Sequence[Guardrail],
    window: Window,
    rows: Rows,
    fineness: int,
) -> tuple[
    dict[Key, tuple[int, int]], dict[tuple[int, Key], Measured], dict[tuple[int, Key], dict[tuple[int, int], int]]
]:
    """What `measure` and `buckets` say, by one statement: for few rows most of the time goes into planning."""
    chosen = counted_alone(guardrails)
    tails: list[int] = [number for number, each in chosen if each.kind is GuardrailKind.TAIL]
    sizes: dict[Key, tuple[int, int]] = {}
    measured: dict[tuple[int, Key], Measured] = {}
    counted: dict[tuple[int, Key], dict[tuple[int, int], int]] = {}
    values = place(scope) | window_values(window) | _wanted(chosen) | {"fineness": fineness, "tails": tails}
    statement = rows.over(_AT_ONCE, cohort="NULL::VARCHAR")
    for part, number, cohort, stage, arm, *found in cursor.execute(statement, values).fetchall():
        key = (cohort, stage, arm)
        if part == 0:
            sizes[key] = (found[0], found[1])
        elif part == 1:
            measured[number, key] = (found[0], found[1], found[2], found[3])
        else:
            counted[number, key] = dict(zip(zip(found[4], found[5], strict=True), found[6], strict=True))
    return sizes, measured, counted


def measure(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    guardrails: Sequence[Guardrail],
    window: Window,
    rows: Rows,
    cohort_of: str = "NULL::VARCHAR",
) -> tuple[dict[Key, tuple[int, int]], dict[tuple[int, Key], Measured]]:
    """For the units in `members`: how many there are and fell back, by arm; what each guardrail measured of them.

    `cohort_of` is the SQL that says which cohort a unit of `members` is in.
    """
    sizes = {(row[0], row[1], row[2]): (row[3], row[4]) for row in cursor.execute(_SIZES).fetchall()}
    chosen = counted_alone(guardrails)
    measured: dict[tuple[int, Key], Measured] = {}
    if chosen:
        values = place(scope) | window_values(window) | _wanted(chosen)
        for number, cohort, stage, arm, *found in cursor.execute(
            rows.over(_FIGURES, cohort=cohort_of), values
        ).fetchall():
            measured[number, (cohort, stage, arm)] = (found[0], found[1], found[2], found[3])
    return sizes, measured


def buckets(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    guardrails: Sequence[tuple[int, Guardrail]],
    window: Window,
    rows: Rows,
    fineness: int,
) -> dict[tuple[int, Key], dict[tuple[int, int], int]]:
    """How many events of the members lie in each bucket of a logarithmic scale, by numbered guardrail and arm."""
    found: dict[tuple[int, Key], dict[tuple[int, int], int]] = defaultdict(dict)
    if guardrails:
        values = place(scope) | window_values(window) | _wanted(guardrails) | {"fineness": fineness}
        for number, cohort, stage, arm, side, bucket, events in cursor.execute(rows.over(_BUCKETS), values).fetchall():
            found[number, (cohort, stage, arm)][side, bucket] = events
    return found


def _measure(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, guardrails: Sequence[Guardrail], window: Window
) -> list[dict[Key, ArmFigures]]:
    """Figures by cohort, stage and arm of each guardrail, for the units in `members`."""
    return together(guardrails, _measure_alone(cursor, scope, each_alone(guardrails), window))


def _measure_alone(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, guardrails: Sequence[Guardrail], window: Window
) -> list[dict[Key, ArmFigures]]:
    sizes, measured = measure(cursor, scope, guardrails, window, EVERYTHING, "any_value(cohort)")
    pairs = ratios.measure(cursor, scope, guardrails, window, EVERYTHING, "any_value(cohort)")
    where = place(scope) | window_values(window)
    tails = _quantiles(
        cursor, where, [(n, each) for n, each in enumerate(guardrails) if each.kind is GuardrailKind.TAIL]
    )
    return [
        {
            key: fallback(size) if each.kind is GuardrailKind.FALLBACK
            else ratios.figures(size, pairs.get((number, key))) if each.kind is GuardrailKind.RATIO
            else figures(size, measured.get((number, key)), tails.get((number, key)))
            for key, size in sizes.items()
        }
        for number, each in enumerate(guardrails)
    ]  # fmt: skip


def _quantiles(
    cursor: duckdb.DuckDBPyConnection, where: Values, tails: Sequence[tuple[int, Guardrail]]
) -> dict[tuple[int, Key], float]:
    found: dict[tuple[int, Key], float] = {}
    for quantile in sorted({each.quantile for _, each in tails}):
        alike = [(number, each) for number, each in tails if each.quantile == quantile]
        values = where | _wanted(alike) | {"quantile": quantile}
        for number, cohort, stage, arm, value in cursor.execute(EVERYTHING.over(_QUANTILES), values).fetchall():
            found[number, (cohort, stage, arm)] = value
    return found


def _wanted(guardrails: Sequence[tuple[int, Guardrail]]) -> Values:
    return {
        "number": [number for number, _ in guardrails],
        "metric": [each.metric for _, each in guardrails],
        "limit": [threshold(each) for _, each in guardrails],
        "higher": [each.worse is Worse.HIGHER for _, each in guardrails],
    }


def figures(size: tuple[int, int], measured: Measured | None, quantile: float | None) -> ArmFigures:
    """One arm as it is told: how many units, how many fell back, what was measured, the displayed quantile."""
    joined, failures, mean, variance = measured or (0, 0, 0.0, 0.0)
    return ArmFigures(
        units=size[0],
        joined_units=joined,
        failures=failures,
        mean=rounded(mean),
        variance=rounded(variance),
        quantile_value=None if quantile is None else rounded(quantile),
        served_other=size[1],
    )


def fallback(size: tuple[int, int]) -> ArmFigures:
    """The same of the built-in guardrail. Every unit shows whether it was served something else: it needs no metric."""
    return ArmFigures(units=size[0], joined_units=size[0], failures=size[1], served_other=size[1])


# ---------------------------------------------------------------- questions


def stage_arms(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, guardrails: Sequence[Guardrail], split: Split, window: Window
) -> tuple[tuple[StageArms, ...], ...]:
    """For each guardrail both arms of each plan, in the plans' order."""
    members.by_plans(cursor, scope, split, window)
    return tuple(staged(split, None, found) for found in _measure(cursor, scope, guardrails, window))


def staged(split: Split, cohort: str | None, found: dict[Key, ArmFigures]) -> tuple[StageArms, ...]:
    """Both arms of each plan, in the plans' order."""
    return tuple(
        StageArms(
            rule=plan.rule,
            stage=plan.first_revision,
            share=split.share(plan),
            candidate=found.get((cohort, stage, 1), ArmFigures()),
            baseline=found.get((cohort, stage, 0), ArmFigures()),
        )
        for stage, plan in enumerate(split.plans)
    )


def cohorts(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    guardrail: Guardrail,
    split: Split,
    window: Window,
    attributes: Sequence[str],
    values: int,
) -> tuple[CohortContrast, ...]:
    """Both arms for each of the most frequent values of each attribute, most units first."""
    members.by_plans(cursor, scope, split, window, contexts=True)
    contrasts: list[CohortContrast] = []
    for attribute in attributes:
        members.by_cohort(cursor, attribute, values)
        (found,) = _measure(cursor, scope, [guardrail], window)
        for value in most_units_first(found):
            contrasts.append(CohortContrast(attribute=attribute, value=value, stages=staged(split, value, found)))
    return tuple(contrasts)


def by_flag(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    guardrail: Guardrail,
    split: Split,
    window: Window,
    others: Sequence[str],
) -> tuple[CohortContrast, ...]:
    """Both arms for each variation that other flags gave the same units: flag by flag, most units first."""
    members.by_plans(cursor, scope, split, window, contexts=True)
    contrasts: list[CohortContrast] = []
    for other in others:
        members.by_flag(cursor, scope, other)
        (found,) = _measure(cursor, scope, [guardrail], window)
        for value in most_units_first(found):
            contrasts.append(CohortContrast(attribute=other, value=value, stages=staged(split, value, found)))
    return tuple(contrasts)


def most_units_first(found: dict[Key, ArmFigures]) -> list[str]:
    """The cohorts, the one with the most units first."""
    units: dict[str, int] = {}
    for (cohort, _, _), arm in found.items():
        if cohort is not None:
            units[cohort] = units.get(cohort, 0) + arm.units
    return sorted(units, key=lambda cohort: (-units[cohort], cohort))


def overall(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    guardrail: Guardrail,
    window: Window,
    assigned: Sequence[str] | None,
) -> ArmFigures:
    """One arm of everybody (exposed to the flag of the scope, or at all)."""
    if scope.flag is None:
        members.everybody(cursor, scope, window, guardrail.joined_by)
    else:
        members.exposed(cursor, scope, window, assigned)
    (found,) = _measure(cursor, scope, [guardrail], window)
    return found.get((None, 0, 1), ArmFigures())
