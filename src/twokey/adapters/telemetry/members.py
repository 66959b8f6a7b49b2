"""Who belongs to which arm of which stage.

Rules kept here:
- a unit (unit name and id together) belongs to the stage and the assigned variation of its first exposure that one of
  the plans covers; it leaves with its next exposure in another stage or variation, and never enters again;
- a metric event that names flag, variation and revision itself stands for the exposure of a unit that has none;
- what no split decided belongs to no stage of one: a prerequisite that is not met, a flag that is off, an error, a
  target of its own (`DRAWN`);
- what names no unit (`OBSERVATION`) is nobody's, and joins no arm;
- the answer is a temporary table of the reader's own cursor, `members`: made once, read by every question about it.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import msgspec

from twokey.adapters.telemetry.schema import FIRST, LAST, micros
from twokey.domain.telemetry import Scope, StagePlan, Window

Value = str | int | float | None | list[str] | list[int] | list[float] | list[bool] | list[str | None]
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


# ---------------------------------------------------------------- by plans

DRAWN = """e.reason NOT IN ('DEFAULT', 'DISABLED', 'ERROR')
        AND (coalesce(e.rule, '') <> '' OR e.reason <> 'TARGETING_MATCH')"""
"""SQL that says whether an exposure may have been drawn by its rule's split, by the reason it names."""

_STAYS = """
WITH plans AS (
    SELECT unnest($plan_stage::BIGINT[]) AS stage, unnest($plan_rule::VARCHAR[]) AS rule,
           unnest($plan_first::BIGINT[]) AS first_revision, unnest($plan_last::BIGINT[]) AS last_revision
),
arm_of AS (
    SELECT unnest($arm_stage::BIGINT[]) AS stage, unnest($arm_variation::VARCHAR[]) AS assigned,
           unnest($arm_candidate::BIGINT[]) AS candidate
),
seen AS (
    SELECT e.who, e.happened, e.revision, e.assigned, e.served, plans.stage, {context} AS context
    FROM {exposures} e
    LEFT JOIN plans ON e.rule IS NOT DISTINCT FROM plans.rule
        AND e.revision BETWEEN plans.first_revision AND plans.last_revision AND {drawn}
    WHERE e.project = $project AND e.environment = $environment AND e.flag = $flag
        AND e.happened >= $since AND e.happened < $until
),
met AS (
    SELECT * FROM seen
    {named}
),
entries AS (
    SELECT who, min({{'happened': happened, 'revision': revision, 'stage': stage, 'assigned': assigned}}) AS entry,
           arg_min(context, happened) AS context
    FROM met WHERE stage IS NOT NULL GROUP BY who
),
stays AS (
    SELECT who, any_value(entry.stage) AS stage, any_value(entry.assigned) AS assigned,
           any_value(entry.happened) AS entered, any_value(entries.context) AS context,
           coalesce(min(happened) FILTER (
               WHERE happened >= entry.happened
                   AND (met.stage IS DISTINCT FROM entry.stage OR met.assigned <> entry.assigned)), $until) AS left_at,
           min(happened) FILTER (
               WHERE happened >= entry.happened AND met.served <> met.assigned
                   AND met.stage = entry.stage AND met.assigned = entry.assigned) AS fell_at
    FROM met JOIN entries USING (who) GROUP BY who
)
SELECT who, stage, assigned, entered, left_at, stays.context, candidate, rule, first_revision, last_revision,
       coalesce(fell_at < left_at, false) AS fell, NULL::VARCHAR AS cohort
FROM stays JOIN arm_of USING (stage, assigned) JOIN plans USING (stage)"""

_NAMED = """UNION ALL
    SELECT e.who, e.happened, e.revision, e.variation, e.variation, plans.stage, NULL
    FROM {metrics} e
    JOIN plans ON e.rule IS NOT DISTINCT FROM plans.rule
        AND e.revision BETWEEN plans.first_revision AND plans.last_revision
    ANTI JOIN seen ON seen.who = e.who
    WHERE e.project = $project AND e.environment = $environment AND e.flag = $flag
        AND e.variation IS NOT NULL AND e.unit_name <> 'observation' AND e.happened >= $since AND e.happened < $until"""
