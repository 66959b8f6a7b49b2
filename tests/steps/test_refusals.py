"""Everything that must not turn a key: each attempt is refused with its reason, and nothing is half-written."""

from __future__ import annotations

import pytest

from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World, plain_control
from twokey.domain.drafting import Draft
from twokey.domain.errors import Conflict, Invalid, Refused
from twokey.domain.identity import Actor
from twokey.domain.operation import Effect, Operation, SetEnabled, SetWeights
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.engine.flag import Prerequisite
from twokey.steps.apply_change import apply
from twokey.steps.draft_proposal import Edit, draft, edit
from twokey.steps.reverse_change import WayBack, reverse
from twokey.steps.review_proposal import approve, reject, withdraw
from twokey.steps.run_schedule import expire_proposal

REDUCE = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", 1000), ("baseline", 99_000)))
WIDEN = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", 50_000), ("baseline", 50_000)))


def drafted(
    world: World, *operations: Operation, by: Actor | None = None, mode: ApplyMode = ApplyMode.WHEN_OPEN
) -> Proposal:
    wanted = Draft(
        project=PROJECT, environment=ENVIRONMENT, operations=operations or (REDUCE,), reason="less of it", apply=mode
    )
    return draft(world.store, world.telemetry, by or world.agent, wanted)


def now(world: World, proposal: Proposal) -> Proposal:
    with world.store.read() as uow:
        return uow.proposals.get(proposal.id)


def answers(world: World, proposal: Proposal) -> int:
    with world.store.read() as uow:
        return uow.approvals.count(proposal=proposal.id)


def test_an_agent_or_service_token_never_approves_rejects_applies_or_reverses(world: World) -> None:
    proposal = drafted(world)
    for actor in (world.agent, world.service):
        with pytest.raises(Refused, match="only a person"):
            approve(world.store, actor, proposal.id, proposal.digest, PRESENT)
        with pytest.raises(Refused, match="only a person"):
            reject(world.store, actor, proposal.id, proposal.digest, PRESENT, "no")
        with pytest.raises(Refused, match="only a person"):
            apply(world.store, actor, proposal.id, PRESENT)
        with pytest.raises(Refused, match="only a person"):
            reverse(world.store, actor, "change-1", WayBack.REVERSE, PRESENT)
    assert answers(world, proposal) == 0


def test_a_session_without_fresh_proof_turns_no_key(world: World) -> None:
    proposal = drafted(world)
    with pytest.raises(Refused, match="fresh proof"):
        approve(world.store, world.mara, proposal.id, proposal.digest, None)
    assert answers(world, proposal) == 0


def test_the_author_and_the_person_an_agent_acts_for_never_approve(world: World) -> None:
    own = drafted(world, by=world.both)
    with pytest.raises(Refused, match="never approves"):
        approve(world.store, world.both, own.id, own.digest, PRESENT)
    withdraw(world.store, world.both, own.id)
    by_agent = drafted(world)
    assert "viewer" in by_agent.excluded()


def test_somebody_without_a_required_role_is_refused(world: World) -> None:
    proposal = drafted(world)
    viewer = world.add_person("stranger", "viewer")
    with pytest.raises(Refused, match="none of the roles"):
        approve(world.store, viewer, proposal.id, proposal.digest, PRESENT)


def test_one_person_with_two_roles_fills_only_one_of_them(world: World) -> None:
    proposal = drafted(world)
    assert approve(world.store, world.both, proposal.id, proposal.digest, PRESENT).status is ProposalStatus.PENDING
    with pytest.raises(Conflict, match="already"):
        approve(world.store, world.both, proposal.id, proposal.digest, PRESENT)
    assert approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT).status is ProposalStatus.APPLIED


def test_an_edited_proposal_cannot_be_approved_by_its_old_digest(world: World) -> None:
    old = drafted(world)
    approve(world.store, world.ines, old.id, old.digest, PRESENT)
    new = edit(world.store, world.telemetry, world.both, old.id, Edit(digest=old.digest, reason="better said"))
    assert new.digest != old.digest
    assert now(world, old).status is ProposalStatus.SUPERSEDED
    with pytest.raises(Conflict, match="superseded"):
        approve(world.store, world.mara, old.id, old.digest, PRESENT)
    with pytest.raises(Conflict, match="not this proposal's digest"):
        approve(world.store, world.mara, new.id, old.digest, PRESENT)
    assert answers(world, new) == 0
    with pytest.raises(Refused, match="never approves"):
        approve(world.store, world.both, new.id, new.digest, PRESENT)


def test_one_rejection_is_a_veto(world: World) -> None:
    proposal = drafted(world)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    reject(world.store, world.mara, proposal.id, proposal.digest, PRESENT, "not now")
    with pytest.raises(Conflict, match="rejected"):
        approve(world.store, world.both, proposal.id, proposal.digest, PRESENT)


