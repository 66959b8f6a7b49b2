"""Arms: who belongs to which arm of which stage, and what their metric was.

Rules kept here:
- a unit (unit name and id together) belongs to the stage and the assigned variation of its first exposure that one of
  the plans covers; it leaves with its next exposure in another stage or variation, and never enters again;
- a unit's events count while it belongs: from that first exposure until it leaves; an event that names flag, variation
  and revision itself counts where these agree with the unit's stage and arm, whatever the clocks say, and stands for
  the exposure of a unit that has none;
- one number a unit: a rate or tail counts it as failing once any of its events failed, a mean takes the mean of its
  events; the displayed quantile is over events.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import msgspec

from twokey.adapters.telemetry.schema import FIRST, LAST, micros
from twokey.domain.guardrail import ArmFigures, Guardrail, GuardrailKind, StageArms, Worse
from twokey.domain.telemetry import CohortContrast, Scope, StagePlan, Window

Value = str | int | float | None | list[str] | list[int] | list[str | None]
Values = dict[str, Value]


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """The plans, and which variations make up the two arms."""

    plans: tuple[StagePlan, ...]
    baseline: str
    candidate: str | None

    @classmethod
    def of(cls, plans: Sequence[StagePlan], baseline: str, candidate: str | None) -> Split:
        """Every variation but the baseline makes up the candidate arm, unless one is named."""
        return cls(plans=tuple(plans), baseline=baseline, candidate=candidate)

    def share(self, plan: StagePlan) -> float:
        """The candidate's planned share among the two arms."""
        ours = sum(weight for name, weight in plan.shares.items() if self.is_candidate(name))
        total = ours + plan.shares.get(self.baseline, 0)
        return ours / total if total else 0.0

    def is_candidate(self, variation: str) -> bool:
        """Whether that variation belongs to the candidate arm."""
        return variation != self.baseline if self.candidate is None else variation == self.candidate

    def values(self) -> Values:
        """As parameters of a statement: the plans, and the arm of every planned variation (1 candidate, 0 baseline)."""
        members = [
            (stage, name, int(self.is_candidate(name)))
            for stage, plan in enumerate(self.plans)
            for name in plan.shares
            if name == self.baseline or self.is_candidate(name)
        ]
        return {
            "plan_stage": list(range(len(self.plans))),
            "plan_rule": [plan.rule for plan in self.plans],
            "plan_first": [plan.first_revision for plan in self.plans],
            "plan_last": [LAST if plan.last_revision is None else plan.last_revision for plan in self.plans],
            "arm_stage": [stage for stage, _, _ in members],
            "arm_variation": [name for _, name, _ in members],
            "arm_candidate": [candidate for _, _, candidate in members],
        }


def window_values(window: Window) -> Values:
    """A window's ends as parameters."""
    since = FIRST if window.since is None else micros(window.since)
    until = LAST if window.until is None else micros(window.until)
    return {"since": since, "until": until}


def place(scope: Scope) -> Values:
    """A flag's place as parameters."""
    return {"project": scope.project, "environment": scope.environment, "flag": scope.flag or ""}


def failed(guardrail: Guardrail, column: str = "e.value") -> str:
    """SQL that says whether an event failed; its limit is the parameter `$limit`."""
    return f"{column} {'>' if guardrail.worse is Worse.HIGHER else '<'} $limit"


def threshold(guardrail: Guardrail) -> float:
    """The parameter `$limit`: halfway between no and yes for a rate, the agreed limit otherwise."""
    return 0.5 if guardrail.kind is GuardrailKind.RATE else guardrail.limit


# ---------------------------------------------------------------- who belongs where

_PLANS = """
plans AS (
    SELECT unnest($plan_stage::BIGINT[]) AS stage, unnest($plan_rule::VARCHAR[]) AS rule,
           unnest($plan_first::BIGINT[]) AS first_revision, unnest($plan_last::BIGINT[]) AS last_revision
),
arm_of AS (
    SELECT unnest($arm_stage::BIGINT[]) AS stage, unnest($arm_variation::VARCHAR[]) AS assigned,
           unnest($arm_candidate::BIGINT[]) AS candidate
)"""

_SEEN = """
seen AS (
    SELECT e.unit_name, e.unit, e.happened, e.revision, e.assigned, e.served, e.context, plans.stage
    FROM exposures e
    LEFT JOIN plans ON e.rule IS NOT DISTINCT FROM plans.rule
        AND e.revision BETWEEN plans.first_revision AND plans.last_revision
    WHERE e.project = $project AND e.environment = $environment AND e.flag = $flag
        AND e.happened >= $since AND e.happened < $until
)"""

_MET = "met AS (SELECT * FROM seen)"

