"""Guardrails that a real Prometheus measures: in a case's check, in our own signals and in a guarded rollout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from tests.steps.test_guarded_rollouts import half_an_hour, plan, share, started
from tests.support.prometheus import PrometheusServer, Sample
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, START, World, alert, plain_control, support_control
from twokey.adapters.prometheus import Prometheus
from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.guarded_rollout import Opens, PlannedStage, RolloutStatus
from twokey.domain.guardrail import Guardrail, GuardrailKind, Verdict
from twokey.domain.identity import SYSTEM
from twokey.domain.job import JobKind
from twokey.steps.check_evidence import check
from twokey.steps.receive_signal import receive
from twokey.wiring import jobs_of

ERRORS = Guardrail(
    key="error_ratio",
    metric="error_ratio",
    kind=GuardrailKind.QUERY,
    limit=0.05,
    title="error ratio",
    unit_label="%",
    query='sum(error_ratio{environment="$environment", flag="$flag"})',
)
Open = Callable[..., World]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """A world whose Prometheus knows these error ratios, minute by minute from the start on."""
    ends: list[Callable[[], None]] = []

    def make(ratio: Callable[[float], float], minutes: int = 180) -> World:
        series = f'error_ratio{{environment="{ENVIRONMENT}",flag="{FLAG}"}}'
        figures: list[Sample] = [
            (START + timedelta(seconds=15 * each), ratio(each / 4)) for each in range(-120, minutes * 4)
        ]
        server = PrometheusServer(tmp_path / "prometheus", {series: figures})
        ends.append(server.stop)
        watched = support_control()
        control = msgspec.structs.replace(watched, guardrails=(watched.guardrails[0], ERRORS))
        world = World(tmp_path, control, plain_control("new_header"))
        world.telemetry.close()
        port = Prometheus({"": server.url})
        world.telemetry = DuckTelemetry(queries=port)
        ends.extend((port.close, world.close))
        return world

    yield make
    for end in reversed(ends):
        end()


def verdict(world: World) -> Verdict:
    """What a case's check says of the error ratio."""
    receive(world.store, SYSTEM, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    world.work()
    with world.store.read() as uow:
        (case,) = uow.cases.where(limit=2)
    return next(each for each in check(world.store, world.telemetry, case.id).verdicts if each.guardrail == ERRORS.key)


def test_a_case_is_told_what_prometheus_says(opened: Open) -> None:
    world = opened(lambda minute: 0.2 if minute > 20 else 0.01)
    world.clock.forward(minutes=31)
    world.traffic(3000, slow=0.04, slow_candidate=0.35)
    found = verdict(world)
    assert found.observational
    assert found.sentence.startswith("error ratio: 20 % now")
    assert found.status == "breached"


def test_a_breach_that_prometheus_sees_is_a_signal_of_our_own_until_it_is_over(opened: Open) -> None:
    world = opened(lambda minute: 0.2 if 20 < minute < 60 else 0.01)
    monitor = jobs_of(world.store, world.telemetry, monitor=60.0)[JobKind.MONITOR_GUARDRAILS]

    def firing() -> list[str]:
        with world.store.read() as uow:
            return [each.alert.fingerprint for each in uow.signals.where(status="firing", limit=9)]

    world.clock.forward(minutes=15)
    monitor("timer")
    assert firing() == []
    world.clock.forward(minutes=16)
    monitor("timer")
    assert firing() == [f"{FLAG}/error_ratio"]
    world.clock.forward(minutes=40)
    monitor("timer")
    assert firing() == []


STAGES = tuple(PlannedStage(share=share, minutes=30, units=200, opens=Opens.TIME) for share in (25_000, 50_000))


def test_a_rollout_widens_while_prometheus_holds_and_takes_itself_back_when_it_does_not(opened: Open) -> None:
    world = opened(lambda minute: 0.2 if minute > 45 else 0.01)
    started(world, plan(*STAGES))
    first = half_an_hour(world, seed=1)
    assert first.stage == 1, first.because
    assert share(world) == 50_000
    after = half_an_hour(world, seed=2)
    assert after.status is RolloutStatus.ROLLED_BACK
    assert "error ratio: 20 % now" in after.because
    assert world.served(conversation="c-1", plan="pro") == "baseline"


def test_a_rollout_pauses_when_prometheus_is_silent_and_says_so(opened: Open) -> None:
    world = opened(lambda _: 0.01, minutes=20)
    started(world, plan(*STAGES))
    after = half_an_hour(world, seed=1)
    assert after.status is RolloutStatus.PAUSED
    assert "error ratio cannot be judged: its last reading" in after.because
    assert share(world) == 25_000
