"""A tail of several limits through a whole case: a few conversations that get stuck, far past the agreed limit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.support.traffic import encounter
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, World, alert, support_control
from twokey.domain.guardrail import Guardrail, GuardrailKind, Verdict
from twokey.domain.telemetry import Scope
from twokey.engine.wire import MetricEvent, TelemetryBatch
from twokey.steps.check_evidence import check
from twokey.steps.receive_signal import receive

UNITS = 6_000
ANYWHERE = Guardrail(
    key="answer_latency",
    metric="latency_ms",
    kind=GuardrailKind.TAIL,
    limit=3_000,
    other_limits=(500, 1_000, 30_000),
    unit_label="ms",
)
ALONE = msgspec.structs.replace(ANYWHERE, other_limits=())


@pytest.fixture(params=[ANYWHERE], ids=["several limits"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, msgspec.structs.replace(support_control(50_000), guardrails=(request.param,)))
    yield made
    made.close()


def stuck(world: World) -> None:
    """One conversation of forty takes a minute with the candidate; a tenth is slow with and without it."""
    exposures, metrics = [], []
    for number in range(UNITS):
        unit, at = f"c-{number}", world.clock() - timedelta(minutes=30) * (1 - number / UNITS)
        context = {"conversation": unit, "plan": "pro", "region": "eu"}
        met_it = encounter(world.snapshot, context, at)
        ours = met_it.assigned != "baseline"
        exposures.append(met_it)
        usual = 4_000.0 if number % 10 == 0 else 400.0 + number % 300
        took = 60_000.0 if ours and number % 40 == 20 else usual
        metrics.append(MetricEvent(metric="latency_ms", value=took, unit=unit, unit_name="conversation", at=at))
    where = Scope(project=PROJECT, environment=ENVIRONMENT)
    batch = TelemetryBatch(batch_id="b", exposures=tuple(exposures), metrics=tuple(metrics))
    world.telemetry.add(where, batch, source="app", received_at=world.clock())
    receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    world.work()


def test_what_gets_stuck_is_found_where_it_lies_and_a_change_is_drafted(world: World) -> None:
    (verdict, *_), suspects, proposals = seen(world)
    assert (verdict.status, verdict.other_limits) == ("breached", (500.0, 1000.0, 30_000.0))
    assert "most at 30,000 ms" in verdict.sentence
    assert suspects == [FLAG]
    assert proposals == 1


@pytest.mark.parametrize("world", [ALONE], ids=["one limit"], indirect=True)
def test_the_agreed_limit_alone_would_have_missed_it(world: World) -> None:
    verdicts, suspects, proposals = seen(world)
    assert (suspects, proposals) == ([], 0)
    assert verdicts == ()


def seen(world: World) -> tuple[tuple[Verdict, ...], list[str], int]:
    """What a check says, whom the finding suspects, how many changes were drafted."""
    world.clock.forward(minutes=31)
    stuck(world)
    with world.store.read() as uow:
        (finding,) = uow.findings.where(limit=2)
        (case,) = uow.cases.where(limit=2)
        proposals = uow.proposals.where(case=case.id)
    verdicts = check(world.store, world.telemetry, case.id).verdicts if finding.suspects else ()
    return verdicts, [each.flag for each in finding.suspects], len(proposals)