_MET_OR_SAID = """
met AS (
    SELECT * FROM seen
    UNION ALL
    SELECT e.unit_name, e.unit, e.happened, e.revision, e.variation, e.variation, e.attributes, plans.stage
    FROM metrics e
    JOIN plans ON e.rule IS NOT DISTINCT FROM plans.rule
        AND e.revision BETWEEN plans.first_revision AND plans.last_revision
    ANTI JOIN seen ON seen.unit_name = e.unit_name AND seen.unit = e.unit
    WHERE e.project = $project AND e.environment = $environment AND e.metric = $metric AND e.flag = $flag
        AND e.variation IS NOT NULL AND e.happened >= $since AND e.happened < $until
)"""

_MEMBERS = """
entries AS (
    SELECT unit_name, unit,
           min({'happened': happened, 'revision': revision, 'stage': stage, 'assigned': assigned}) AS entry,
           arg_min(context, happened) AS context
    FROM met WHERE stage IS NOT NULL GROUP BY unit_name, unit
),
stays AS (
    SELECT met.unit_name, met.unit, any_value(entry.stage) AS stage, any_value(entry.assigned) AS assigned,
           any_value(entry.happened) AS entered, any_value(entries.context) AS context,
           coalesce(min(happened) FILTER (
               WHERE happened >= entry.happened
                   AND (met.stage IS DISTINCT FROM entry.stage OR met.assigned <> entry.assigned)), $until) AS left_at,
           min(happened) FILTER (
               WHERE happened >= entry.happened AND met.served <> met.assigned
                   AND met.stage = entry.stage AND met.assigned = entry.assigned) AS fell_at
    FROM met JOIN entries USING (unit_name, unit) GROUP BY met.unit_name, met.unit
),
members AS (
    SELECT stays.*, arm_of.candidate, plans.rule, plans.first_revision, plans.last_revision,
           coalesce(fell_at < left_at, false) AS fell
    FROM stays JOIN arm_of USING (stage, assigned) JOIN plans USING (stage)
)"""

_EVENTS = """
events AS (
    SELECT m.unit_name, m.unit, m.stage, m.candidate, e.value
    FROM members m JOIN metrics e ON e.unit_name = m.unit_name AND e.unit = m.unit
    WHERE e.project = $project AND e.environment = $environment AND e.metric = $metric
        AND e.happened >= $since AND e.happened < $until
        AND CASE WHEN e.flag = $flag AND e.variation IS NOT NULL AND e.revision IS NOT NULL
                 THEN e.variation = m.assigned AND e.revision BETWEEN m.first_revision AND m.last_revision
                      AND (e.rule IS NULL OR e.rule IS NOT DISTINCT FROM m.rule)
                 ELSE e.happened >= m.entered AND e.happened < m.left_at END
)"""


def _figures_sql(guardrail: Guardrail, *, extra: str = "") -> str:
    """Totals by stage and arm (and one more column, where asked for)."""
    keys = "stage, candidate" + (f", {extra}" if extra else "")
    joined = f"m.stage, m.candidate{', m.' + extra if extra else ''}"
    return f"""
per_unit AS (
    SELECT e.unit_name, e.unit, avg(e.value) AS value, bool_or({failed(guardrail)}) AS failed
    FROM events e GROUP BY e.unit_name, e.unit
),
tails AS (
    SELECT {joined}, quantile_cont(e.value, $quantile) AS quantile
    FROM events e JOIN members m ON m.unit_name = e.unit_name AND m.unit = e.unit GROUP BY ALL
),
totals AS (
    SELECT {joined}, count(*) AS units, count(u.value) AS joined_units, count(*) FILTER (WHERE u.failed) AS failures,
           avg(u.value) AS mean, var_samp(u.value) AS variance, count(*) FILTER (WHERE m.fell) AS fell
    FROM members m LEFT JOIN per_unit u ON u.unit_name = m.unit_name AND u.unit = m.unit GROUP BY ALL
)
SELECT {keys}, units, joined_units, failures, mean, variance, quantile, fell
FROM totals LEFT JOIN tails USING ({keys})"""  # noqa: S608 - assembled from this module's own text


_FALLBACK_TOTALS = """
SELECT stage, candidate, count(*), count(*), count(*) FILTER (WHERE fell), NULL, NULL, NULL,
       count(*) FILTER (WHERE fell)
FROM members GROUP BY stage, candidate"""

Row = tuple[int, int, float | None, float | None, float | None, int]


def _figures(row: Sequence[int | float | None]) -> ArmFigures:
    units, joined, failures, mean, variance, quantile, fell = row
    return ArmFigures(
        units=int(units or 0),
        joined_units=int(joined or 0),
        failures=int(failures or 0),
        mean=float(mean or 0.0),
        variance=float(variance or 0.0),
        quantile_value=None if quantile is None else float(quantile),
        served_other=int(fell or 0),
    )


# ---------------------------------------------------------------- questions


