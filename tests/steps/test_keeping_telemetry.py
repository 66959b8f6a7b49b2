"""Telemetry is kept as long, and as much of it, as was chosen; what a live rollout rests on is not thrown away."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from tests.support.world import ENVIRONMENT, FLAG, PROJECT, START, World
from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.guarded_rollout import GuardedRollout, Plan, PlannedStage, RolloutStatus
from twokey.domain.job import JobKind
from twokey.domain.telemetry import Scope
from twokey.engine.wire import Exposure, TelemetryBatch
from twokey.wiring import jobs_of

HERE = Scope(project=PROJECT, environment=ENVIRONMENT, flag=FLAG)


def prune(world: World, days: int) -> None:
    jobs_of(world.store, world.telemetry, keep_days=days)[JobKind.PRUNE_TELEMETRY]("timer")


def exposures(world: World) -> int:
    return sum(each.exposures for each in world.telemetry.exposure_counts(HERE))


def test_what_is_too_old_goes_and_the_clock_looks_again_tomorrow(world: World) -> None:
    world.clock.forward(minutes=31)
    world.traffic(100)
    prune(world, days=7)
    assert exposures(world) == 100
    with world.store.read() as uow:
        (job,) = [each for each in uow.jobs.waiting() if each.kind is JobKind.PRUNE_TELEMETRY]
    assert job.run_at == world.clock() + timedelta(days=1)
    world.clock.forward(days=8)
    world.traffic(50, seed=2)
    prune(world, days=7)
    assert exposures(world) == 50


def test_what_a_rollout_on_its_way_rests_on_stays(world: World) -> None:
    world.clock.forward(minutes=31)
    plan = Plan(flag=FLAG, rule="pro-10", candidate="reranker_v2", stages=(PlannedStage(share=20_000),))
    rollout = GuardedRollout(
        id="rollout-1", project=PROJECT, environment=ENVIRONMENT, flag=FLAG, proposal="proposal-1", plan=plan,
        status=RolloutStatus.PAUSED, stage=0, first_revision=1, revision=1, started_at=START, entered_at=START,
    )  # fmt: skip
    with world.store.begin() as uow:
        uow.rollouts.add(rollout)
    world.traffic(100)
    world.clock.forward(days=30)
    prune(world, days=7)
    assert exposures(world) == 100
    with world.store.begin() as uow:
        uow.rollouts.replace(replace(rollout, status=RolloutStatus.STOPPED))
    prune(world, days=7)
    assert exposures(world) == 0


def test_without_an_end_nothing_goes(world: World) -> None:
    world.clock.forward(minutes=31)
    world.traffic(100)
    world.clock.forward(days=900)
    prune(world, days=0)
    assert exposures(world) == 100


def test_of_contexts_only_what_was_chosen_is_kept() -> None:
    store = DuckTelemetry(attributes=frozenset({"plan"}))
    context = {"plan": "pro", "email": "ada@example.com", "targetingKey": "u-1"}
    exposure = Exposure(
        flag=FLAG, revision=1, assigned="baseline", served="baseline", unit="u-1", unit_name="targetingKey", at=START,
        reason="DEFAULT", context=context,
    )  # fmt: skip
    batch = TelemetryBatch(batch_id="b-1", exposures=(exposure,))
    store.add(HERE, batch, source="test", received_at=START)
    (kept,) = store.contexts(HERE)
    assert dict(kept.context) == {"plan": "pro", "targetingKey": "u-1"}, "the unit itself is what is counted by"
    store.close()
