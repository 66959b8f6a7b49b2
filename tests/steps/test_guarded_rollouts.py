"""A guarded rollout widens by its plan while its guardrails hold, pauses when blind, and takes itself back on harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.attacks.attempts import now as present
from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World, plain_control, support_control
from twokey.domain.change import Cause
from twokey.domain.control import Control
from twokey.domain.drafting import Draft
from twokey.domain.errors import Conflict, Refused
from twokey.domain.guarded_rollout import GuardedRollout, Opens, Plan, PlannedStage, RolloutStatus, describe_plan
from twokey.domain.operation import Effect, SetEnabled
from twokey.domain.proposal import Proposal, ProposalStatus, is_sealed
from twokey.engine.errors import Invalid
from twokey.engine.flag import Clause, Rollout, Rule, Serve
from twokey.engine.operators import Operator
from twokey.steps import guard_rollout
from twokey.steps.draft_proposal import draft
from twokey.steps.review_proposal import approve

STAGES = (
    PlannedStage(share=25_000, minutes=30, units=200),
    PlannedStage(share=50_000, minutes=30, units=200),
)


@pytest.fixture
def any_world(store_url: str, tmp_path: Path) -> Iterator[World]:
    """On both control stores; every metric of its flag is joined to what was assigned."""
    made = World(tmp_path, *controls(), url=store_url)
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, *controls())
    yield made
    made.close()


def controls() -> tuple[Control, ...]:
    """Without the guardrail on citations, which nobody has joined yet: a rollout would wait for it."""
    watched = support_control()
    return msgspec.structs.replace(watched, guardrails=watched.guardrails[:2]), plain_control("new_header")


def plan(*stages: PlannedStage, **more: object) -> Plan:
    given: dict[str, object] = {"flag": FLAG, "rule": "pro-10", "candidate": "reranker_v2", "stages": stages or STAGES}
    return Plan(**(given | more))  # type: ignore[arg-type]


def proposed(world: World, wanted: Plan | None = None) -> Proposal:
    asked = Draft(
        project=PROJECT, environment=ENVIRONMENT, operations=(), reason="it looks good", plan=wanted or plan()
    )
    return draft(world.store, world.telemetry, world.viewer, asked)


def started(world: World, wanted: Plan | None = None) -> GuardedRollout:
    proposal = proposed(world, wanted)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    return the_rollout(world)


def the_rollout(world: World) -> GuardedRollout:
    with world.store.read() as uow:
        return uow.rollouts.where(limit=1)[0]


def share(world: World, of: str = "pro-10") -> int:
    with world.store.read() as uow:
        rule = uow.flags.state(PROJECT, ENVIRONMENT).control(FLAG).flag.rule(of)
    assert rule is not None
    assert rule.serve.rollout is not None
    return dict(rule.serve.rollout.weights)["reranker_v2"]


def half_an_hour(world: World, seed: int, units: int = 3000, **traffic: float) -> GuardedRollout:
    """Thirty-one minutes of traffic, and whatever the workers do then."""
    world.clock.forward(minutes=31)
    world.traffic(units, seed=seed, **{"slow": 0.2, **traffic})  # type: ignore[arg-type]
    world.work()
    return the_rollout(world)


# ---------------------------------------------------------------- the plan


def test_the_whole_plan_is_what_is_approved(world: World) -> None:
    proposal = proposed(world)
    assert (proposal.effect, proposal.rollback.effect) == (Effect.WIDENS, Effect.NARROWS)
    assert "25 %, 50 %" in proposal.title
    other = plan(STAGES[0], msgspec.structs.replace(STAGES[1], share=90_000))
    assert not is_sealed(msgspec.structs.replace(proposal, plan=other))
    assert share(world) == 10_000, "nothing moves before the keys are turned"


def test_the_blast_radius_is_that_of_the_last_stage(world: World) -> None:
    world.clock.forward(minutes=31)
    world.traffic(2000)
    all_of_it = proposed(world).blast_radius
    first = proposed(world, plan(STAGES[0])).blast_radius
    assert all_of_it is not None
    assert first is not None
    assert all_of_it.changed_units > first.changed_units > 0


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (plan(PlannedStage(share=10_000)), "more than 10000"),
        (plan(STAGES[1], STAGES[0]), "stages[1].share"),
        (plan(PlannedStage(share=100_000)), "no control arm is left"),
        (plan(PlannedStage(share=25_000, minutes=0)), "minutes"),
        (plan(PlannedStage(share=25_000, units=0)), "units"),
        (plan(PlannedStage(share=25_000, minutes=60, at_most=30)), "at_most"),
        (plan(rule="nowhere"), "has no rule `nowhere`"),
        (plan(rule="internal"), "alone"),
        (plan(STAGES[0], PlannedStage(share=50_000, rule="nowhere")), "has no rule `nowhere`"),
        (plan(STAGES[0], PlannedStage(share=50_000, rule="internal")), "alone"),
        (plan(STAGES[0], PlannedStage(share=50_000, rule=None)), "alone"),
        (plan(candidate="baseline"), "alone"),
        (plan(flag="new_header", rule=None), "alone"),
        (plan(flag="nobody"), "nobody"),
        (plan(*[PlannedStage(share=10_001 + each) for each in range(21)]), "1 to 20"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_by_field(world: World, wanted: Plan, reason: str) -> None:
    with pytest.raises(Exception, match=reason.replace("[", r"\[").replace("]", r"\]")) as refused:
        proposed(world, wanted)
    assert isinstance(refused.value, Invalid) or "nobody" in reason


def test_one_rollout_of_a_flag_at_a_time(world: World) -> None:
    started(world)
    with pytest.raises(Conflict, match="is running"):
        proposed(world, plan(PlannedStage(share=60_000)))


# ---------------------------------------------------------------- its way


def test_it_widens_stage_by_stage_while_every_guardrail_holds_and_ends(any_world: World) -> None:
    rollout = started(any_world)
    assert (rollout.status, rollout.stage, share(any_world)) == (RolloutStatus.RUNNING, 0, 25_000)
    exposed = [
        f"c-{each}" for each in range(500) if any_world.served(conversation=f"c-{each}", plan="pro") != "baseline"
    ]
    for seed in range(1, 9):
        rollout = half_an_hour(any_world, seed)
        if rollout.stage:
            break
    assert (rollout.stage, share(any_world)) == (1, 50_000)
    still = [each for each in exposed if any_world.served(conversation=each, plan="pro") != "baseline"]
    assert still == exposed, "nobody who had it loses it"
    for seed in range(11, 19):
        rollout = half_an_hour(any_world, seed)
        if rollout.status is not RolloutStatus.RUNNING:
            break
    assert (rollout.status, share(any_world)) == (RolloutStatus.COMPLETED, 50_000)
    with any_world.store.read() as uow:
        causes = [each.cause for each in uow.changes.where(proposal=rollout.proposal, limit=10)]
        assert uow.audit.verify().ok
    assert causes == [Cause.ROLLOUT, Cause.PROPOSAL]
    assert any_world.audit("rollout.advance") == [rollout.id]


def test_harm_in_the_second_stage_takes_it_back_at_once(any_world: World) -> None:
    started(any_world)
    for seed in range(1, 9):
        if half_an_hour(any_world, seed).stage:
            break
    assert share(any_world) == 50_000
    for seed in range(11, 15):
        any_world.clock.forward(minutes=3)
        any_world.traffic(600, seed=seed, slow=0.2, slow_candidate=0.6)
        any_world.work()
        if the_rollout(any_world).status is RolloutStatus.ROLLED_BACK:
            break
    rollout = the_rollout(any_world)
    assert rollout.status is RolloutStatus.ROLLED_BACK
    assert any(str(each.status) == "breached" for each in rollout.verdicts)
    assert any_world.served(conversation="c-1", plan="pro") == "baseline"
    with any_world.store.read() as uow:
        (change, *_) = uow.changes.where(proposal=rollout.proposal, limit=5)
        proposal = uow.proposals.get(rollout.proposal)
    assert (change.cause, change.effect) == (Cause.ROLLBACK, Effect.NARROWS)
    assert change.applied_by == f"plan:{proposal.digest}"
    assert change.operations == proposal.rollback.operations
    assert proposal.status is ProposalStatus.REVERSED


def test_harm_that_begins_with_the_second_stage_is_found_within_the_units_that_the_guide_states(world: World) -> None:
    """Failures of 20 % become 60 %: 99 in 100 are found within 280 units an arm, by one look every ten seconds."""
    started(world)
    for seed in range(1, 9):
        if half_an_hour(world, seed).stage:
            break
    assert share(world) == 50_000
    for seed in range(100, 160):
        world.clock.forward(seconds=10)
        world.traffic(60, seed=seed, slow=0.2, slow_candidate=0.6)
        world.work()
        if the_rollout(world).status is RolloutStatus.ROLLED_BACK:
            break
    (breached,) = [each for each in the_rollout(world).verdicts if str(each.status) == "breached"]
    stage = breached.stages[-1]
    assert stage.share == 0.5
    assert 20 < max(stage.candidate.units, stage.baseline.units) <= 280


@pytest.fixture
def two_rules(tmp_path: Path) -> Iterator[World]:
    """The candidate is drawn for by two rules; enterprise customers have none of it yet."""
    watched, header = controls()
    internal, pro = watched.flag.rules
    enterprise = Rule(
        id="enterprise",
        clauses=(Clause(attribute="plan", operator=Operator.IN, values=("enterprise",)),),
        serve=Serve(rollout=Rollout(weights=(("reranker_v2", 0), ("baseline", 100_000)))),
    )
    flag = msgspec.structs.replace(watched.flag, rules=(internal, enterprise, pro))
    made = World(tmp_path, msgspec.structs.replace(watched, flag=flag), header)
    yield made
    made.close()


BY_RULE = plan(
    PlannedStage(share=50_000, minutes=30, units=200, opens=Opens.TIME),
    PlannedStage(share=50_000, minutes=30, units=200, rule="enterprise"),
    PlannedStage(share=100_000, minutes=30, opens=Opens.APPROVAL, rule="enterprise"),
)


def test_a_stage_may_reach_out_to_another_rule_and_harm_there_takes_all_of_it_back(two_rules: World) -> None:
    world = two_rules
    proposal = proposed(world, BY_RULE)
    assert proposal.blast_radius is not None
    assert "50 % reranker_v2 of rule `enterprise`" in describe_plan(BY_RULE)[1]
    started(world, BY_RULE)
    assert (share(world), share(world, "enterprise")) == (50_000, 0)
    half_an_hour(world, 1)
    assert (share(world), share(world, "enterprise")) == (50_000, 50_000)
    assert the_rollout(world).units == 0, "those who met it by the other rule are of the stage before"
    for seed in range(11, 15):
        world.clock.forward(minutes=3)
        world.traffic(900, seed=seed, slow=0.2, slow_candidate=0.6)
        world.work()
        if the_rollout(world).status is RolloutStatus.ROLLED_BACK:
            break
    assert the_rollout(world).status is RolloutStatus.ROLLED_BACK
    for each in ("pro", "enterprise"):
        assert {world.served(conversation=f"c-{n}", plan=each) for n in range(50)} == {"baseline"}


def test_a_stage_of_another_rule_waits_for_units_that_this_rule_gave_the_candidate(two_rules: World) -> None:
    world = two_rules
    started(world, plan(PlannedStage(share=50_000, minutes=30, units=400, rule="enterprise", opens=Opens.TIME)))
    rollout = half_an_hour(world, 1, units=1500)
    assert (rollout.status, 200 < rollout.units < 300) == (RolloutStatus.RUNNING, True)
    rollout = half_an_hour(world, 2, units=1500)
    assert rollout.status is RolloutStatus.COMPLETED


def test_the_blast_radius_of_a_plan_over_several_rules_is_that_of_all_its_stages(two_rules: World) -> None:
    two_rules.clock.forward(minutes=31)
    two_rules.traffic(2000)
    radius = proposed(two_rules, BY_RULE).blast_radius
    assert radius is not None
    assert {each.after for each in radius.by_rule} == {"pro-10", "enterprise"}


def test_drift_in_both_arms_takes_nothing_back(world: World) -> None:
    started(world)
    for seed in range(1, 7):
        rollout = half_an_hour(world, seed, slow=0.1 + 0.06 * seed)
        assert rollout.status is not RolloutStatus.ROLLED_BACK
    assert share(world) >= 25_000


def test_where_telemetry_is_cut_off_it_pauses_and_says_why(world: World) -> None:
    started(world)
    world.clock.forward(minutes=31)
    world.work()
    rollout = the_rollout(world)
    assert (rollout.status, share(world)) == (RolloutStatus.PAUSED, 25_000)
    assert "nobody is known to have met the candidate" in rollout.because
    assert world.audit("rollout.paused") == [rollout.id]


def test_a_stage_that_is_not_decided_in_its_time_pauses(world: World) -> None:
    started(world, plan(PlannedStage(share=25_000, minutes=30, units=100_000, at_most=60)))
    rollout = half_an_hour(world, 1)
    assert (rollout.status, "of 100,000 units" in rollout.because) == (RolloutStatus.RUNNING, True)
    rollout = half_an_hour(world, 2)
    assert rollout.status is RolloutStatus.PAUSED
    assert "not decided in its time" in rollout.because


def test_harm_is_taken_back_also_while_it_is_paused(world: World) -> None:
    rollout = started(world)
    guard_rollout.pause(world.store, world.mara, rollout.id, "let us wait for Ines")
    assert half_an_hour(world, 1, slow_candidate=0.6).status is RolloutStatus.ROLLED_BACK


def test_a_flag_that_somebody_else_moved_is_not_moved_on(world: World) -> None:
    started(world)
    off = Draft(
        project=PROJECT, environment=ENVIRONMENT, operations=(SetEnabled(flag=FLAG, enabled=False),), reason="stop it"
    )
    proposal = draft(world.store, world.telemetry, world.viewer, off)
    for person in (world.ines, world.mara):
        approve(world.store, person, proposal.id, proposal.digest, PRESENT)
    world.clock.forward(minutes=1)
    world.work()
    rollout = the_rollout(world)
    assert (rollout.status, "changed by others" in rollout.because) == (RolloutStatus.PAUSED, True)
    with pytest.raises(Conflict, match="changed by others"):
        guard_rollout.resume(world.store, world.mara, rollout.id, PRESENT, "go on")


def test_a_plan_that_was_altered_in_the_store_goes_no_further(world: World) -> None:
    rollout = started(world)
    greedy = msgspec.structs.replace(rollout, plan=plan(PlannedStage(share=99_000, minutes=1, opens=Opens.TIME)))
    with world.store.begin() as uow:
        uow.rollouts.replace(greedy)
    rollout = half_an_hour(world, 1)
    assert (rollout.status, "no longer what was approved" in rollout.because) == (RolloutStatus.PAUSED, True)
    assert share(world) == 25_000


def test_by_time_and_by_a_person(world: World) -> None:
    by_time = PlannedStage(share=25_000, minutes=30, opens=Opens.TIME)
    by_person = PlannedStage(share=50_000, minutes=30, opens=Opens.APPROVAL)
    whole = PlannedStage(share=100_000, minutes=30, opens=Opens.TIME)
    started(world, plan(by_time, by_person, whole))
    rollout = half_an_hour(world, 1)
    assert (rollout.stage, share(world)) == (1, 50_000)
    rollout = half_an_hour(world, 2)
    assert (rollout.stage, rollout.because) == (1, "a person has to agree to the next stage")
    with pytest.raises(Refused, match="proof"):
        guard_rollout.agree(world.store, world.mara, rollout.id, None, "it looks good")
    with pytest.raises(Refused, match="approver role"):
        guard_rollout.agree(world.store, world.viewer, rollout.id, PRESENT, "it looks good")
    guard_rollout.agree(world.store, world.mara, rollout.id, PRESENT, "it looks good")
    with pytest.raises(Conflict, match="does not wait for a person"):
        guard_rollout.agree(world.store, world.ines, rollout.id, PRESENT, "it looks good to me too")
    world.clock.forward(minutes=1)
    world.work()
    assert (the_rollout(world).stage, share(world)) == (2, 100_000)
    assert half_an_hour(world, 3).status is RolloutStatus.COMPLETED


def test_people_pause_resume_stop_and_roll_back(world: World) -> None:
    rollout = started(world)
    with pytest.raises(Refused, match="only a person"):
        guard_rollout.pause(world.store, world.agent, rollout.id, "I would rather not")
    with pytest.raises(Invalid, match="note"):
        guard_rollout.pause(world.store, world.mara, rollout.id, " ")
    guard_rollout.pause(world.store, world.mara, rollout.id, "lunch")
    assert half_an_hour(world, 1).status is RolloutStatus.PAUSED
    with pytest.raises(Refused, match="proof"):
        guard_rollout.resume(world.store, world.mara, rollout.id, None, "back")
    resumed = guard_rollout.resume(world.store, world.mara, rollout.id, PRESENT, "back")
    assert (resumed.status, resumed.entered_at) == (RolloutStatus.RUNNING, world.clock())
    back = guard_rollout.roll_back(world.store, world.mara, rollout.id, PRESENT, "customers complain")
    assert back.status is RolloutStatus.ROLLED_BACK
    assert world.served(conversation="c-1", plan="pro") == "baseline"
    with pytest.raises(Conflict, match="it has ended"):
        guard_rollout.resume(world.store, world.mara, rollout.id, PRESENT, "again")


def test_stopped_it_stays_where_it_is(world: World) -> None:
    rollout = started(world)
    guard_rollout.stop(world.store, world.ines, rollout.id, PRESENT, "25 % will do")
    assert (half_an_hour(world, 1).status, share(world)) == (RolloutStatus.STOPPED, 25_000)
    another = proposed(world, plan(PlannedStage(share=60_000)))
    assert present(world, another).status is ProposalStatus.PENDING, "another plan may follow"


def test_a_policy_that_came_meanwhile_stops_the_next_stage(world: World) -> None:
    from tests.steps.test_access import agree, asks

    two = world.add_person("sefa", "security", "administrator"), world.add_person("timo", "security")
    started(world, plan(PlannedStage(share=25_000, minutes=30, opens=Opens.TIME), STAGES[1]))
    frozen = '@id("frozen")\nforbid (principal is Schedule, action == Action::"apply", resource);'
    agree(world, two[1], asks(world, two[0], {"edit": "set_policies", "text": frozen}))
    rollout = half_an_hour(world, 1)
    assert (rollout.status, share(world)) == (RolloutStatus.PAUSED, 25_000)
    assert "frozen" in rollout.because
