"""Telemetry as the domain sees it: what is asked of a telemetry store, and what it answers.

Rules every implementation keeps (one conformance suite holds them):
- a batch counts once, however often it is sent: (source, batch id) is its identity; what was acknowledged is durable;
- a bad record is refused by itself, with a reason, and the rest of its batch is kept;
- arms are what the rule *assigned*; a unit counts once, in the stage of its first exposure under the given plans, and
  leaves the count when it is next exposed in another stage or arm, so that a finished stage's figures stand still;
- a metric event joins by its own attributes (flag, variation, revision) where it has them, otherwise through the first
  exposure of the same unit (same unit name, same id) at or before it; what does not join is reported, never guessed;
- windows are half open: since <= at < until.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import msgspec

from twokey.domain.guardrail import ArmFigures, Guardrail, Readings, StageArms
from twokey.engine.wire import ChangeEvent, TelemetryBatch

OBSERVATION = "observation"
"""The unit name of what names no unit: it is charted under its variation, and joins no arm."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what a telemetry store is asked and answers."""


class Scope(Record, frozen=True, kw_only=True):
    """Where to look: one environment, and one flag where the question is about a flag."""

    project: str
    environment: str
    flag: str | None = None


class Window(Record, frozen=True, kw_only=True):
    """When to look: since <= at < until; an open end is None."""

    since: datetime | None = None
    until: datetime | None = None


ALL_TIME = Window()


class StagePlan(Record, frozen=True, kw_only=True):
    """A period of constant shares of one rule: flag revisions from `first_revision` to `last_revision`, both included.

    `shares` are the planned weights by variation, in any one unit (1/100,000 as flags have them).
    """

    rule: str | None
    first_revision: int
    last_revision: int | None = None
    shares: Mapping[str, float]


class Refusal(Record, frozen=True, kw_only=True):
    """A record of a batch that was not kept: which one, and why."""

    kind: str
    index: int
    reason: str


class Accepted(Record, frozen=True, kw_only=True):
    """What became of a batch. `duplicate` says that it had been kept before and nothing was added now."""

    batch_id: str
    exposures: int = 0
    metrics: int = 0
    changes: int = 0
    duplicate: bool = False
    refused: tuple[Refusal, ...] = ()


class SeriesPoint(Record, frozen=True, kw_only=True):
    """One metric in one bucket of time for one assigned variation; variation None: events that join no exposure."""

    at: datetime
    variation: str | None
    value: float
    events: int


class ExposureCount(Record, frozen=True, kw_only=True):
    """How often and to how many distinct units a rule assigned one variation while another (or the same) was served."""

    rule: str | None
    assigned: str
    served: str
    exposures: int
    units: int


class Asked(Record, frozen=True, kw_only=True):
    """One guardrail of one flag to glance at; an event past `failing` fails, above it or (`higher` false) below it.

    Of a ratio the number of a unit is its `metric` by its `denominator`.
    """

    flag: str
    guardrail: str
    metric: str
    failing: float
    higher: bool = True
    denominator: str = ""


class Glance(Record, frozen=True, kw_only=True):
    """What a metric was, roughly, of the units that one rule of a flag first assigned one variation in a window.

    `units` have the metric, `failures` of them failed, past `failing`; `mean` and sample `variance` are over one number
    a unit.
    """

    flag: str
    guardrail: str
    rule: str | None
    assigned: str
    units: int
    failures: int
    mean: float
    variance: float
    failing: float = 0.0


class Traffic(Record, frozen=True, kw_only=True):
    """Who came in a window: how many units, how many exposures, and the contexts of a sample of the units.

    A unit is in the samples of all windows or of none, so that two of them can be compared.
    """

    units: int = 0
    exposures: int = 0
    contexts: tuple[Mapping[str, str | int | float | bool], ...] = ()


class ExposurePoint(Record, frozen=True, kw_only=True):
    """Exposures of one assigned variation in one bucket of time; `served_other` of them were served something else."""

    at: datetime
    variation: str
    exposures: int
    units: int
    served_other: int


class MetricPresence(Record, frozen=True, kw_only=True):
    """How much of a metric arrives, and how much of it can be joined to an exposure of the flag asked about."""

    metric: str
    events: int = 0
    units: int = 0
    joined_events: int = 0
    joined_units: int = 0
    unit_names: tuple[str, ...] = ()


class RecordedContext(Record, frozen=True, kw_only=True):
    """The latest context recorded of one unit, ready to be evaluated again; `weight` counts its exposures.

    `variation` is what it was assigned then, where the question was about one flag.
    """

    unit: str
    unit_name: str
    context: Mapping[str, str | int | float | bool]
    weight: int
    at: datetime
    variation: str | None = None