"""What metric events that name flag, variation and revision themselves stand for."""

_BY_PLANS = "CREATE OR REPLACE TEMP TABLE {made} AS" + _STAYS

_STEADY = """
CREATE OR REPLACE TEMP TABLE members AS
WITH plans AS (
    SELECT unnest($plan_stage::BIGINT[]) AS stage, unnest($plan_rule::VARCHAR[]) AS rule,
           unnest($plan_first::BIGINT[]) AS first_revision, unnest($plan_last::BIGINT[]) AS last_revision
),
arms AS (
    SELECT row_number() OVER () AS arm, * FROM (
        SELECT unnest($arm_stage::BIGINT[]) AS stage, unnest($arm_variation::VARCHAR[]) AS assigned,
               unnest($arm_candidate::BIGINT[]) AS candidate
    ) JOIN plans USING (stage)
),
steady AS (
    SELECT e.who, min(coalesce(arms.arm, 0)) AS arm, min(e.happened) AS entered,
           bool_or(e.served <> e.assigned) AS fell
    FROM {exposures} e
    LEFT JOIN arms ON e.assigned = arms.assigned AND e.rule IS NOT DISTINCT FROM arms.rule
        AND e.revision BETWEEN arms.first_revision AND arms.last_revision AND {drawn}
    WHERE e.project = $project AND e.environment = $environment AND e.flag = $flag
        AND e.happened >= $since AND e.happened < $until
    GROUP BY e.who
    HAVING min(coalesce(arms.arm, 0)) = max(coalesce(arms.arm, 0)) AND min(coalesce(arms.arm, 0)) > 0
)
SELECT who, stage, assigned, entered, $until AS left_at, NULL::VARCHAR AS context, candidate, rule, first_revision,
       last_revision, fell, NULL::VARCHAR AS cohort
FROM steady JOIN arms USING (arm)"""
"""Units that met one arm of one stage and nothing else of the flag: most, and found by numbers alone."""

_UNSTEADY = "INSERT INTO members" + _STAYS


class Rows(msgspec.Struct, frozen=True):
    """Which rows a question reads: a table, or a subquery of our own making."""

    exposures: str = "exposures"
    metrics: str = "metrics"

    @classmethod
    def arrived(cls, arrival: int) -> Rows:
        """What had arrived by then."""
        return cls(*(f"(SELECT * FROM {table} WHERE arrival <= {arrival:d})" for table in ("exposures", "metrics")))  # noqa: S608 - a number

    @classmethod
    def near(cls, arrival: int, since: int = FIRST) -> Rows:
        """The same of the units that are looked at again; what happened from a moment on."""
        which = f"WHERE arrival <= {arrival:d} AND happened >= {since:d}"
        here = "$project::VARCHAR AS project, $environment::VARCHAR AS environment"
        unit = "CASE WHEN nobody THEN 'observation' ELSE '' END AS unit_name"
        return cls(
            f"(SELECT *, {here}, $flag::VARCHAR AS flag FROM near_exposures {which})",  # noqa: S608 - numbers
            f"(SELECT *, {here}, {unit} FROM near_metrics {which})",  # noqa: S608 - numbers
        )

    def but_members(self) -> Rows:
        """The same without those of units that are in `members`."""
        return Rows(
            self.over("(SELECT * FROM {exposures} t ANTI JOIN members USING (who))"),
            self.over("(SELECT * FROM {metrics} t ANTI JOIN members USING (who))"),
        )

    def over(self, statement: str, **more: str) -> str:
        """A statement that reads these."""
        return statement.format(exposures=self.exposures, metrics=self.metrics, **more)


EVERYTHING = Rows()


def by_plans(
    cursor: duckdb.DuckDBPyConnection,
    scope: Scope,
    split: Split,
    window: Window,
    *,
    contexts: bool = False,
    rows: Rows = EVERYTHING,
    named: bool = True,
) -> None:
    """Fill `members` with the units of both arms of every plan; with `contexts`, `everyone`, to be cut by cohort.

    `named` is False where it is known that no metric event names its variation itself: a shorter statement then.
    """
    made, context = ("everyone", "e.context") if contexts else ("members", "NULL::VARCHAR")
    self_named = rows.over(_NAMED) if named else ""
    statement = rows.over(_BY_PLANS, made=made, context=context, drawn=DRAWN, named=self_named)
    cursor.execute(statement, place(scope) | window_values(window) | split.values())


