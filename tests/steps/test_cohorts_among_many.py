"""A cohort that does harm is found whatever else applications send about their units."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.world import ENVIRONMENT, FLAG, PROJECT, World, alert, support_control
from twokey.domain.finding import Finding, Recommendation
from twokey.domain.telemetry import Scope
from twokey.engine import evaluate
from twokey.engine.wire import Exposure, MetricEvent, TelemetryBatch
from twokey.steps.receive_signal import receive
from twokey.steps.triage_case import ATTRIBUTES

UNITS = 3_000


@pytest.fixture
def world(tmp_path):  # type: ignore[no-untyped-def]
    made = World(tmp_path, support_control(50_000))
    yield made
    made.close()


def harmed_in_one_region(world: World, more: dict[int, dict[str, str]]) -> Finding:
    """The finding of a case in which one region waits; `more` is what some units say of themselves beside it."""
    world.clock.forward(minutes=31)
    snapshot, exposures, metrics = world.snapshot, [], []
    for number in range(UNITS):
        unit, at = f"c-{number}", world.clock() - timedelta(minutes=30) * (1 - number / UNITS)
        region = "us" if number % 2 else "eu"
        context = {"conversation": unit, "plan": ("pro", "free")[number // 2 % 2], "region": region}
        context |= more.get(number, {})
        found = evaluate(snapshot, FLAG, context)
        slow = found.variation != "baseline" and region == "us" and number % 5 < 3
        exposures.append(
            Exposure(
                flag=FLAG, rule=found.rule, revision=found.revision, assigned=found.variation or "",
                served=found.variation or "", unit=unit, unit_name="conversation", at=at, reason=str(found.reason),
                context=context,
            )
        )  # fmt: skip
        value = 4_000.0 if slow or number % 25 == 0 else 900.0
        metrics.append(
            MetricEvent(metric="answer_latency_ms", value=value, unit=unit, unit_name="conversation", at=at)
        )  # fmt: skip
    batch = TelemetryBatch(batch_id="b", exposures=tuple(exposures), metrics=tuple(metrics))
    where = Scope(project=PROJECT, environment=ENVIRONMENT)
    world.telemetry.add(where, batch, source="app", received_at=world.clock())
    receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    world.work()
    with world.store.read() as uow:
        return uow.findings.where(limit=1)[0]


def test_names_that_few_units_carry_hide_no_cohort(world: World) -> None:
    """Some send attributes of their own, whose names come first: the harmed region is told apart all the same."""
    flood = {number: {f"!{number}-{index}": "x" for index in range(ATTRIBUTES)} for number in range(0, UNITS, 3)}
    finding = harmed_in_one_region(world, flood)
    assert finding.recommendation is Recommendation.EXCLUDE
    assert finding.suspects[0].cohort["region"] == ("us",)
