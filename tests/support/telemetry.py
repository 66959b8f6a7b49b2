"""Short ways to say which unit met what and what was measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from twokey.domain.guardrail import ArmFigures, Pair, StageArms
from twokey.domain.telemetry import Accepted, Scope, Telemetry
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


Figures = Sequence[Sequence[StageArms]]


def assert_alike(found: Figures, wanted: Figures) -> None:
    """The same figures by guardrail and stage; a displayed quantile may lie in its bucket."""
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        assert [(each.rule, each.stage, each.share) for each in ours] == [
            (each.rule, each.stage, each.share) for each in theirs
        ]
        for one, other in zip(ours, theirs, strict=True):
            for arm, same in ((one.candidate, other.candidate), (one.baseline, other.baseline)):
                assert _counts(arm) == _counts(same)
                assert arm.mean == pytest.approx(same.mean, rel=1e-9, abs=1e-9)
                assert arm.variance == pytest.approx(same.variance, rel=1e-6, abs=1e-6)
                _assert_pairs_alike(arm.pair, same.pair)
                assert (arm.quantile_value or 0.0) == pytest.approx(same.quantile_value or 0.0, rel=5e-3, abs=0.1)


def _assert_pairs_alike(ours: Pair | None, theirs: Pair | None) -> None:
    assert (ours is None) == (theirs is None)
    if ours is None or theirs is None:
        return
    assert ours.numerator == pytest.approx(theirs.numerator, rel=1e-9, abs=1e-9)
    assert ours.denominator == pytest.approx(theirs.denominator, rel=1e-9, abs=1e-9)
    assert ours.numerator_variance == pytest.approx(theirs.numerator_variance, rel=1e-6, abs=1e-6)
    assert ours.denominator_variance == pytest.approx(theirs.denominator_variance, rel=1e-6, abs=1e-6)
    # Where the two hardly go together their covariance is the difference of what nearly cancels.
    together = (theirs.numerator_variance * theirs.denominator_variance) ** 0.5
    assert ours.covariance == pytest.approx(theirs.covariance, rel=1e-6, abs=1e-6 * (1 + together))


def _counts(arm: ArmFigures) -> tuple[object, ...]:
    if arm.failures_at == (0,) * len(arm.failures_at):  # of nobody some stores say nothing, others naught
        arm = msgspec.structs.replace(arm, failures_at=())
    return arm.units, arm.joined_units, arm.failures, arm.failures_at, arm.served_other, arm.quantile_value is None


class Sender:
    """Sends batches to a store, each with an id of its own."""

    def __init__(self, store: Telemetry, scope: Scope = SCOPE) -> None:
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