def by_plans_of_all(cursor: duckdb.DuckDBPyConnection, scope: Scope, split: Split, window: Window, rows: Rows) -> None:
    """Fill `members` as `by_plans` does, several times as fast where most units stayed in one arm of one stage."""
    values = place(scope) | window_values(window) | split.values()
    cursor.execute(rows.over(_STEADY, drawn=DRAWN), values)
    left = rows.but_members()
    statement = left.over(_UNSTEADY, context="NULL::VARCHAR", drawn=DRAWN, named=left.over(_NAMED))
    cursor.execute(statement, values)


_BY_COHORT = """
CREATE OR REPLACE TEMP TABLE members AS
WITH known AS (
    SELECT * REPLACE (json_extract_string(context, $path) AS cohort) FROM everyone
)
SELECT * FROM known WHERE cohort IN (
    SELECT cohort FROM known WHERE cohort IS NOT NULL GROUP BY cohort ORDER BY count(*) DESC, cohort LIMIT $values)"""


def by_cohort(cursor: duckdb.DuckDBPyConnection, attribute: str, values: int) -> None:
    """Keep in `members` the units with one of the most frequent values of an attribute, as their `cohort`."""
    pointer = "/" + attribute.replace("~", "~0").replace("/", "~1")
    cursor.execute(_BY_COHORT, {"path": pointer, "values": values})


_BY_FLAG = """
CREATE OR REPLACE TEMP TABLE members AS
WITH other AS (
    SELECT who, arg_min(assigned, (happened, revision)) AS first FROM exposures
    WHERE project = $project AND environment = $environment AND flag = $other GROUP BY who
)
SELECT everyone.* REPLACE (other.first AS cohort) FROM everyone JOIN other USING (who)"""


def by_flag(cursor: duckdb.DuckDBPyConnection, scope: Scope, other: str) -> None:
    """Keep in `members` the units that met another flag as well, its first variation as their `cohort`."""
    cursor.execute(_BY_FLAG, {"project": scope.project, "environment": scope.environment, "other": other})


# ---------------------------------------------------------------- without arms

_COLUMNS = """0 AS stage, NULL::VARCHAR AS assigned, {entered} AS entered, $until AS left_at, 1 AS candidate,
       NULL::VARCHAR AS rule, 0 AS first_revision, 0 AS last_revision, {fell} AS fell, NULL::VARCHAR AS cohort"""

_EXPOSED = f"""
CREATE OR REPLACE TEMP TABLE members AS
SELECT who, {_COLUMNS.format(entered="min(happened)", fell="bool_or(served <> assigned)")}
FROM exposures
WHERE project = $project AND environment = $environment AND flag = $flag AND happened >= $since AND happened < $until
    AND ($assigned::VARCHAR[] IS NULL OR list_contains($assigned::VARCHAR[], assigned))
GROUP BY who"""  # noqa: S608 - assembled from this module's own text

_EVERYBODY = f"""
CREATE OR REPLACE TEMP TABLE members AS
SELECT DISTINCT who, {_COLUMNS.format(entered="$since", fell="false")}
FROM metrics
WHERE project = $project AND environment = $environment AND metric = $metric AND unit_name <> 'observation'
    AND happened >= $since AND happened < $until"""  # noqa: S608 - assembled from this module's own text


def exposed(cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window, assigned: Sequence[str] | None) -> None:
    """Fill `members` with everybody exposed to the flag in the window (to one of these variations)."""
    names = None if assigned is None else list(assigned)
    cursor.execute(_EXPOSED, place(scope) | window_values(window) | {"assigned": names})


def everybody(cursor: duckdb.DuckDBPyConnection, scope: Scope, window: Window, metric: str) -> None:
    """Fill `members` with every unit that has the metric in the window."""
    values: Values = {"project": scope.project, "environment": scope.environment, "metric": metric}
    cursor.execute(_EVERYBODY, values | window_values(window))