def stage_arms(
    cursor: duckdb.DuckDBPyConnection, scope: Scope, guardrail: Guardrail, split: Split, window: Window
) -> tuple[StageArms, ...]:
    """Both arms of each plan, in the plans' order."""
    values = place(scope) | window_values(window) | split.values()
    if guardrail.kind is GuardrailKind.FALLBACK:
        statement = f"WITH {_PLANS}, {_SEEN}, {_MET}, {_MEMBERS} {_FALLBACK_TOTALS}"
    else:
        statement = f"WITH {_PLANS}, {_SEEN}, {_MET_OR_SAID}, {_MEMBERS}, {_EVENTS}, {_figures_sql(guardrail)}"
        values |= _metric_values(guardrail)
    found = cursor.execute(statement, values).fetchall()
    return _staged(split, {(row[0], row[1]): _figures(row[2:]) for row in found})


def _metric_values(guardrail: Guardrail) -> Values:
    return {"metric": guardrail.metric, "limit": threshold(guardrail), "quantile": guardrail.quantile}


def _staged(split: Split, found: dict[tuple[int, int], ArmFigures]) -> tuple[StageArms, ...]:
    return tuple(
        StageArms(
            rule=plan.rule,
            stage=plan.first_revision,
            share=split.share(plan),
            candidate=found.get((stage, 1), ArmFigures()),
            baseline=found.get((stage, 0), ArmFigures()),
        )
        for stage, plan in enumerate(split.plans)
    )


_COHORT = """
cohort AS (SELECT *, json_extract_string(context, $path) AS cohort FROM members_all),
members AS (
    SELECT * FROM cohort WHERE cohort IN (
        SELECT cohort FROM cohort WHERE cohort IS NOT NULL GROUP BY cohort ORDER BY count(*) DESC, cohort LIMIT $values)
)"""


def cohorts(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    guardrail: Guardrail,
    split: Split,
    window: Window,
    attribute: str,
    values: int,
) -> list[CohortContrast]:
    """Both arms for each of the most frequent values of one attribute, most units first."""
    parameters = place(scope) | window_values(window) | split.values() | _metric_values(guardrail)
    parameters |= {"path": _pointer(attribute), "values": values}
    everyone = _MEMBERS.replace("members AS", "members_all AS")
    figures = _figures_sql(guardrail, extra="cohort")
    statement = f"WITH {_PLANS}, {_SEEN}, {_MET_OR_SAID}, {everyone}, {_COHORT}, {_EVENTS}, {figures}"
    by_value: dict[str, dict[tuple[int, int], ArmFigures]] = {}
    for row in cursor.execute(statement, parameters).fetchall():
        by_value.setdefault(row[2], {})[row[0], row[1]] = _figures(row[3:])
    order = sorted(by_value, key=lambda each: (-sum(arm.units for arm in by_value[each].values()), each))
    return [CohortContrast(attribute=attribute, value=each, stages=_staged(split, by_value[each])) for each in order]


def _pointer(attribute: str) -> str:
    """A JSON pointer to a top-level attribute, whatever characters its name has."""
    return "/" + attribute.replace("~", "~0").replace("/", "~1")


_EXPOSED = """
members AS (
    SELECT unit_name, unit, min(happened) AS entered, bool_or(served <> assigned) AS fell, 0 AS stage, 1 AS candidate
    FROM exposures
    WHERE project = $project AND environment = $environment AND flag = $flag
        AND happened >= $since AND happened < $until
        AND ($assigned::VARCHAR[] IS NULL OR list_contains($assigned::VARCHAR[], assigned))
    GROUP BY unit_name, unit
),
events AS (
    SELECT m.unit_name, m.unit, m.stage, m.candidate, e.value
    FROM members m JOIN metrics e ON e.unit_name = m.unit_name AND e.unit = m.unit
    WHERE e.project = $project AND e.environment = $environment AND e.metric = $metric
        AND e.happened >= m.entered AND e.happened < $until
)"""

_EVERYONE = """
members AS (
    SELECT DISTINCT unit_name, unit, false AS fell, 0 AS stage, 1 AS candidate
    FROM metrics
    WHERE project = $project AND environment = $environment AND metric = $metric
        AND happened >= $since AND happened < $until
),
events AS (
    SELECT unit_name, unit, 0 AS stage, 1 AS candidate, value
    FROM metrics
    WHERE project = $project AND environment = $environment AND metric = $metric
        AND happened >= $since AND happened < $until
)"""


def overall(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    guardrail: Guardrail,
    window: Window,
    assigned: Sequence[str] | None,
) -> ArmFigures:
    """One arm of everybody (exposed to the flag of the scope, or at all)."""
    values: Values = {"project": scope.project, "environment": scope.environment, **window_values(window)}
    if scope.flag is not None:
        values |= {"flag": scope.flag, "assigned": None if assigned is None else list(assigned)}
    if guardrail.kind is GuardrailKind.FALLBACK:
        events = _EXPOSED.partition("events AS")[0].rstrip().rstrip(",")
        statement = f"WITH {events} {_FALLBACK_TOTALS}"
    else:
        people = _EVERYONE if scope.flag is None else _EXPOSED
        statement = f"WITH {people}, {_figures_sql(guardrail)}"
        values |= _metric_values(guardrail)
    found = cursor.execute(statement, values).fetchone()
    return ArmFigures() if found is None else _figures(found[2:])
