"""The five refusals of a replay: an approval is good for one content, on one base, once, for its time, by others.

Each attack replays what was good before: the call itself, and the record of the approval, planted in the store as
somebody could who writes to the database. Whatever is replayed, the answer has a name and flag state stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from tests.attacks.attempts import REDUCE, WIDEN, applied, drafted, now, turn_both_keys
from tests.support.world import ENVIRONMENT, PRESENT, PROJECT, World, initial_state
from twokey.domain.approval import Approval
from twokey.domain.drafting import Draft
from twokey.domain.errors import Conflict, Refused
from twokey.domain.gate import GateStatus
from twokey.domain.identity import SYSTEM, Actor
from twokey.domain.policy import Environment
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.steps.apply_change import apply, apply_scheduled
from twokey.steps.ask_gate import gate_of
from twokey.steps.draft_proposal import Edit, draft, edit
from twokey.steps.manage_access import create_environment
from twokey.steps.review_proposal import approve


@contextmanager
def nothing_moves(world: World) -> Iterator[None]:
    before = world.snapshot
    yield
    assert world.snapshot == before
    with world.store.read() as uow:
        assert uow.audit.verify().ok


def planted(world: World, proposal: Proposal, *approvals: Approval) -> GateStatus:
    """Put these approvals on record as answers to this proposal; what the gate makes of them."""
    with world.store.begin() as uow:
        for each in approvals:
            uow.approvals.add(msgspec.structs.replace(each, id=uow.new_id("approval"), proposal=proposal.id))
    with world.store.read() as uow:
        return gate_of(uow, uow.proposals.get(proposal.id), world.mara).status


def given(world: World, proposal: Proposal) -> tuple[Approval, ...]:
    with world.store.read() as uow:
        return uow.approvals.where(proposal=proposal.id)


def test_applied_twice(any_world: World) -> None:
    by_hand, at = drafted(any_world, apply=ApplyMode.MANUAL), any_world.clock.now.replace(hour=10)
    turn_both_keys(any_world, by_hand)
    apply(any_world.store, any_world.mara, by_hand.id, PRESENT)
    timed = drafted(any_world, WIDEN, apply=ApplyMode.AT, apply_at=at)
    turn_both_keys(any_world, timed)
    any_world.clock.forward(hours=1)
    assert apply_scheduled(any_world.store, timed.id)
    with nothing_moves(any_world):
        for proposal in (by_hand, timed):
            with pytest.raises(Conflict, match="is `applied`, not approved"):
                apply(any_world.store, any_world.mara, proposal.id, PRESENT)
            with pytest.raises(Conflict, match="is `applied`, not waiting"):
                approve(any_world.store, any_world.both, proposal.id, proposal.digest, PRESENT)
            assert apply_scheduled(any_world.store, proposal.id) is None
            with any_world.store.read() as uow:
                assert uow.changes.count(proposal=proposal.id) == 1


def test_after_an_edit(any_world: World) -> None:
    old = drafted(any_world, REDUCE)
    approve(any_world.store, any_world.ines, old.id, old.digest, PRESENT)
    changes = Edit(digest=old.digest, operations=(WIDEN,))
    new = edit(any_world.store, any_world.telemetry, any_world.viewer, old.id, changes)
    with nothing_moves(any_world):
        with pytest.raises(Conflict, match="is not this proposal's digest"):
            approve(any_world.store, any_world.mara, new.id, old.digest, PRESENT)
        with pytest.raises(Conflict, match="is `superseded`"):
            approve(any_world.store, any_world.mara, old.id, old.digest, PRESENT)
        yes = given(any_world, old)
        maras = msgspec.structs.replace(yes[0], person="mara", roles=any_world.mara.roles)
        assert planted(any_world, new, *yes, maras) is GateStatus.WAITING
        with pytest.raises(Conflict, match="is `pending`, not approved"):
            apply(any_world.store, any_world.mara, new.id, PRESENT)


def test_after_a_base_change(any_world: World) -> None:
    proposal = drafted(any_world, REDUCE, apply=ApplyMode.MANUAL)
    assert turn_both_keys(any_world, proposal).status is ProposalStatus.APPROVED
    applied(any_world, WIDEN)
    with nothing_moves(any_world):
        with pytest.raises(Conflict, match="changed since this was drafted at revision 1"):
            apply(any_world.store, any_world.mara, proposal.id, PRESENT)
        assert now(any_world, proposal).status is ProposalStatus.STALE
        with pytest.raises(Conflict, match="is `stale`, not approved"):
            apply(any_world.store, any_world.mara, proposal.id, PRESENT)


def test_after_expiry_of_the_proposal(any_world: World) -> None:
    proposal = drafted(any_world, apply=ApplyMode.MANUAL)
    assert turn_both_keys(any_world, proposal).status is ProposalStatus.APPROVED
    any_world.clock.forward(hours=4)
    with nothing_moves(any_world):
        with pytest.raises(Refused, match="the proposal is expired"):
            apply(any_world.store, any_world.mara, proposal.id, PRESENT)
        with pytest.raises(Conflict, match="expired at 2026-11-02 13:00 UTC"):
            approve(any_world.store, any_world.both, proposal.id, proposal.digest, PRESENT)


def test_after_expiry_of_an_approval(any_world: World) -> None:
    """Approvals have a clock of their own: here it runs out an hour before the proposal's."""
    with any_world.store.begin() as uow:
        environment = uow.flags.environment(PROJECT, ENVIRONMENT)
        uow.flags.put_environment(msgspec.structs.replace(environment, approval_hours=3.0))
    proposal = drafted(any_world, apply=ApplyMode.MANUAL)
    assert turn_both_keys(any_world, proposal).status is ProposalStatus.APPROVED
    any_world.clock.forward(hours=3)
    with nothing_moves(any_world), pytest.raises(Refused, match="waiting for support_ai_platform_owner and release_m"):
        apply(any_world.store, any_world.mara, proposal.id, PRESENT)


