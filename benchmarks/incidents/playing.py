"""Play one incident on the real parts: flag store, telemetry store, triage. What comes out is what people read."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.incidents.causes import LOOK, START, Incident, Served
from benchmarks.incidents.service import ALERT, ENVIRONMENT, PROJECT, STAFF, Unit
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.sql import SqlStore
from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.control import State
from twokey.domain.finding import Finding
from twokey.domain.identity import SYSTEM, Actor, ActorKind
from twokey.domain.identity import Scope as Allowed
from twokey.domain.policy import Environment
from twokey.domain.signal import Alert, SignalStatus
from twokey.domain.telemetry import Scope, Telemetry
from twokey.engine import Snapshot, evaluate
from twokey.engine.wire import Exposure, MetricEvent, TelemetryBatch
from twokey.steps.manage_access import create_environment
from twokey.steps.receive_signal import receive
from twokey.steps.triage_case import triage

_PRIVATE = ("conversation", "targetingKey", "email")
"""What of a context is not recorded: who somebody is."""
HERE = Scope(project=PROJECT, environment=ENVIRONMENT)
NAMES = {
    "latency": "AnswerLatencyHigh",
    "correction": "ManualCorrectionsUp",
    "citation": "CitationFailuresUp",
    "refusal": "RefusalsUp",
    "tool_error": "ToolErrorsUp",
    "cost": "CostPerAnswerUp",
}
_SOURCE = Actor(
    id="bench", kind=ActorKind.SERVICE, scopes=frozenset({Allowed.SIGNALS_WRITE}), project=PROJECT,
    environment=ENVIRONMENT,
)  # fmt: skip


class Clock:
    """A clock that is set."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Played:
    """What was there when the assistant looked, what it said, and how long it took."""

    incident: Incident
    store: SqlStore
    telemetry: Telemetry
    state: State
    units: list[tuple[Unit, Served]]
    finding: Finding
    seconds: float


@contextmanager
def play(incident: Incident) -> Iterator[Played]:
    """The whole of one incident, until the analyst's finding."""
    clock, numbers = Clock(START), count(1)
    with TemporaryDirectory() as folder:
        store = SqlStore(
            f"sqlite:///{Path(folder) / 'bench.db'}", clock, lambda kind: f"{kind}-{next(numbers)}", gatekeeper
        )
        telemetry = DuckTelemetry()
        try:
            store.migrate()
            snapshots = _publish(incident, store, clock)
            units = _traffic(incident, telemetry, snapshots)
            case = _notice(incident, store, clock)
            clock.now = LOOK
            started = time.perf_counter()
            finding = triage(store, telemetry, case)
            took = time.perf_counter() - started
            if finding is None:
                raise RuntimeError("the case was not triaged")
            with store.read() as uow:
                state = uow.flags.state(PROJECT, ENVIRONMENT)
            yield Played(incident, store, telemetry, state, units, finding, took)
        finally:
            telemetry.close()
            store.close()


def _notice(incident: Incident, store: SqlStore, clock: Clock) -> str:
    """Receive what the monitoring says, as it says it; the case that comes of it."""
    case, fired = "", ALERT
    for after, status in incident.alerts:
        clock.now = ALERT + after
        fired = clock.now if status is SignalStatus.FIRING else fired
        (receipt,) = receive(store, _SOURCE, PROJECT, ENVIRONMENT, [_alert(incident, status, fired, clock.now)])
        case = receipt.case or case
    return case


def _alert(incident: Incident, status: SignalStatus, fired: datetime, now: datetime) -> Alert:
    name = NAMES[incident.metric]
    return Alert(
        source="alertmanager",
        fingerprint=f"{incident.kind}-{incident.seed}",
        status=status,
        name=name,
        summary=f"{name} since a few minutes",
        severity="critical",
        labels={"alertname": name, "service": "assistant", "severity": "critical"},
        annotations={},
        starts_at=fired,
        ends_at=now if status is SignalStatus.RESOLVED else None,
    )


def _publish(incident: Incident, store: SqlStore, clock: Clock) -> list[tuple[datetime, Snapshot]]:
    """Publish every edit in the order of time; the snapshots since a little before traffic begins."""
    edits = sorted(
        ((each.at, key, each.control) for key, history in incident.service.edits.items() for each in history),
        key=lambda each: (each[0], each[1]),
    )
    clock.now = edits[0][0] - timedelta(days=1)
    first = State(project=PROJECT, environment=ENVIRONMENT, revision=0, segments={STAFF.key: STAFF})
    create_environment(store, SYSTEM, Environment(project=PROJECT, key=ENVIRONMENT), first)
    snapshots: list[tuple[datetime, Snapshot]] = []
    for at, key, control in edits:
        clock.now = at
        with store.begin() as uow:
            before = uow.flags.state(PROJECT, ENVIRONMENT)
            after = State(
                project=PROJECT, environment=ENVIRONMENT, revision=before.revision, segments=before.segments,
                controls=dict(before.controls) | {key: control},
            )  # fmt: skip
            written = uow.flags.write(before, after, f"change-{before.revision + 1}", at)
        if at >= START - timedelta(days=1) or at == edits[-1][0] or _last_before(edits, START) == at:
            snapshots.append((at, written.snapshot()))
    return snapshots


def _last_before(edits: list[tuple[datetime, str, object]], moment: datetime) -> datetime:
    return max(at for at, _, _ in edits if at <= moment)


def _traffic(
    incident: Incident, telemetry: Telemetry, snapshots: list[tuple[datetime, Snapshot]]
) -> list[tuple[Unit, Served]]:
    chance = random.Random(incident.seed * 7919 + 1)
    units = incident.comes(chance)
    seen: list[tuple[Unit, Served]] = []
    exposures: list[Exposure] = []
    metrics: list[MetricEvent] = []
    for unit in units:
        snapshot = next(found for since, found in reversed(snapshots) if since <= unit.at)
        served: dict[str, str] = {}
        for key, workflows in incident.service.met_in.items():
            if unit.context["workflow"] in workflows and key in snapshot.flags:
                found = evaluate(snapshot, key, unit.context)
                served[key] = found.variation or ""
                exposures.append(_exposure(unit, key, found.rule, found.revision, served[key], str(found.reason)))
        later = unit.at + timedelta(seconds=5)
        metrics += [
            MetricEvent(metric=name, value=value, unit=unit.id, unit_name="conversation", at=later)
            for name, value in incident.measures(unit, served, chance).items()
        ]
        seen.append((unit, served))
    _send(telemetry, exposures, metrics, incident)
    return seen


def _exposure(unit: Unit, flag: str, rule: str | None, revision: int, variation: str, reason: str) -> Exposure:
    context = {name: value for name, value in unit.context.items() if name not in _PRIVATE}
    return Exposure(
        flag=flag, rule=rule, revision=revision, assigned=variation, served=variation, unit=unit.id,
        unit_name="conversation", at=unit.at, reason=reason, context=context,
    )  # fmt: skip


def _send(telemetry: Telemetry, exposures: list[Exposure], metrics: list[MetricEvent], incident: Incident) -> None:
    for number in range(0, max(len(exposures), len(metrics)), 5_000):
        batch = TelemetryBatch(
            batch_id=f"b{number}",
            exposures=tuple(exposures[number : number + 5_000]),
            metrics=tuple(metrics[number : number + 5_000]),
        )
        telemetry.add(HERE, batch, source="bench", received_at=LOOK)
    for change in incident.changes:
        telemetry.add_change(HERE, change, source="ci", received_at=LOOK)
