"""Take in a telemetry batch. Telemetry moves nothing by itself: it is stored, and read by checks and triage.

Rule: a token that is bound to flags tells of those alone. What it says of another is refused, record by record; so is
a metric that names no flag, since it would join whatever its unit met, and a change from elsewhere, which is of none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec

from twokey.domain import identity
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor, ActorKind
from twokey.domain.otel import Event, Known, Point, exposure_of, metrics_of
from twokey.domain.telemetry import Accepted, Refusal, Scope, Telemetry
from twokey.engine.errors import Invalid
from twokey.engine.wire import Exposure, MetricEvent, TelemetryBatch


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What OpenTelemetry told: evaluations and data points; `misread` says what could not even be read."""

    events: Sequence[Event] = ()
    points: Sequence[Point] = ()
    misread: tuple[str, ...] = ()


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it: how much of it was kept, and why the rest was not. `rejected` counts records as they came."""

    duplicate: bool = False
    rejected: int = 0
    reasons: tuple[str, ...] = ()


def ingest_otel(telemetry: Telemetry, actor: Actor, told: Told, known: Known, batch_id: str, now: datetime) -> Taken:
    """Store what OpenTelemetry told. A record that cannot be used is refused by itself. Raises as `ingest` does."""
    reasons, rejected = list(told.misread), len(told.misread)
    exposures: list[Exposure] = []
    metrics: list[MetricEvent] = []
    records: list[Event | Point] = [*told.events, *told.points]
    for record in records:
        try:
            if isinstance(record, Event):
                exposures.append(exposure_of(record, known))
            else:
                metrics.extend(list(metrics_of(record, known)))
        except Invalid as why:
            rejected += 1
            reasons.append(str(why))
    batch = TelemetryBatch(batch_id=batch_id, exposures=tuple(exposures), metrics=tuple(metrics))
    accepted = ingest(telemetry, actor, batch, now)
    reasons += [each.reason for each in accepted.refused]
    return Taken(
        duplicate=accepted.duplicate,
        rejected=rejected + len(accepted.refused),
        reasons=tuple(dict.fromkeys(reasons)),
    )


def ingest(telemetry: Telemetry, actor: Actor, batch: TelemetryBatch, now: datetime) -> Accepted:
    """Store a batch in the environment the token is bound to. Raises Refused for an agent: it makes no evidence."""
    if actor.kind is ActorKind.AGENT or identity.Scope.TELEMETRY_WRITE not in actor.scopes:
        raise Refused("telemetry needs a service token with the scope `telemetry:write`")
    scope = Scope(project=actor.project or "", environment=actor.environment or "")
    if not actor.flags:
        return telemetry.add(scope, batch, source=actor.id, received_at=now)
    kept, places, foreign = _within(batch, actor.flags)
    accepted = telemetry.add(scope, kept, source=actor.id, received_at=now)
    refused = (msgspec.structs.replace(each, index=places[each.kind][each.index]) for each in accepted.refused)
    return msgspec.structs.replace(accepted, refused=(*refused, *foreign))


def _within(
    batch: TelemetryBatch, flags: frozenset[str]
) -> tuple[TelemetryBatch, dict[str, tuple[int, ...]], tuple[Refusal, ...]]:
    """What the batch says of these flags, where that stood in it, and what it says of others."""
    places = {
        "exposures": tuple(index for index, each in enumerate(batch.exposures) if each.flag in flags),
        "metrics": tuple(index for index, each in enumerate(batch.metrics) if each.flag in flags),
    }
    kept = msgspec.structs.replace(
        batch,
        exposures=tuple(batch.exposures[index] for index in places["exposures"]),
        metrics=tuple(batch.metrics[index] for index in places["metrics"]),
        changes=(),
    )
    return kept, places, tuple(_foreign(batch, flags))


def _foreign(batch: TelemetryBatch, flags: frozenset[str]) -> Iterator[Refusal]:
    told: tuple[tuple[str, Sequence[Exposure | MetricEvent]], ...] = (
        ("exposures", batch.exposures),
        ("metrics", batch.metrics),
    )
    for kind, records in told:
        for index, each in enumerate(records):
            if each.flag not in flags:
                yield Refusal(kind=kind, index=index, reason=f"this token is not bound to {_named(each.flag)}")
    for index in range(len(batch.changes)):
        yield Refusal(kind="changes", index=index, reason="this token is bound to flags, and a change is about none")


def _named(flag: str | None) -> str:
    return "what names no flag" if flag is None else f"the flag `{flag[:200]}`"
