"""The policy gate: a rule that people approved beforehand turns a key where all it says is so, and nowhere else."""

from __future__ import annotations

import msgspec
import pytest

from tests.attacks.attempts import drafted
from tests.steps.test_access import agree, asks
from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World, alert
from twokey.domain.identity import Actor
from twokey.domain.operation import Effect, SetEnabled
from twokey.domain.proposal import Proposal, ProposalStatus
from twokey.steps.check_evidence import check
from twokey.steps.keep_orders import turn
from twokey.steps.receive_signal import receive
from twokey.steps.review_proposal import reject


@pytest.fixture
def two(world: World) -> tuple[Actor, Actor]:
    return world.add_person("sefa", "security", "administrator"), world.add_person("timo", "security")


def order(world: World, two: tuple[Actor, Actor], **more: object) -> str:
    guardrail = guardrails(world)[0]
    edit = {
        "edit": "set_order",
        "project": PROJECT,
        "environment": ENVIRONMENT,
        "flags": [FLAG],
        "guardrail": guardrail,
        "per_hour": 1,
        **more,
    }
    agree(world, two[1], asks(world, two[0], edit))
    with world.store.read() as uow:
        return uow.standing_orders.where(status="in_force", limit=1)[0].id


def guardrails(world: World) -> list[str]:
    with world.store.read() as uow:
        return [each.key for each in uow.flags.state(PROJECT, ENVIRONMENT).control(FLAG).guardrails]


def harm(world: World, candidate: float = 0.35) -> None:
    """Traffic in which the candidate is slow, an alert, and whatever the workers do then."""
    world.clock.forward(minutes=31)
    world.traffic(3000, slow=0.04, slow_candidate=candidate)
    receive(world.store, world.service, PROJECT, ENVIRONMENT, [alert(at=world.clock())])
    world.work()


def the_proposal(world: World) -> Proposal:
    with world.store.read() as uow:
        return uow.proposals.where(limit=1)[0]


def test_from_alert_to_the_narrower_state_without_a_person_awake(world: World, two: tuple[Actor, Actor]) -> None:
    name = order(world, two)
    harm(world)
    proposal = the_proposal(world)
    assert (proposal.status, proposal.effect) == (ProposalStatus.APPLIED, Effect.NARROWS)
    with world.store.read() as uow:
        (change,) = uow.changes.where(proposal=proposal.id)
        said = [each.happening for each in uow.audit.entries(limit=1000) if each.happening.subject == proposal.id]
    assert change.applied_by == name
    turned = next(each for each in said if each.action == "proposal.approve")
    assert (turned.actor["kind"], turned.actor["id"], turned.detail["order"]) == ("policy", name, name)
    assert turned.detail["check"].startswith("check-")


def test_without_an_order_the_same_proposal_waits_for_people(world: World) -> None:
    harm(world)
    assert the_proposal(world).status is ProposalStatus.PENDING


def test_an_order_for_another_guardrail_or_another_flag_agrees_to_nothing(
    world: World, two: tuple[Actor, Actor]
) -> None:
    order(world, two, flags=["new_header"])
    order(world, two, guardrail="citation_failure")
    harm(world)
    assert the_proposal(world).status is ProposalStatus.PENDING


def test_a_withdrawn_order_agrees_to_nothing(world: World, two: tuple[Actor, Actor]) -> None:
    name = order(world, two)
    asks(world, two[0], {"edit": "withdraw_order", "order": name})
    harm(world)
    assert the_proposal(world).status is ProposalStatus.PENDING


def test_an_old_breach_is_no_reason_any_more(world: World, two: tuple[Actor, Actor]) -> None:
    harm(world)
    proposal = the_proposal(world)
    order(world, two)
    check(world.store, world.telemetry, proposal.case or "")
    world.clock.forward(minutes=6)
    assert turn(world.store, proposal.id) is None
    assert the_proposal(world).status is ProposalStatus.PENDING


def test_what_somebody_rejected_is_not_turned_behind_their_back(world: World, two: tuple[Actor, Actor]) -> None:
    harm(world)
    proposal = the_proposal(world)
    reject(world.store, world.mara, proposal.id, proposal.digest, PRESENT, "no")
    order(world, two)
    assert turn(world.store, proposal.id) is None


def breached_again(world: World, case: str, name: str) -> None:
    """As if the guardrail were breached still: a fresh check says so."""
    with world.store.begin() as uow:
        said = [each for each in uow.checks.where(case=case) if any(one.status == "breached" for one in each.verdicts)]
        uow.checks.add(msgspec.structs.replace(said[0], id=name, at=uow.now))


def test_an_order_keeps_its_rate(world: World, two: tuple[Actor, Actor]) -> None:
    order(world, two)
    harm(world)
    first = the_proposal(world)
    assert (first.status, first.case) == (ProposalStatus.APPLIED, first.case)
    second = drafted(world, SetEnabled(flag=FLAG, enabled=False), case=first.case)
    breached_again(world, str(first.case), "check-again")
    assert turn(world.store, second.id) is None
    world.clock.forward(minutes=61)
    breached_again(world, str(first.case), "check-later")
    turned = turn(world.store, second.id)
    assert turned is not None
    assert turned.status is ProposalStatus.APPLIED