def test_with_the_author_in_the_quorum(any_world: World) -> None:
    """Whoever wrote it, has an agent write it or edited it: refused when they try, not counted where it stands."""
    for author, proposal in authors(any_world):
        with nothing_moves(any_world), pytest.raises(Refused, match="never approves it"):
            approve(any_world.store, author, proposal.id, proposal.digest, PRESENT)
        approve(any_world.store, any_world.ines, proposal.id, proposal.digest, PRESENT)
        own = msgspec.structs.replace(given(any_world, proposal)[0], person=author.id, roles=author.roles)
        with nothing_moves(any_world):
            assert planted(any_world, proposal, own) is GateStatus.WAITING
        with any_world.store.begin() as uow:  # even where the status says that all keys were turned
            uow.proposals.replace(now(any_world, proposal).to(ProposalStatus.APPROVED))
        with nothing_moves(any_world), pytest.raises(Refused, match="waiting for release_manager"):
            apply(any_world.store, any_world.mara, proposal.id, PRESENT)


def authors(world: World) -> Iterator[tuple[Actor, Proposal]]:
    """Somebody of the needed role, as an author, as the person behind an agent, and as an editor; with the proposal."""
    yield world.both, drafted(world, REDUCE, by=world.both)
    agent = msgspec.structs.replace(world.agent, on_behalf_of="both")
    yield world.both, drafted(world, REDUCE, by=agent)
    old = drafted(world, REDUCE)
    changes = Edit(digest=old.digest, reason="said better")
    yield world.both, edit(world.store, world.telemetry, world.both, old.id, changes)


def test_for_another_environment(any_world: World) -> None:
    """The same words about staging are other content: what was agreed to there opens nothing here."""
    staging = Environment(project=PROJECT, key="staging")
    state = msgspec.structs.replace(initial_state(), environment="staging")
    create_environment(any_world.store, SYSTEM, staging, state)
    wanted = Draft(project=PROJECT, environment="staging", operations=(REDUCE,), reason="because")
    there = draft(any_world.store, any_world.telemetry, any_world.viewer, wanted)
    here = drafted(any_world, REDUCE, by=any_world.viewer)
    assert turn_both_keys(any_world, there).status is ProposalStatus.APPLIED
    with nothing_moves(any_world):
        assert planted(any_world, here, *given(any_world, there)) is GateStatus.WAITING
        with pytest.raises(Conflict, match="is not this proposal's digest"):
            approve(any_world.store, any_world.mara, here.id, there.digest, PRESENT)