class CohortContrast(Record, frozen=True, kw_only=True):
    """Both arms, by stage, among the units whose context had this value when they were first exposed."""

    attribute: str
    value: str
    stages: tuple[StageArms, ...]


class RecordedChange(Record, frozen=True, kw_only=True):
    """A change elsewhere, with the id it can be cited by."""

    id: str
    source: str
    event: ChangeEvent


class Pruned(Record, frozen=True, kw_only=True):
    """How much was deleted because it was older than the retention."""

    exposures: int
    metrics: int
    changes: int


class Queries(Protocol):
    """A metrics system that is asked and never written to. Methods block."""

    def read(self, scope: Scope, query: str, window: Window) -> Readings:
        """What a query gave over a closed window. Never raises: what went wrong is the answer's `problem`."""


class Telemetry(Protocol):
    """The telemetry store. Methods block, and may be called from any thread."""

    def add(self, scope: Scope, batch: TelemetryBatch, *, source: str, received_at: datetime) -> Accepted:
        """Keep a batch; returns once it is durable. `scope.flag` is ignored."""

    def add_change(self, scope: Scope, event: ChangeEvent, *, source: str, received_at: datetime) -> RecordedChange:
        """Keep one change event; the same event from the same source is kept once."""

    def first(self) -> AbstractContextManager[None]:
        """What is read within goes before batches that wait to be written, where both share a machine.

        Intake waits only for a moment, however long the reading takes.
        """

    def ahead(self) -> float:
        """Seconds for which whoever brings a batch should wait, since such a reading is on its way; 0 for none."""

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
        """Both arms of a guardrail by rule and stage, one entry per plan in the given order, empty figures included.

        `candidate` None pools every variation of the plan but the baseline.
        """

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
        """`arms` for each of several guardrails of one flag, in one pass over the exposures."""

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
        """`arms` for each of the most frequent `values` values of each attribute, most units first."""

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
        """`arms` for each variation that other flags first assigned the same units; such a flag is the `attribute`."""

    def glances(self, scope: Scope, asked: Sequence[Asked], *, window: Window) -> tuple[Glance, ...]:
        """A rough look at many guardrails of many flags at once, to choose which of them to measure.

        A unit stays where it was first assigned in the window; stages, and events that name a variation, are left out.
        """

    def overall(
        self, scope: Scope, guardrail: Guardrail, *, window: Window = ALL_TIME, assigned: Sequence[str] | None = None
    ) -> ArmFigures:
        """Figures without a control arm, for before and after.

        With a flag in the scope: units exposed to it in the window (to one of `assigned`, where given) and their events
        from then on. Without one: every unit that has the metric.
        """

    def series(
        self, scope: Scope, guardrail: Guardrail, *, window: Window, buckets: int = 60
    ) -> tuple[SeriesPoint, ...]:
        """The metric over time by the variation each unit was assigned at that moment; the window must be closed."""

    def readings(self, scope: Scope, guardrail: Guardrail, *, window: Window) -> Readings:
        """What the metrics system says for a guardrail by query over a closed window."""

    def exposure_series(self, scope: Scope, *, window: Window, buckets: int = 60) -> tuple[ExposurePoint, ...]:
        """Exposures over time by assigned variation; the window must be closed."""

    def exposure_counts(self, scope: Scope, *, window: Window = ALL_TIME) -> tuple[ExposureCount, ...]:
        """Exposures and distinct units by rule, assigned and served."""

    def exposed(self, scope: Scope, *, window: Window = ALL_TIME) -> Mapping[str, tuple[ExposureCount, ...]]:
        """`exposure_counts` of every flag that was met in an environment, by flag."""

    def traffic(self, scope: Scope, *, window: Window, sample: int = 5_000) -> Traffic:
        """Who came in a window, to an environment or to one flag."""

    def metric_presence(self, scope: Scope, metric: str, *, window: Window = ALL_TIME) -> MetricPresence:
        """Whether a metric arrives and joins exposures of the flag in the scope."""

    def metrics(self, scope: Scope, *, window: Window = ALL_TIME) -> tuple[str, ...]:
        """Names of the metrics that arrived, sorted."""

    def contexts(self, scope: Scope, *, window: Window = ALL_TIME, limit: int = 100_000) -> tuple[RecordedContext, ...]:
        """Recorded contexts, the latest of each unit, most recent first: of one flag's units, or of all."""

    def change_events(self, scope: Scope, *, window: Window = ALL_TIME) -> tuple[RecordedChange, ...]:
        """Changes elsewhere, oldest first."""

    def prune(self, before: datetime) -> Pruned:
        """Delete what happened before that moment.

        Choose it older than the longest rollout: a unit whose first exposure is deleted would count again in a later
        stage.
        """

    def close(self) -> None:
        """Release the store; nothing that was acknowledged is lost."""
