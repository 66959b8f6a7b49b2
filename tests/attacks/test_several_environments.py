"""Proposals in several environments that stand or fall together: each environment is as well kept as if it were alone.

In production and in `eu` the same flag takes the keys of its owner and of a release manager; `here` and `there` are
release managers of one of the two.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from tests.attacks.attempts import REDUCE, WIDEN, applied, now
from tests.support.server import Doors, problem
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PRESENT, PROJECT, START, World, initial_state
from twokey.domain.change import Cause
from twokey.domain.drafting import Draft
from twokey.domain.errors import Conflict, Refused
from twokey.domain.gate import GateStatus
from twokey.domain.identity import SYSTEM, Actor, ActorKind, Scope
from twokey.domain.joint import join
from twokey.domain.operation import Operation, SetEnabled, same_content
from twokey.domain.policy import Environment
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus, seal
from twokey.engine.errors import Invalid
from twokey.steps.apply_change import apply, apply_scheduled
from twokey.steps.ask_gate import gate_of, suppose_approvals
from twokey.steps.draft_proposal import Edit, draft_all, edit
from twokey.steps.manage_access import create_environment, person
from twokey.steps.reverse_change import WayBack, reverse
from twokey.steps.review_proposal import approve, reject, withdraw
from twokey.steps.run_schedule import expire_proposal

EU, DEV = "eu", "dev"


@pytest.fixture
def two(any_world: World) -> World:
    add_environment(any_world, EU)
    any_world.add_person("here", f"release_manager@{PROJECT}/{ENVIRONMENT}")
    any_world.add_person("there", f"release_manager@{PROJECT}/{EU}")
    return any_world


def add_environment(world: World, key: str, *, guarded: bool = True) -> None:
    state = msgspec.structs.replace(initial_state(), environment=key)
    create_environment(world.store, SYSTEM, Environment(project=PROJECT, key=key), state)
    with world.store.begin() as uow:
        uow.flags.put_environment(Environment(project=PROJECT, key=key, guarded=guarded))


def jointly(
    world: World,
    *operations: Operation,
    where: tuple[str, ...] = (ENVIRONMENT, EU),
    mode: ApplyMode = ApplyMode.WHEN_OPEN,
    at: datetime | None = None,
) -> tuple[Proposal, ...]:
    wanted = [
        Draft(
            project=PROJECT,
            environment=environment,
            operations=operations or (REDUCE,),
            reason="less of it, everywhere",
            apply=mode,
            apply_at=at,
        )
        for environment in where
    ]
    return draft_all(world.store, world.telemetry, world.viewer, wanted)


def yes(world: World, name: str, proposal: Proposal) -> Proposal:
    return approve(world.store, who(world, name), proposal.id, proposal.digest, PRESENT)


def who(world: World, name: str) -> Actor:
    with world.store.read() as uow:
        return person(uow.users.where(username=name, limit=1)[0])


def revisions(world: World, *where: str) -> list[int]:
    with world.store.read() as uow:
        return [uow.flags.revision(PROJECT, each) for each in where or (ENVIRONMENT, EU)]


def statuses(world: World, proposals: tuple[Proposal, ...]) -> list[ProposalStatus]:
    return [now(world, each).status for each in proposals]


def test_each_environment_needs_its_own_keys_and_the_last_one_moves_all(two: World) -> None:
    here, there = jointly(two)
    assert now(two, yes(two, "ines", here)).status is ProposalStatus.PENDING
    yes(two, "here", here)
    assert statuses(two, (here, there)) == [ProposalStatus.PENDING] * 2, "production has its keys, eu has one of two"
    assert revisions(two) == [1, 1]
    with two.store.read() as uow:
        gate = gate_of(uow, now(two, here), who(two, "here"))
        assert gate.status is GateStatus.WAITING
        assert "eu: waiting for release_manager" in [each.sentence for each in gate.children]
        supposed = suppose_approvals(uow, now(two, here), ("there",))
        assert gate_of(uow, now(two, here), who(two, "here"), supposed=supposed).status is GateStatus.OPEN
    yes(two, "there", there)
    assert statuses(two, (here, there)) == [ProposalStatus.APPLIED] * 2
    assert revisions(two) == [2, 2]
    with two.store.read() as uow:
        causes = [uow.changes.where(proposal=each.id)[0].cause for each in (here, there)]
        assert causes == [Cause.PROPOSAL] * 2
        assert uow.audit.verify().ok


def test_the_release_manager_of_one_environment_does_not_answer_for_the_other(two: World) -> None:
    here, there = jointly(two)
    yes(two, "here", there)
    with two.store.read() as uow:
        assert (uow.approvals.count(proposal=here.id), uow.approvals.count(proposal=there.id)) == (1, 0)
    with pytest.raises(Conflict, match="answered this digest already"):
        yes(two, "here", here)


def test_no_author_answers_for_any_of_them(two: World) -> None:
    here, there = jointly(two)
    new = edit(two.store, two.telemetry, who(two, "ines"), here.id, Edit(digest=here.digest, reason="less, and why"))
    other = next(each for each in new.joint if each.environment == EU)
    for one in (new.id, other.id):
        with two.store.read() as uow:
            digest = uow.proposals.get(one).digest
        with pytest.raises(Refused, match="never approves it"):
            approve(two.store, who(two, "ines"), one, digest, PRESENT)
    assert statuses(two, (here, there)) == [ProposalStatus.SUPERSEDED] * 2


def test_the_digest_of_each_covers_the_content_of_all(two: World) -> None:
    here, there = jointly(two)
    yes(two, "ines", here)
    changes = Edit(digest=there.digest, operations=(WIDEN,))
    new = edit(two.store, two.telemetry, two.viewer, there.id, changes)
    assert new.environment == EU
    other = next(each.id for each in new.joint if each.environment == ENVIRONMENT)
    with two.store.read() as uow:
        kept = uow.proposals.get(other)
        assert kept.operations == here.operations, "what is said for production is the same"
        assert kept.digest != here.digest, "and yet it is another whole, to which nobody agreed"
        assert uow.approvals.count(proposal=other) == 0
    for proposal in (here, there):
        with pytest.raises(Conflict, match="superseded"):
            yes(two, "mara", proposal)


def test_a_partner_that_was_altered_in_the_store_closes_the_gate(two: World) -> None:
    here, there = jointly(two, mode=ApplyMode.MANUAL)
    for name in ("ines", "mara"):
        yes(two, name, here)
    assert now(two, there).status is ProposalStatus.APPROVED
    with two.store.begin() as uow:
        uow.proposals.replace(msgspec.structs.replace(now(two, there), operations=(WIDEN,)))
    with pytest.raises(Refused, match="the gate is not open"):
        apply(two.store, two.mara, here.id, PRESENT)
    assert revisions(two) == [1, 1]


def test_a_partner_that_was_replaced_and_sealed_anew_closes_the_gate_whoever_agreed_to_it(two: World) -> None:
    """Somebody who writes to the store puts other content in, seals it, and has the approvals follow."""
    here, there = jointly(two, mode=ApplyMode.MANUAL)
    for name in ("ines", "mara"):
        yes(two, name, here)
    other = seal(msgspec.structs.replace(now(two, there), reason="something else"))
    with two.store.begin() as uow:
        uow.proposals.replace(other)
        for each in uow.approvals.where(proposal=there.id):
            uow.approvals.add(msgspec.structs.replace(each, id=uow.new_id("approval"), digest=other.digest))
    with two.store.read() as uow:
        gate = gate_of(uow, now(two, here), two.mara)
    assert [each.status for each in gate.children] == [GateStatus.REFUSED, GateStatus.OPEN, GateStatus.OPEN]
    assert gate.children[0].sentence == "eu and production are not what was bound together"
    with pytest.raises(Refused, match="not what was bound together"):
        apply(two.store, two.mara, here.id, PRESENT)
    assert revisions(two) == [1, 1]


def test_what_is_said_in_one_environment_is_in_the_digest_of_the_other(two: World) -> None:
    here, there = jointly(two)
    again, _ = join((here, there))
    assert again.digest == here.digest
    changed, _ = join((here, msgspec.structs.replace(there, reason="another reason")))
    assert changed.digest != here.digest


def test_one_veto_is_a_veto_of_all(two: World) -> None:
    here, there = jointly(two)
    yes(two, "ines", here)
    reject(two.store, who(two, "there"), here.id, here.digest, PRESENT, "not in eu")
    assert statuses(two, (here, there)) == [ProposalStatus.REJECTED] * 2
    with pytest.raises(Conflict, match="is `rejected`"):
        yes(two, "mara", there)


def test_who_answers_in_neither_environment_holds_up_neither(two: World) -> None:
    here, _ = jointly(two)
    two.add_person("elsewhere", f"release_manager@{PROJECT}/staging")
    with pytest.raises(Refused, match="you hold none of the roles"):
        reject(two.store, who(two, "elsewhere"), here.id, here.digest, PRESENT, "no")


def test_one_that_no_longer_stands_sets_all_aside(two: World) -> None:
    pair = jointly(two, mode=ApplyMode.MANUAL)
    for name in ("ines", "mara"):
        yes(two, name, pair[0])
    applied(two, WIDEN)
    with pytest.raises(Conflict, match=r"production: .* changed since"):
        apply(two.store, two.mara, pair[1].id, PRESENT)
    assert statuses(two, pair) == [ProposalStatus.STALE] * 2
    assert revisions(two) == [2, 1]


def test_withdrawn_and_expired_together(two: World) -> None:
    pair = jointly(two)
    withdraw(two.store, two.viewer, pair[1].id)
    assert statuses(two, pair) == [ProposalStatus.WITHDRAWN] * 2
    pair = jointly(two)
    two.clock.forward(hours=4)
    assert expire_proposal(two.store, pair[1].id)
    assert statuses(two, pair) == [ProposalStatus.EXPIRED] * 2
    assert expire_proposal(two.store, pair[0].id) is None


def test_on_time_all_are_applied_at_once(two: World) -> None:
    pair = jointly(two, mode=ApplyMode.AT, at=START + timedelta(hours=1))
    for name in ("ines", "mara"):
        yes(two, name, pair[0])
    two.clock.forward(hours=1)
    two.work()
    assert statuses(two, pair) == [ProposalStatus.APPLIED] * 2
    assert apply_scheduled(two.store, pair[1].id) is None
    assert revisions(two) == [2, 2]


def test_what_was_applied_together_goes_back_together(two: World) -> None:
    pair = jointly(two, WIDEN)
    for name in ("ines", "mara"):
        yes(two, name, pair[0])
    with two.store.read() as uow:
        change = uow.changes.where(proposal=pair[1].id)[0]
    undoing = reverse(two.store, two.mara, change.id, WayBack.REVERSE, PRESENT)
    assert [each.environment for each in undoing.changes] == [EU, ENVIRONMENT]
    assert statuses(two, pair) == [ProposalStatus.REVERSED] * 2
    with two.store.read() as uow:
        for environment in (ENVIRONMENT, EU):
            first, last = (uow.flags.state_at(PROJECT, environment, each) for each in (1, 3))
            assert same_content(first, last)
    with pytest.raises(Conflict, match="`reversed`"):
        reverse(two.store, two.mara, change.id, WayBack.REVERSE, PRESENT)


def test_a_way_back_that_widens_in_one_waits_for_the_keys_of_both(two: World) -> None:
    pair = jointly(two, REDUCE)
    for name in ("ines", "mara"):
        yes(two, name, pair[0])
    with two.store.read() as uow:
        change = uow.changes.where(proposal=pair[0].id)[0]
    undoing = reverse(two.store, two.mara, change.id, WayBack.REVERSE, PRESENT)
    assert undoing.changes == ()
    back = draft_all(two.store, two.telemetry, two.mara, undoing.drafts)
    assert all(len(each.joint) == 2 for each in back)
    assert revisions(two) == [2, 2]


def test_an_environment_without_keys_adds_none_and_takes_none_away(two: World) -> None:
    add_environment(two, DEV, guarded=False)
    pair = jointly(two, where=(ENVIRONMENT, DEV))
    with pytest.raises(Conflict, match="is `pending`, not approved"):
        apply(two.store, two.mara, pair[1].id, PRESENT)
    assert revisions(two, ENVIRONMENT, DEV) == [1, 1]
    for name in ("ines", "mara"):
        yes(two, name, pair[1])
    assert revisions(two, ENVIRONMENT, DEV) == [2, 2]


@pytest.mark.parametrize(
    ("where", "message"),
    [((ENVIRONMENT, ENVIRONMENT), "twice"), ((ENVIRONMENT,) * 11, "has 11 of them")],
)
def test_only_several_environments_stand_together(two: World, where: tuple[str, ...], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        jointly(two, where=where)


def test_a_part_that_changes_nothing_is_refused_and_nothing_is_drafted(two: World) -> None:
    wanted = Draft(project=PROJECT, environment=EU, operations=(SetEnabled(flag=FLAG, enabled=True),), reason="same")
    first = msgspec.structs.replace(wanted, environment=ENVIRONMENT, operations=(REDUCE,))
    with pytest.raises((Invalid, Refused)):
        draft_all(two.store, two.telemetry, two.viewer, (first, wanted))
    with two.store.read() as uow:
        assert uow.proposals.count() == 0


def test_over_http_one_click_in_each_environment(two: World) -> None:
    server = Doors(two)
    operations = [{"op": "set_enabled", "flag": FLAG, "enabled": False}]
    body = {
        "project": PROJECT,
        "reason": "off, everywhere",
        "parts": [{"environment": each, "operations": operations} for each in (ENVIRONMENT, EU)],
    }
    made = server.person("viewer").post("/api/v1/proposals/joint", json=body)
    assert made.status_code == 201, made.text
    here, there = made.json()
    assert [each["id"] for each in here["joint"]] == [there["id"]]
    assert here["joint"][0]["sentences"] == there["sentences"]
    ines, mara = server.person("ines"), server.person("mara")
    assert ines.get(f"/api/v1/proposals/{here['id']}").json()["may"][0] == "approve"
    for client, proposal in ((ines, here), (mara, there)):
        turned = client.post(
            f"/api/v1/proposals/{proposal['id']}/approve", json={"digest": proposal["digest"], "password": PASSWORD}
        )
        assert turned.status_code == 200, turned.text
    assert turned.json()["status"] == "applied"
    assert revisions(two) == [2, 2]
    undone = mara.post(f"/api/v1/changes/{turned.json()['change']}/reverse", json={"password": PASSWORD}).json()
    assert undone["proposal"]
    assert len(undone["together"]) == 1


def test_a_token_drafts_in_its_own_environment_alone_and_reads_of_the_other_only_that_it_is(two: World) -> None:
    server = Doors(two)
    agent = server.token(Scope.PROPOSALS_WRITE, Scope.FLAGS_READ, kind=ActorKind.AGENT)
    operations = [{"op": "set_enabled", "flag": FLAG, "enabled": False}]
    parts = [{"environment": each, "operations": operations} for each in (ENVIRONMENT, EU)]
    body = {"project": PROJECT, "reason": "off", "parts": parts}
    answer = agent.post("/api/v1/proposals/joint", json=body)
    assert answer.status_code in (403, 404)
    assert problem(answer)
    here, there = jointly(two)
    seen = agent.get(f"/api/v1/proposals/{here.id}").json()
    assert seen["joint"] == []
    assert EU not in [each["sentence"] for each in seen["gate"]["children"]]
    assert agent.get(f"/api/v1/proposals/{there.id}").status_code in (403, 404)