def test_an_expired_proposal_cannot_be_approved_and_says_so(world: World) -> None:
    proposal = drafted(world)
    world.clock.forward(hours=5)
    with pytest.raises(Conflict, match="expired"):
        approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    assert now(world, proposal).status is ProposalStatus.EXPIRED
    assert world.audit("proposal.expire") == [proposal.id]


def test_the_clock_expires_what_nobody_answers(world: World) -> None:
    proposal = drafted(world)
    assert expire_proposal(world.store, proposal.id) is None
    world.clock.forward(hours=5)
    world.work()
    assert now(world, proposal).status is ProposalStatus.EXPIRED


def test_an_approval_that_expired_no_longer_counts(world: World) -> None:
    with world.store.begin() as uow:
        environment = uow.flags.environment(PROJECT, ENVIRONMENT)
        import msgspec

        uow.flags.put_environment(msgspec.structs.replace(environment, approval_hours=1.0))
    proposal = drafted(world)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    world.clock.forward(hours=2)
    waiting = approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    assert waiting.status is ProposalStatus.PENDING


def test_a_proposal_whose_flag_moved_becomes_stale_with_the_last_key(world: World) -> None:
    first, second = drafted(world), drafted(world, WIDEN)
    for who in (world.ines, world.mara):
        approve(world.store, who, first.id, first.digest, PRESENT)
    approve(world.store, world.ines, second.id, second.digest, PRESENT)
    before = world.revision
    with pytest.raises(Conflict, match="changed since"):
        approve(world.store, world.mara, second.id, second.digest, PRESENT)
    assert now(world, second).status is ProposalStatus.STALE
    assert world.revision == before
    assert world.audit("proposal.stale") == [second.id]


def test_an_applied_proposal_is_not_applied_twice(world: World) -> None:
    proposal = drafted(world)
    for who in (world.ines, world.mara):
        approve(world.store, who, proposal.id, proposal.digest, PRESENT)
    with pytest.raises(Conflict, match="applied"):
        approve(world.store, world.both, proposal.id, proposal.digest, PRESENT)
    with pytest.raises(Conflict, match="applied"):
        apply(world.store, world.mara, proposal.id, PRESENT)


def test_a_manual_proposal_waits_for_somebody_to_apply_it(world: World) -> None:
    proposal = drafted(world, mode=ApplyMode.MANUAL)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    with pytest.raises(Conflict, match="not approved"):
        apply(world.store, world.mara, proposal.id, PRESENT)
    assert approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT).status is ProposalStatus.APPROVED
    assert apply(world.store, world.mara, proposal.id, PRESENT).status is ProposalStatus.APPLIED


def test_undoing_a_reduction_needs_its_own_approval_and_an_expansions_rollback_does_not(world: World) -> None:
    reduction = drafted(world)
    for who in (world.ines, world.mara):
        approve(world.store, who, reduction.id, reduction.digest, PRESENT)
    with world.store.read() as uow:
        (change,) = uow.changes.where(proposal=reduction.id)
    undoing = reverse(world.store, world.mara, change.id, WayBack.REVERSE, PRESENT)
    assert undoing.changes == ()
    (wanted,) = undoing.drafts
    again = draft(world.store, world.telemetry, world.mara, wanted)
    assert again.effect is Effect.WIDENS
    assert again.status is ProposalStatus.PENDING
    withdraw(world.store, world.mara, again.id)

    expansion = drafted(world, WIDEN)
    for who in (world.ines, world.mara):
        approve(world.store, who, expansion.id, expansion.digest, PRESENT)
    with world.store.read() as uow:
        (change,) = uow.changes.where(proposal=expansion.id)
    back = reverse(world.store, world.mara, change.id, WayBack.REVERSE, PRESENT)
    assert len(back.changes) == 1
    assert now(world, expansion).status is ProposalStatus.REVERSED


def test_killing_a_flag_that_another_one_waits_for_is_said_to_widen(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    waiting = plain_control("beta", prerequisites=(Prerequisite(flag="alpha", variations=("off",)),))
    other = World(tmp_path_factory.mktemp("prerequisites"), plain_control("alpha"), waiting)
    try:
        proposal = drafted(other, SetEnabled(flag="alpha", enabled=False))
        assert proposal.effect is Effect.WIDENS
        assert any("beta" in each for each in proposal.effect_because)
    finally:
        other.close()


def test_an_unknown_flag_is_refused_by_name_and_nothing_is_drafted(world: World) -> None:
    with pytest.raises(Invalid, match="no_such_flag"):
        drafted(world, SetEnabled(flag="no_such_flag", enabled=False))
    with world.store.read() as uow:
        assert uow.proposals.where() == ()


def test_an_agent_drafts_in_its_own_environment_only(world: World) -> None:
    wanted = Draft(project=PROJECT, environment="staging", operations=(REDUCE,), reason="x")
    with pytest.raises(Refused, match="bound to"):
        draft(world.store, world.telemetry, world.agent, wanted)
