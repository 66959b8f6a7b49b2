"""Figures of ratios: two numbers a unit, the sums of its events of the numerator's and of the denominator's metric.

Rules kept here:
- a unit without an event of the denominator's is not joined; one without an event of the numerator's has 0 of it;
- each of both metrics is a wish of its own (2 n and 2 n + 1), so that events are chosen as for every other kind;
- of an arm with figures past what can be written, nothing is told: its pair is 0 by 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import duckdb

from twokey.adapters.telemetry.events import EVENTS, Key
from twokey.adapters.telemetry.members import Rows, Values, place, window_values
from twokey.domain.guardrail import ArmFigures, Guardrail, GuardrailKind, Pair, paired
from twokey.domain.telemetry import Scope, Window

Found = tuple[int, float, float, float, float, float]
"""Joined units; of the numerator and the denominator the means and sample variances; their sample covariance."""

_PAIRS = f"""
WITH {EVENTS},
per_unit AS (
    SELECT number // 2 AS number, who, {{cohort}} AS cohort, any_value(2 * stage + candidate) AS arm,
           coalesce(sum(value) FILTER (WHERE number % 2 = 0), 0) AS upper,
           sum(value) FILTER (WHERE number % 2 = 1) AS lower
    FROM events GROUP BY number // 2, who
)
SELECT number, cohort, arm // 2, arm % 2, count(*), avg(upper), avg(lower), var_samp(upper), var_samp(lower),
       covar_samp(upper, lower)
FROM per_unit WHERE lower IS NOT NULL GROUP BY number, cohort, arm"""  # noqa: S608 - assembled from this module's own text


def measure(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    guardrails: Sequence[Guardrail],
    window: Window,
    rows: Rows,
    cohort_of: str = "NULL::VARCHAR",
) -> dict[tuple[int, Key], Found]:
    """For the units in `members`: what each guardrail that is a ratio measured of them, by number and arm."""
    chosen = [(number, each) for number, each in enumerate(guardrails) if each.kind is GuardrailKind.RATIO]
    if not chosen:
        return {}
    values = place(scope) | window_values(window) | wanted(chosen)
    found = cursor.execute(rows.over(_PAIRS, cohort=cohort_of), values).fetchall()
    return {(row[0], (row[1], row[2], row[3])): told(row[4:]) for row in found}


def wanted(guardrails: Sequence[tuple[int, Guardrail]]) -> Values:
    """Both metrics of each numbered ratio, as parameters of a statement; nothing of them fails."""
    names = [name for _, each in guardrails for name in (each.metric, each.denominator)]
    return {
        "number": [2 * number + part for number, _ in guardrails for part in (0, 1)],
        "metric": names,
        "limit": [0.0] * len(names),
        "higher": [True] * len(names),
    }


def told(row: Sequence[float | None]) -> Found:
    """A row of the answer; the variance of one value is none."""
    units, *rest = (0.0 if each is None else each for each in row)
    over, under, over_variance, under_variance, covariance = rest
    if units < 2:
        over_variance = under_variance = covariance = 0.0
    return int(units), over, under, over_variance, under_variance, covariance


def figures(size: tuple[int, int], found: Found | None) -> ArmFigures:
    """One arm as it is told: how many units, how many fell back, the ratio and what it was made of."""
    units, *numbers = found or (0, 0.0, 0.0, 0.0, 0.0, 0.0)
    arm = ArmFigures(units=size[0], joined_units=units, served_other=size[1])
    return paired(arm, _pair(numbers)) if units else arm


def _pair(numbers: Iterable[float]) -> Pair:
    kept = [rounded(each) for each in numbers]
    if not all(map(math.isfinite, kept)):
        return Pair()
    return Pair(
        numerator=kept[0],
        denominator=kept[1],
        numerator_variance=kept[2],
        denominator_variance=kept[3],
        covariance=kept[4],
    )


def rounded(value: float | None) -> float:
    """Twelve digits of a figure."""
    return float(f"{value or 0.0:.12g}")
