"""The telemetry port on ClickHouse, for when telemetry outgrows one machine.

Rules kept here:
- it answers what the embedded store answers: one conformance suite holds both;
- a batch is written table by table, each under a token made from its identity, and noted last: one that broke off is
  completed by its repeat, and what was written before counts once;
- rows are sent as blocks, values as parameters.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

import clickhouse_connect
import msgspec
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from twokey.adapters.telemetry import answers, arms, glances, rows
from twokey.adapters.telemetry.clickhouse import statements
from twokey.adapters.telemetry.clickhouse.measuring import Found, measure
from twokey.adapters.telemetry.clickhouse.schema import COLUMNS, tables
from twokey.adapters.telemetry.clickhouse.values import (
    EXPOSURE_TEXTS,
    METRIC_TEXTS,
    figure_of,
    number,
    plain,
    split_values,
)
from twokey.adapters.telemetry.events import Key
from twokey.adapters.telemetry.members import Split, Values, place, window_values
from twokey.adapters.telemetry.schema import micros
from twokey.domain.errors import Conflict
from twokey.domain.guardrail import ArmFigures, Guardrail, GuardrailKind, Readings, StageArms
from twokey.domain.telemetry import (
    ALL_TIME,
    Accepted,
    Asked,
    CohortContrast,
    ExposureCount,
    ExposurePoint,
    Glance,
    MetricPresence,
    Pruned,
    Queries,
    RecordedChange,
    RecordedContext,
    Scope,
    SeriesPoint,
    StagePlan,
    Traffic,
    Window,
)
from twokey.engine.wire import ChangeEvent, TelemetryBatch


def connect(
    address: str,
    *,
    keep_days: int = 0,
    attributes: frozenset[str] | None = None,
    queries: Queries | None = None,
) -> ClickHouseTelemetry:
    """The store at an address, `clickhouse://user:password@host:port/database`. Raises Conflict where none answers."""
    try:
        client = clickhouse_connect.get_client(dsn=address, autogenerate_session_id=False)
        return ClickHouseTelemetry(client, keep_days=keep_days, attributes=attributes, queries=queries)
    except (ClickHouseError, OSError, ValueError) as problem:
        first = str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__
        raise Conflict(
            f"ClickHouse does not answer: {first}",
            remedy="check the address, the user's rights, and that the database is there",
        ) from None


class ClickHouseTelemetry:
    """The telemetry port on a ClickHouse database."""

    def __init__(
        self,
        client: Client,
        *,
        keep_days: int = 0,
        attributes: frozenset[str] | None = None,
        queries: Queries | None = None,
    ) -> None:
        """Makes the tables where there are none. Settings mean what they mean to the embedded store."""
        self._client, self._attributes, self._queries = client, attributes, queries
        self._lock = threading.Lock()
        for statement in tables(keep_days):
            self._client.command(statement)

    # ---------------------------------------------------------------- writing

    def add(self, scope: Scope, batch: TelemetryBatch, *, source: str, received_at: datetime) -> Accepted:
        """Keep a batch; returns once it is written."""
        made = rows.of_batch(scope, batch, source, received_at, every_text=True, attributes=self._attributes)
        key = (scope.project, scope.environment, source, batch.batch_id)
        with self._lock:
            if self._knows(key):
                return Accepted(batch_id=batch.batch_id, duplicate=True)
            token = hashlib.sha256(msgspec.msgpack.encode(key)).hexdigest()
            self._insert("exposures", [plain(row, EXPOSURE_TEXTS) for row in made.exposures], token)
            self._insert("metrics", [plain(row, METRIC_TEXTS) for row in made.metrics], token)
            self._insert("changes", self._new(made.changes), token)
            self._insert("batches", [(*key, micros(received_at))], token)
        return Accepted(
            batch_id=batch.batch_id,
            exposures=len(made.exposures),
            metrics=len(made.metrics),
            changes=len(made.changes),
            refused=made.refused,
        )

    def add_change(self, scope: Scope, event: ChangeEvent, *, source: str, received_at: datetime) -> RecordedChange:
        """Keep one change event; the same event from the same source is kept once."""
        row = rows.change_row(scope, event, source)
        with self._lock:
            self._insert("changes", self._new([row]), str(row[2]))
        return RecordedChange(id=str(row[2]), source=source, event=event)

    def prune(self, before: datetime) -> Pruned:
        """Delete what happened before that moment."""
        limit: Values = {"before": micros(before)}
        with self._lock:
            counts = []
            for table in ("exposures", "metrics", "changes"):
                ((found,),) = self._ask(f"SELECT count() FROM {table} WHERE happened < {{before:Int64}}", limit)  # noqa: S608
                self._delete(table, "happened", limit)
                counts.append(int(found))
            self._delete("batches", "received", limit)
        return Pruned(exposures=counts[0], metrics=counts[1], changes=counts[2])

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    def _knows(self, key: tuple[str, str, str, str]) -> bool:
        names = ("project", "environment", "source", "batch_id")
        where = " AND ".join(f"{name} = {{{name}:String}}" for name in names)
        found = self._ask(f"SELECT 1 FROM batches WHERE {where} LIMIT 1", dict(zip(names, key, strict=True)))  # noqa: S608
        return bool(found)

    def _new(self, changes: Sequence[rows.Row]) -> list[rows.Row]:
        """Those that are not kept yet, each once."""
        by_id = {row[2]: row for row in changes}
        if by_id:
            statement = "SELECT DISTINCT id FROM changes WHERE has({ids:Array(String)}, id)"
            for (known,) in self._ask(statement, {"ids": [str(each) for each in by_id]}):
                by_id.pop(known, None)
        return list(by_id.values())

    def _insert(self, table: str, values: Sequence[Sequence[object]], token: str) -> None:
        if values:
            self._client.insert(
                table, values, column_names=COLUMNS[table], settings={"insert_deduplication_token": token}
            )

    def _delete(self, table: str, column: str, limit: Values) -> None:
        statement = f"ALTER TABLE {table} DELETE WHERE {column} < {{before:Int64}}"
        self._client.command(statement, parameters=dict(limit), settings={"mutations_sync": 1})

    def _ask(self, statement: str, values: Values) -> Found:
        found: Found = self._client.query(statement, parameters=dict(values)).result_rows
        return found

    # ---------------------------------------------------------------- arms

    def first(self) -> AbstractContextManager[None]:
        """Nothing: the engine has a machine of its own."""
        return nullcontext()

    def ahead(self) -> float:
        """Nobody waits."""
        return 0.0

    def arms(
        self,
        scope: Scope,
        guardrail: Guardrail,
        plans: Sequence[StagePlan],
        *,
        baseline: str,
        candidate: str | None = None,
        window: Window = ALL_TIME,
    ) -> tuple[StageArms, ...]:
        """Both arms of a guardrail by rule and stage, one entry per plan."""
        return self.arms_of_all(scope, [guardrail], plans, baseline=baseline, candidate=candidate, window=window)[0]

    def arms_of_all(
        self,
        scope: Scope,
        guardrails: Sequence[Guardrail],
        plans: Sequence[StagePlan],
        *,
        baseline: str,
        candidate: str | None = None,
        window: Window = ALL_TIME,
    ) -> tuple[tuple[StageArms, ...], ...]:
        """`arms` for each of several guardrails of one flag."""
        split = Split.of(plans, baseline, candidate)
        values = place(scope) | window_values(window) | split_values(split)
        measured = self._measure(statements.BY_PLANS, values, guardrails)
        return tuple(arms.staged(split, None, found) for found in measured)

    def cohort_contrasts(
        self,
        scope: Scope,
        guardrail: Guardrail,
        plans: Sequence[StagePlan],
        attributes: Sequence[str],
        *,
        baseline: str,
        candidate: str | None = None,
        window: Window = ALL_TIME,
        values: int = 20,
    ) -> tuple[CohortContrast, ...]:
        """`arms` for each of the most frequent values of each attribute, most units first."""
        split = Split.of(plans, baseline, candidate)
        members = statements.by_cohort(statements.BY_PLANS)
        contrasts: list[CohortContrast] = []
        for attribute in attributes:
            asked = place(scope) | window_values(window) | split_values(split)
            (found,) = self._measure(members, asked | {"attribute": attribute, "values": values}, [guardrail])
            contrasts += [
                CohortContrast(attribute=attribute, value=value, stages=arms.staged(split, value, found))
                for value in arms.most_units_first(found)
            ]
        return tuple(contrasts)

    def contrasts_by_flag(
        self,
        scope: Scope,
        guardrail: Guardrail,
        plans: Sequence[StagePlan],
        others: Sequence[str],
        *,
        baseline: str,
        candidate: str | None = None,
        window: Window = ALL_TIME,
    ) -> tuple[CohortContrast, ...]:
        """`arms` for each variation that other flags first assigned the same units."""
        split = Split.of(plans, baseline, candidate)
        members, contrasts = statements.by_flag(statements.BY_PLANS), []
        for other in others:
            values = place(scope) | window_values(window) | split_values(split) | {"other": other}
            (found,) = self._measure(members, values, [guardrail])
            contrasts += [
                CohortContrast(attribute=other, value=value, stages=arms.staged(split, value, found))
                for value in arms.most_units_first(found)
            ]
        return tuple(contrasts)

    def glances(self, scope: Scope, asked: Sequence[Asked], *, window: Window) -> tuple[Glance, ...]:
        """A rough look at many guardrails of many flags at once."""
        if not asked:
            return ()
        values = place(scope) | window_values(window) | glances.wanted(asked)
        values |= {"higher": [int(bool(each)) for each in values["higher"]]}  # type: ignore[union-attr]
        return tuple(
            glances.glance(asked[row[0]], [*row[1:6], number(row[6])]) for row in self._ask(statements.GLANCES, values)
        )

    def overall(
        self, scope: Scope, guardrail: Guardrail, *, window: Window = ALL_TIME, assigned: Sequence[str] | None = None
    ) -> ArmFigures:
        """Figures without a control arm."""
        values = place(scope) | window_values(window)
        if scope.flag is None:
            members, values = statements.EVERYBODY, values | {"of": guardrail.joined_by}
        else:
            members = statements.EXPOSED
            values |= {"any": int(assigned is None), "assigned": list(assigned or [])}
        (found,) = self._measure(members, values, [guardrail])
        return found.get((None, 0, 1), ArmFigures())

    def _measure(self, members: str, values: Values, guardrails: Sequence[Guardrail]) -> list[dict[Key, ArmFigures]]:
        return measure(self._ask, members, values, guardrails)

    # ---------------------------------------------------------------- views

    def series(
        self, scope: Scope, guardrail: Guardrail, *, window: Window, buckets: int = 60
    ) -> tuple[SeriesPoint, ...]:
        """The metric over time by the variation each unit was assigned at that moment."""
        if guardrail.kind is GuardrailKind.QUERY:
            return answers.charted(self.readings(scope, guardrail, window=window))
        width = answers.bucket_width(window, buckets)
        if guardrail.kind is GuardrailKind.FALLBACK:
            return answers.fallback_series(self.exposure_series(scope, window=window, buckets=buckets))
        values = place(scope) | window_values(window) | {"width": width}
        values |= {"of": [guardrail.metric, guardrail.joined_by]}
        figure, more = figure_of(guardrail)
        return tuple(
            SeriesPoint(
                at=answers.bucket_at(window, width, row[0]), variation=row[1] or None, value=row[2], events=row[3]
            )
            for row in self._ask(statements.series(figure), values | more)
            if row[2] is not None
        )

    def readings(self, scope: Scope, guardrail: Guardrail, *, window: Window) -> Readings:
        """What the metrics system says for a guardrail by query."""
        return answers.asked(self._queries, scope, guardrail, window)

    def exposure_series(self, scope: Scope, *, window: Window, buckets: int = 60) -> tuple[ExposurePoint, ...]:
        """Exposures over time by assigned variation."""
        width = answers.bucket_width(window, buckets)
        values = place(scope) | window_values(window) | {"width": width}
        return tuple(
            ExposurePoint(
                at=answers.bucket_at(window, width, bucket),
                variation=name,
                exposures=seen,
                units=units,
                served_other=other,
            )
            for bucket, name, seen, units, other in self._ask(statements.EXPOSURE_SERIES, values)
        )

    def exposure_counts(self, scope: Scope, *, window: Window = ALL_TIME) -> tuple[ExposureCount, ...]:
        """Exposures and distinct units by rule, assigned and served."""
        found = self._ask(statements.EXPOSURE_COUNTS, place(scope) | window_values(window))
        return tuple(
            ExposureCount(rule=rule or None, assigned=assigned, served=served, exposures=exposures, units=units)
            for rule, assigned, served, exposures, units in found
        )

    def exposed(self, scope: Scope, *, window: Window = ALL_TIME) -> Mapping[str, tuple[ExposureCount, ...]]:
        """`exposure_counts` of every flag that was met, by flag."""
        return glances.by_flag(self._ask(statements.EXPOSED_FLAGS, place(scope) | window_values(window)))

    def traffic(self, scope: Scope, *, window: Window, sample: int = 5_000) -> Traffic:
        """Who came in a window."""
        values = place(scope) | window_values(window)
        ((units, exposures),) = self._ask(statements.CAME, values)
        found = self._ask(statements.SAMPLE, values | {"sample": sample})
        return Traffic(units=units, exposures=exposures, contexts=tuple(msgspec.json.decode(row[0]) for row in found))

    def metric_presence(self, scope: Scope, metric: str, *, window: Window = ALL_TIME) -> MetricPresence:
        """Whether a metric arrives and joins exposures of the flag in the scope."""
        ((events, units, joined, joined_units, names),) = self._ask(
            statements.PRESENCE, place(scope) | window_values(window) | {"of": metric}
        )
        return MetricPresence(
            metric=metric,
            events=events,
            units=units,
            joined_events=joined,
            joined_units=joined_units,
            unit_names=tuple(names),
        )

    def metrics(self, scope: Scope, *, window: Window = ALL_TIME) -> tuple[str, ...]:
        """Names of the metrics that arrived, sorted."""
        return tuple(name for (name,) in self._ask(statements.METRICS, place(scope) | window_values(window)))

    def contexts(self, scope: Scope, *, window: Window = ALL_TIME, limit: int = 100_000) -> tuple[RecordedContext, ...]:
        """Recorded contexts, the latest of each unit, most recent first."""
        found = self._ask(statements.CONTEXTS, place(scope) | window_values(window) | {"most": limit})
        return tuple(answers.recorded_context(scope, row) for row in found)

    def change_events(self, scope: Scope, *, window: Window = ALL_TIME) -> tuple[RecordedChange, ...]:
        """Changes elsewhere, oldest first."""
        found = self._ask(statements.CHANGES, place(scope) | window_values(window))
        return tuple(answers.recorded_change(row) for row in found)
