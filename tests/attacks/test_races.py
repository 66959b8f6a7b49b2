"""Several people, and several processes, at the same proposal or change at once: one alone moves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tests.attacks.attempts import REDUCE, WIDEN, applied, drafted, now, turn_both_keys
from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World, alert, support_flag
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.sql import SqlStore
from twokey.domain.errors import Conflict, Refused
from twokey.domain.finding import Finding
from twokey.domain.operation import SetBaseline, SetWeights
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.steps.apply_change import apply, apply_scheduled
from twokey.steps.draft_proposal import Edit, draft_from_finding, edit
from twokey.steps.receive_signal import Outcome, receive
from twokey.steps.reverse_change import WayBack, reverse
from twokey.steps.review_proposal import approve, reject, withdraw


def other_process(world: World, store_url: str) -> SqlStore:
    """The store as another process has it: connections, lock and memory of its own."""
    return SqlStore(store_url, world.clock, world.store._ids, gatekeeper)


def at_once(*moves: Callable[[], object]) -> list[object]:
    """What became of moves that start together: their result, or the error that they met."""
    start = Barrier(len(moves))

    def run(move: Callable[[], object]) -> object:
        start.wait()
        try:
            return move()
        except (Conflict, Refused) as error:
            return error

    with ThreadPoolExecutor(len(moves)) as pool:
        return list(pool.map(run, moves))


def good(results: Sequence[object]) -> list[object]:
    return [each for each in results if not isinstance(each, Exception)]


def test_two_people_in_two_processes_apply_the_same_proposal(any_world: World, store_url: str) -> None:
    proposal = drafted(any_world, apply=ApplyMode.MANUAL)
    turn_both_keys(any_world, proposal)
    before, elsewhere = any_world.revision, other_process(any_world, store_url)
    results = at_once(
        *(
            lambda who=who, store=store: apply(store, who, proposal.id, PRESENT)
            for who in (any_world.ines, any_world.mara)
            for store in (any_world.store, elsewhere)
        )
    )
    elsewhere.close()
    assert len(good(results)) == 1
    assert any_world.revision == before + 1
    with any_world.store.read() as uow:
        assert uow.changes.count(proposal=proposal.id) == 1
        assert uow.audit.verify().ok


def test_the_last_key_and_an_edit_at_once_leave_one_of_them(any_world: World, store_url: str) -> None:
    """Either the change was approved and is live, or it was edited and nobody has approved what now waits."""
    elsewhere = other_process(any_world, store_url)
    for share in (50_000, 60_000, 70_000, 80_000):
        wider = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", share), ("baseline", 100_000 - share)))
        proposal = drafted(any_world, wider)
        approve(any_world.store, any_world.mara, proposal.id, proposal.digest, PRESENT)
        before = any_world.revision
        changes = Edit(digest=proposal.digest, reason="said better")
        results = at_once(
            lambda p=proposal: approve(elsewhere, any_world.both, p.id, p.digest, PRESENT),
            lambda p=proposal, c=changes: edit(any_world.store, any_world.telemetry, any_world.viewer, p.id, c),
        )
        assert len(good(results)) >= 1
        stands = now(any_world, proposal)
        with any_world.store.read() as uow:
            newer = uow.proposals.where(supersedes=proposal.id)
            moved = uow.flags.revision(PROJECT, ENVIRONMENT) - before
            assert uow.approvals.count(proposal=newer[0].id if newer else "none") == 0
        assert (stands.status, len(newer), moved) in (
            (ProposalStatus.APPLIED, 0, 1),
            (ProposalStatus.SUPERSEDED, 1, 0),
        )
        if newer:
            withdraw(any_world.store, any_world.viewer, newer[0].id)
    elsewhere.close()


def test_two_edits_at_once_leave_one_proposal_that_waits(any_world: World) -> None:
    proposal = drafted(any_world)
    results = at_once(
        *(
            lambda text=text: edit(
                any_world.store,
                any_world.telemetry,
                any_world.viewer,
                proposal.id,
                Edit(digest=proposal.digest, reason=text),
            )
            for text in ("one", "two", "three")
        )
    )
    assert len(good(results)) == 1
    with any_world.store.read() as uow:
        assert uow.proposals.count(status="pending") == 1


def test_a_key_and_a_veto_at_once_never_leave_an_applied_change_that_was_rejected(any_world: World) -> None:
    proposal = drafted(any_world)
    approve(any_world.store, any_world.ines, proposal.id, proposal.digest, PRESENT)
    results = at_once(
        lambda: approve(any_world.store, any_world.mara, proposal.id, proposal.digest, PRESENT),
        lambda: reject(any_world.store, any_world.both, proposal.id, proposal.digest, PRESENT, "no"),
    )
    assert len(good(results)) == 1
    assert now(any_world, proposal).status in (ProposalStatus.APPLIED, ProposalStatus.REJECTED)


def test_one_person_who_answers_twice_at_once_has_answered_once(any_world: World, store_url: str) -> None:
    proposal, elsewhere = drafted(any_world), other_process(any_world, store_url)
    results = at_once(
        *(
            lambda store=store: approve(store, any_world.both, proposal.id, proposal.digest, PRESENT)
            for store in (any_world.store, elsewhere) * 3
        )
    )
    elsewhere.close()
    assert len(good(results)) == 1
    assert now(any_world, proposal).status is ProposalStatus.PENDING


def test_two_proposals_on_one_flag_applied_at_once_one_is_stale(any_world: World) -> None:
    first, second = drafted(any_world, apply=ApplyMode.MANUAL), drafted(any_world, WIDEN, apply=ApplyMode.MANUAL)
    for each in (first, second):
        turn_both_keys(any_world, each)
    before = any_world.revision
    at_once(
        *(lambda p=p: apply(any_world.store, any_world.mara, p.id, PRESENT) for p in (first, second)),
    )
    statuses = sorted(str(now(any_world, each).status) for each in (first, second))
    assert statuses == ["applied", "stale"]
    assert any_world.revision == before + 1


def test_a_change_that_two_people_undo_at_once_is_undone_once(any_world: World, store_url: str) -> None:
    change, elsewhere = applied(any_world, WIDEN), other_process(any_world, store_url)
    results = at_once(
        lambda: reverse(any_world.store, any_world.mara, change.id, WayBack.REVERSE, PRESENT),
        lambda: reverse(elsewhere, any_world.ines, change.id, WayBack.ROLLBACK, PRESENT),
    )
    elsewhere.close()
    assert len(good(results)) == 1
    with any_world.store.read() as uow:
        assert uow.changes.count(undoes=change.id) == 1


def triaged(world: World) -> Finding:
    """The finding, as soon as there is one: before anybody drafts from it."""
    for _ in range(5):
        world.work(rounds=1)
        with world.store.read() as uow:
            if found := uow.findings.where():
                return found[0]
    raise AssertionError("the case was not triaged")


def test_a_finding_that_two_workers_come_to_is_drafted_once(any_world: World) -> None:
    any_world.clock.forward(minutes=31)
    any_world.traffic(3000, slow=0.04, slow_candidate=0.35)
    receive(any_world.store, any_world.service, PROJECT, ENVIRONMENT, [alert(at=any_world.clock())])
    finding = triaged(any_world)
    results = at_once(*[lambda: draft_from_finding(any_world.store, any_world.telemetry, finding.id)] * 3)
    assert len([each for each in results if isinstance(each, Proposal)]) == 1
    with any_world.store.read() as uow:
        assert uow.proposals.count() == 1


def test_the_same_alert_from_two_senders_at_once_is_one_signal_of_one_case(any_world: World, store_url: str) -> None:
    elsewhere = other_process(any_world, store_url)
    results = at_once(
        *(
            lambda store=store: receive(store, any_world.service, PROJECT, ENVIRONMENT, [alert()])[0].outcome
            for store in (any_world.store, elsewhere) * 3
        )
    )
    elsewhere.close()
    assert sorted(map(str, results)) == sorted([Outcome.OPENED, *[Outcome.REPEATED] * 5])
    with any_world.store.read() as uow:
        assert (uow.cases.count(), uow.signals.count()) == (1, 1)


def test_a_time_that_was_approved_is_kept(world: World) -> None:
    """The approvers signed *at ten*; somebody with a role would rather have it now."""
    at = world.clock.now.replace(hour=10)
    proposal = drafted(world, apply=ApplyMode.AT, apply_at=at)
    assert turn_both_keys(world, proposal).status is ProposalStatus.APPROVED
    with pytest.raises(Conflict, match="not before"):
        apply(world.store, world.mara, proposal.id, PRESENT)
    assert apply_scheduled(world.store, proposal.id) is None
    assert world.served(conversation="c", plan="pro") is not None
    world.clock.forward(hours=1)
    world.work()
    assert now(world, proposal).status is ProposalStatus.APPLIED


def test_a_base_that_moved_and_moved_back_is_the_base_that_was_approved(world: World) -> None:
    proposal = drafted(world)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    there = applied(world, WIDEN)
    reverse(world.store, world.mara, there.id, WayBack.REVERSE, PRESENT)
    assert world.snapshot.flags[FLAG].rules == support_flag().rules
    assert approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT).status is ProposalStatus.APPLIED


def test_what_a_change_leans_on_counts_as_its_base(world: World) -> None:
    """The baseline moves under a waiting reduction: what approvers read no longer is what would happen."""
    proposal = drafted(world, REDUCE)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    applied(world, SetBaseline(flag=FLAG, variation="reranker_v2"))
    with pytest.raises(Conflict, match="changed since"):
        approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    assert now(world, proposal).status is ProposalStatus.STALE
