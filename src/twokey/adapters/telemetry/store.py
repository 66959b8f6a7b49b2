"""The embedded telemetry store: DuckDB, in the server's own process.

Rules kept here:
- one process owns the file; inside it one writer at a time, readers on cursors of their own, which see whole batches;
- a batch and its id are written in one transaction and acknowledged after the commit has reached the disk; batches that
  wait at the same moment share one;
- rows go in through an appender, never one statement a row;
- every value reaches SQL as a parameter.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from pathlib import Path

import duckdb

from twokey.adapters.telemetry import answers, arms, glances, rows, views
from twokey.adapters.telemetry.accounts import Accounts
from twokey.adapters.telemetry.ledger import Question
from twokey.adapters.telemetry.members import Split
from twokey.adapters.telemetry.names import Names
from twokey.adapters.telemetry.schema import LATER_COLUMNS, TABLES, micros
from twokey.adapters.telemetry.turns import Turns
from twokey.adapters.telemetry.waiting import Waiting, claim
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

IN_MEMORY = ":memory:"
MOST_AT_ONCE = 16
"""Batches that are written in one transaction."""


class DuckTelemetry:
    """The telemetry port on an embedded DuckDB file, or in memory for tests and demos."""

    def __init__(
        self,
        path: Path | str = IN_MEMORY,
        *,
        memory_limit: str = "1GB",
        threads: int | None = None,
        attributes: frozenset[str] | None = None,
        queries: Queries | None = None,
    ) -> None:
        """Open or create the store. Raises Conflict when another process has the file open.

        Of contexts `attributes` alone are kept, where they were chosen: what is not kept cannot leak. Guardrails by
        query are asked of `queries`.
        """
        self._attributes, self._queries = attributes, queries
        settings: dict[str, str | bool | int | float | list[str]] = {"memory_limit": memory_limit}
        if threads is not None:
            settings["threads"] = threads
        try:
            self._connection = duckdb.connect(str(path), config=settings)
        except duckdb.IOException as problem:
            raise Conflict(
                f"the telemetry file `{path}` cannot be opened: {problem}",
                remedy="one process owns it; stop the other server or choose another file",
            ) from problem
        self._write, self._turns = threading.Lock(), Turns()
        self._waiting: deque[Waiting] = deque()
        self._connection.execute(TABLES)
        self._connection.execute(LATER_COLUMNS)
        self._names = Names(self._connection)
        self._accounts = Accounts()
        known = self._accounts.take_up(self._connection.execute("SELECT key, body FROM accounts").fetchall())
        self._arrival = max(known, _latest(self._connection))  # the rows that came last may have been deleted since

    # ---------------------------------------------------------------- writing

    def add(self, scope: Scope, batch: TelemetryBatch, *, source: str, received_at: datetime) -> Accepted:
        """Keep a batch; returns once it is durable."""
        self._turns.wait()
        try:
            made = rows.of_batch(scope, batch, source, received_at, attributes=self._attributes)
            return self._keep(scope, batch.batch_id, made, source, received_at)
        except (duckdb.Error, UnicodeError):
            # The store refused a value somewhere in the batch: look at each record, and keep the others.
            made = rows.of_batch(scope, batch, source, received_at, every_text=True, attributes=self._attributes)
            return self._keep(scope, batch.batch_id, made, source, received_at)

    def _keep(self, scope: Scope, batch_id: str, made: rows.Rows, source: str, received_at: datetime) -> Accepted:
        """Have a batch written with whatever else waits to be: whoever comes first writes for all of them."""
        mine = Waiting((scope.project, scope.environment, source, batch_id), micros(received_at), made)
        self._waiting.append(mine)
        with self._write:
            while mine.accepted is None and mine.problem is None:
                self._turns.wait()
                self._write_waiting()
        if mine.problem is not None:
            raise mine.problem
        assert mine.accepted is not None  # noqa: S101 - written, or there is a problem
        return mine.accepted

    def _write_waiting(self) -> None:
        """Write what waits in one transaction; each by itself where that fails: one costs no other its place."""
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))]
        try:
            self._write_group(group)
        except (duckdb.Error, UnicodeError):
            for each in group:
                self._write_alone(each)
        except BaseException as problem:
            for each in group:  # whoever waits for them is told, instead of waiting for ever
                each.problem = each.problem or RuntimeError(f"the batch was not written: {problem!r}")
            raise

    def _write_alone(self, waiting: Waiting) -> None:
        try:
            self._write_group([waiting])
        except Exception as problem:  # noqa: BLE001 - it is raised to its own sender
            waiting.problem = problem

    def _write_group(self, group: Sequence[Waiting]) -> None:
        arrival = self._arrival + 1
        with self._locked() as connection:
            new = claim(connection, group)
            _append(connection, "exposures", [(*row, arrival) for each in new for row in each.made.exposures])
            _append(connection, "metrics", [(*row, arrival) for each in new for row in each.made.metrics])
            for each in new:
                _append(connection, "changes", _new_changes(connection, each.made.changes))
            self._names.note(each.made.metrics for each in new)
        self._arrival = arrival
        for each in group:
            each.accepted = each.answer(duplicate=each not in new)

    def add_change(self, scope: Scope, event: ChangeEvent, *, source: str, received_at: datetime) -> RecordedChange:
        """Keep one change event; the same event from the same source is kept once."""
        row = rows.change_row(scope, event, source)
        with self._transaction() as connection:
            _append(connection, "changes", _new_changes(connection, [row]))
        return RecordedChange(id=str(row[2]), source=source, event=event)

    def prune(self, before: datetime) -> Pruned:
        """Delete what happened before that moment."""
        limit = {"before": micros(before)}
        with (
            self._reading() as cursor,
            self._accounts.without(cursor, micros(before)) as left,
            self._transaction() as connection,
        ):
            counts = [
                _deleted(connection, f"DELETE FROM {table} WHERE happened < $before", limit)  # noqa: S608 - own names
                for table in ("exposures", "metrics", "changes")
            ]
            connection.execute("DELETE FROM batches WHERE received < $before", limit)
            connection.execute("DELETE FROM accounts")
            _append(connection, "accounts", left)
        self._compact()
        return Pruned(exposures=counts[0], metrics=counts[1], changes=counts[2])

    def _compact(self) -> None:
        """Give the room of what was deleted to what comes. Where something else stands in its way, the next time."""
        with self._write, suppress(duckdb.TransactionException):
            self._connection.execute("CHECKPOINT")

    def close(self) -> None:
        """Release the file; nothing that was acknowledged is lost."""
        kept = self._accounts.kept()
        with self._transaction() as connection:
            connection.execute("DELETE FROM accounts")
            _append(connection, "accounts", kept)
        with self._write:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._write, self._locked() as connection:
            yield connection

    @contextmanager
    def _locked(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction of whoever holds the lock."""
        self._connection.begin()
        try:
            yield self._connection
            self._connection.commit()
        except BaseException:
            self._connection.rollback()
            raise

    @contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    # ---------------------------------------------------------------- reading

    def first(self) -> AbstractContextManager[None]:
        """What is read within goes before batches that wait to be written."""
        return self._turns.first()

    def ahead(self) -> float:
        """Seconds for which a batch should wait outside, since such a reading is on its way."""
        return self._turns.left()

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
        with self._reading() as cursor:
            (found,) = arms.stage_arms(cursor, scope, [guardrail], Split.of(plans, baseline, candidate), window)
        return found

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
        """`arms` for each of several guardrails of one flag, in one pass; from the beginning on, by an account."""
        split = Split.of(plans, baseline, candidate)
        with self._reading() as cursor:
            if window.since is None and plans:
                question = Question(scope, tuple(guardrails), split)
                return self._accounts.answer(cursor, question, window, lambda: self._arrival)
            return arms.stage_arms(cursor, scope, guardrails, split, window)

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
        """`arms` for each of the most frequent values of each attribute."""
        split = Split.of(plans, baseline, candidate)
        with self._reading() as cursor:
            return arms.cohorts(cursor, scope, guardrail, split, window, attributes, values)

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
        with self._reading() as cursor:
            return arms.by_flag(cursor, scope, guardrail, Split.of(plans, baseline, candidate), window, others)

    def glances(self, scope: Scope, asked: Sequence[Asked], *, window: Window) -> tuple[Glance, ...]:
        """A rough look at many guardrails of many flags at once."""
        with self._reading() as cursor:
            return glances.glances(cursor, scope, asked, window)

    def overall(
        self, scope: Scope, guardrail: Guardrail, *, window: Window = ALL_TIME, assigned: Sequence[str] | None = None
    ) -> ArmFigures:
        """Figures without a control arm."""
        with self._reading() as cursor:
            return arms.overall(cursor, scope, guardrail, window, assigned)

    def series(
        self, scope: Scope, guardrail: Guardrail, *, window: Window, buckets: int = 60
    ) -> tuple[SeriesPoint, ...]:
        """The metric over time by the variation each unit was assigned at that moment."""
        if guardrail.kind is GuardrailKind.QUERY:
            return answers.charted(self.readings(scope, guardrail, window=window))
        with self._reading() as cursor:
            return views.series(cursor, scope, guardrail, window, buckets)

    def readings(self, scope: Scope, guardrail: Guardrail, *, window: Window) -> Readings:
        """What the metrics system says for a guardrail by query."""
        return answers.asked(self._queries, scope, guardrail, window)

    def exposure_series(self, scope: Scope, *, window: Window, buckets: int = 60) -> tuple[ExposurePoint, ...]:
        """Exposures over time by assigned variation."""
        with self._reading() as cursor:
            return views.exposure_series(cursor, scope, window, buckets)

    def exposure_counts(self, scope: Scope, *, window: Window = ALL_TIME) -> tuple[ExposureCount, ...]:
        """Exposures and distinct units by rule, assigned and served."""
        with self._reading() as cursor:
            return views.exposure_counts(cursor, scope, window)

    def exposed(self, scope: Scope, *, window: Window = ALL_TIME) -> Mapping[str, tuple[ExposureCount, ...]]:
        """`exposure_counts` of every flag that was met, by flag."""
        with self._reading() as cursor:
            return glances.exposed(cursor, scope, window)

    def traffic(self, scope: Scope, *, window: Window, sample: int = 5_000) -> Traffic:
        """Who came in a window."""
        with self._reading() as cursor:
            return glances.traffic(cursor, scope, window, sample)

    def metric_presence(self, scope: Scope, metric: str, *, window: Window = ALL_TIME) -> MetricPresence:
        """Whether a metric arrives and joins exposures of the flag in the scope."""
        if not self._names.may_have(scope, metric):
            return MetricPresence(metric=metric)
        with self._reading() as cursor:
            return views.metric_presence(cursor, scope, metric, window)

    def metrics(self, scope: Scope, *, window: Window = ALL_TIME) -> tuple[str, ...]:
        """Names of the metrics that arrived, sorted."""
        with self._reading() as cursor:
            return views.metrics(cursor, scope, window)

    def contexts(self, scope: Scope, *, window: Window = ALL_TIME, limit: int = 100_000) -> tuple[RecordedContext, ...]:
        """Recorded contexts, the latest of each unit, most recent first."""
        with self._reading() as cursor:
            return views.contexts(cursor, scope, window, limit)

    def change_events(self, scope: Scope, *, window: Window = ALL_TIME) -> tuple[RecordedChange, ...]:
        """Changes elsewhere, oldest first."""
        with self._reading() as cursor:
            return views.change_events(cursor, scope, window)


def _append(connection: duckdb.DuckDBPyConnection, table: str, values: Sequence[Sequence[object]]) -> None:
    if values:
        appender = connection.appender(table)
        appender.append_rows(values)
        appender.flush()


def _new_changes(connection: duckdb.DuckDBPyConnection, changes: Sequence[rows.Row]) -> list[rows.Row]:
    """Those that are not kept yet, each once."""
    if not changes:
        return []
    by_id = {row[2]: row for row in changes}
    known = connection.execute("SELECT id FROM changes WHERE id IN (SELECT unnest(?))", [list(by_id)]).fetchall()
    for (id_,) in known:
        del by_id[id_]
    return list(by_id.values())


def _latest(connection: duckdb.DuckDBPyConnection) -> int:
    """The arrival of what was written last."""
    found = connection.execute(
        "SELECT greatest((SELECT max(arrival) FROM exposures), (SELECT max(arrival) FROM metrics), 0)"
    ).fetchone()
    return int(found[0]) if found else 0


def _deleted(connection: duckdb.DuckDBPyConnection, statement: str, values: dict[str, int]) -> int:
    found = connection.execute(statement, values).fetchone()
    return int(found[0]) if found else 0
