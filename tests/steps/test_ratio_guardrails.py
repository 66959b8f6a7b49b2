"""A ratio guardrail through a whole case: cost per answer, harmed in one region only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.support.traffic import encounter
from tests.support.world import ENVIRONMENT, PROJECT, World, alert, support_control
from twokey.domain.finding import Recommendation
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.domain.telemetry import Scope
from twokey.engine.wire import MetricEvent, TelemetryBatch
from twokey.steps.check_evidence import check
from twokey.steps.receive_signal import receive

UNITS = 3_000
COST = Guardrail(
    key="cost_per_answer", metric="cost", denominator="answers", kind=GuardrailKind.RATIO, limit=2, unit_label="ct"
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, msgspec.structs.replace(support_control(50_000), guardrails=(COST,)))
    yield made
    made.close()


def conversations(world: World, *, answers: bool = True) -> None:
    """In one region the candidate pays twice for each answer, and everywhere it gives half as many again."""
    exposures, metrics = [], []
    for number in range(UNITS):
        unit, at = f"c-{number}", world.clock() - timedelta(minutes=30) * (1 - number / UNITS)
        region = "us" if number % 2 else "eu"
        context = {"conversation": unit, "plan": ("pro", "free")[number // 2 % 2], "region": region}
        met_it = encounter(world.snapshot, context, at)
        ours = met_it.assigned != "baseline"
        exposures.append(met_it)
        given, price = 1 + number % 5 + ours, (2.0 if ours and region == "us" else 1.0) * (1 + number % 7 / 20)
        told = [("cost", given * price)] + ([("answers", 1.0)] * given if answers else [])
        metrics += [
            MetricEvent(metric=name, value=value, unit=unit, unit_name="conversation", at=at) for name, value in told
        ]
    where = Scope(project=PROJECT, environment=ENVIRONMENT)
    for start in range(0, len(metrics), 5_000):
        batch = TelemetryBatch(
            batch_id=f"b{start}",
            exposures=tuple(exposures if not start else ()),
            metrics=tuple(metrics[start : start + 5_000]),
        )
        world.telemetry.add(where, batch, source="app", received_at=world.clock())
    receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    world.work()


def test_answers_that_cost_more_in_one_region_are_confined_to_it(world: World) -> None:
    world.clock.forward(minutes=31)
    conversations(world)
    with world.store.read() as uow:
        (finding,) = uow.findings.where(limit=2)
        (case,) = uow.cases.where(limit=2)
    assert finding.recommendation is Recommendation.EXCLUDE
    assert finding.suspects[0].cohort["region"] == ("us",)
    verdict = check(world.store, world.telemetry, case.id).verdicts[0]
    assert (verdict.kind, verdict.denominator, verdict.status) == ("ratio", "answers", "breached")
    assert "cost_per_answer: 1.7" in verdict.sentence


def test_a_denominator_that_never_arrives_is_a_gap_and_accuses_nobody(world: World) -> None:
    world.clock.forward(minutes=31)
    conversations(world, answers=False)
    with world.store.read() as uow:
        (finding,) = uow.findings.where(limit=2)
    assert not finding.suspects
    assert any("`answers`" in each.sentence for each in finding.gaps), finding.gaps
