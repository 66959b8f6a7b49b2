"""Short ways to say which unit met what and what was measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.telemetry import Accepted, Scope
from twokey.engine.wire import ChangeEvent, Exposure, MetricEvent, TelemetryBatch

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=30)
SCOPE = Scope(project="support", environment="production", flag="profile")


def at(seconds: float) -> datetime:
    """That many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def met(unit: str, assigned: str, when: float, *, served: str | None = None, **more: object) -> Exposure:
    """A conversation met a variation of `profile` under rule `pro-10`, revision 18, unless said otherwise."""
    fields: dict[str, object] = {
        "flag": "profile",
        "rule": "pro-10",
        "revision": 18,
        "assigned": assigned,
        "served": served or assigned,
        "unit": unit,
        "unit_name": "conversation",
        "at": at(when),
        "reason": "SPLIT",
    }
    return Exposure(**(fields | more))  # type: ignore[arg-type]


def measured(unit: str, value: float, when: float, *, metric: str = "latency", **more: object) -> MetricEvent:
    """A conversation's metric event."""
    fields: dict[str, object] = {
        "metric": metric,
        "value": value,
        "unit": unit,
        "unit_name": "conversation",
        "at": at(when),
    }
    return MetricEvent(**(fields | more))  # type: ignore[arg-type]


class Sender:
    """Sends batches to a store, each with an id of its own."""

    def __init__(self, store: DuckTelemetry, scope: Scope = SCOPE) -> None:
        self.store, self.scope, self.sent = store, scope, 0

    def send(
        self,
        exposures: Sequence[Exposure] = (),
        metrics: Sequence[MetricEvent] = (),
        changes: Sequence[ChangeEvent] = (),
    ) -> Accepted:
        self.sent += 1
        batch = TelemetryBatch(
            batch_id=f"batch-{self.sent}", exposures=tuple(exposures), metrics=tuple(metrics), changes=tuple(changes)
        )
        return self.store.add(self.scope, batch, source="app", received_at=LATER)
