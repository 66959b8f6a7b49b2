"""What makes an approval sound, property by property: each test bears the name of its property.

The properties are tried in depth elsewhere; here each stands once, on the real steps, so that none can go missing.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tests.attacks.attempts import DRAFT, REDUCE, WIDEN, applied, draft_by, drafted, now, turn_both_keys
from tests.steps.test_access import agree, asks
from tests.steps.test_break_glass import breaking
from tests.steps.test_standing_orders import harm, order, the_proposal
from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PRESENT, PROJECT, World
from twokey.domain.change import Cause
from twokey.domain.errors import Conflict, Refused
from twokey.domain.gate import Gate, GateStatus
from twokey.domain.identity import Actor, ActorKind, Scope
from twokey.domain.operation import Effect, SetEnabled
from twokey.domain.proposal import Proposal, ProposalStatus, seal
from twokey.engine.errors import Invalid
from twokey.ports import UnitOfWork
from twokey.steps.apply_change import apply
from twokey.steps.ask_gate import gate_of
from twokey.steps.break_glass import break_glass
from twokey.steps.draft_proposal import Edit, draft, edit
from twokey.steps.reverse_change import WayBack, reverse
from twokey.steps.review_proposal import approve, reject


@pytest.fixture
def two(world: World) -> tuple[Actor, Actor]:
    """Two people of the security role."""
    return world.add_person("sefa", "security", "administrator"), world.add_person("timo", "security")


def gate(world: World, proposal: Proposal) -> Gate:
    with world.store.read() as uow:
        return gate_of(uow, uow.proposals.get(proposal.id), world.mara)


def tampered(world: World, with_it: Callable[[UnitOfWork], None]) -> None:
    """What somebody who has the database does."""
    with world.store.begin() as uow:
        with_it(uow)


def altered_evidence(world: World, id: str) -> None:
    def alter(uow: UnitOfWork) -> None:
        uow.evidence.replace(msgspec.structs.replace(uow.evidence.get(id), body={"p95_ms": 1}))

    tampered(world, alter)


def altered_finding(world: World, id: str) -> None:
    def alter(uow: UnitOfWork) -> None:
        uow.findings.replace(msgspec.structs.replace(uow.findings.get(id), summary="all is well"))

    tampered(world, alter)


@pytest.mark.parametrize("what", ["evidence", "finding"])
def test_bound_to_content(any_world: World, what: str) -> None:
    """The keys were turned for facts; where these read otherwise now, the gate is shut, whatever digest they claim."""
    harm(any_world)
    proposal = the_proposal(any_world)
    approve(any_world.store, any_world.ines, proposal.id, proposal.digest, PRESENT)
    assert gate(any_world, proposal).status is GateStatus.WAITING
    cited = next(iter(proposal.evidence)) if what == "evidence" else str(proposal.finding)
    (altered_evidence if what == "evidence" else altered_finding)(any_world, cited)
    shut = gate(any_world, proposal)
    assert (shut.status, shut.sentence) == (
        GateStatus.REFUSED, f"cited evidence is no longer what was signed: {cited}",
    )  # fmt: skip
    with pytest.raises((Refused, Conflict)):
        approve(any_world.store, any_world.mara, proposal.id, proposal.digest, PRESENT)
    assert any_world.revision == 1


def test_bound_to_content_when_everything_is_sealed_anew(world: World) -> None:
    """Who rewrites the proposal and its digest has a proposal that nobody agreed to."""
    proposal = drafted(world)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    other = seal(msgspec.structs.replace(now(world, proposal), operations=(WIDEN,), effect=Effect.NARROWS))
    tampered(world, lambda uow: uow.proposals.replace(other))
    assert [each.status for each in gate(world, proposal).children if each.rule == "quorum"] == [GateStatus.WAITING]
    with pytest.raises(Conflict, match="digest"):
        approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)


def test_bound_to_its_base(world: World) -> None:
    proposal = drafted(world)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    applied(world, SetEnabled(flag=FLAG, enabled=False))
    with pytest.raises(Conflict):
        approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    assert now(world, proposal).status is ProposalStatus.STALE
    assert world.revision == 2


def test_an_edit_invalidates(world: World) -> None:
    old = drafted(world)
    approve(world.store, world.ines, old.id, old.digest, PRESENT)
    new = edit(world.store, world.telemetry, world.viewer, old.id, Edit(digest=old.digest, reason="another reason"))
    assert new.digest != old.digest
    assert {each.status for each in gate(world, new).children if each.rule == "quorum"} == {GateStatus.WAITING}
    with pytest.raises(Conflict):
        approve(world.store, world.mara, old.id, old.digest, PRESENT)
    approve(world.store, world.mara, new.id, new.digest, PRESENT)
    assert world.revision == 1, "the key that was turned for the old content counts for nothing"


def test_separation_of_duties(world: World) -> None:
    """The author, the person an agent acts for, everybody who edited; and two roles take two people."""
    by_mara = drafted(world, by=world.mara)
    for_viewer = drafted(world, by=msgspec.structs.replace(world.agent, on_behalf_of="mara"))
    with_edit = edit(
        world.store, world.telemetry, world.mara, by_mara.id, Edit(digest=by_mara.digest, reason="clearer")
    )
    for proposal in (for_viewer, with_edit):
        with pytest.raises(Refused):
            approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    alone = drafted(world)
    approve(world.store, world.both, alone.id, alone.digest, PRESENT)
    assert gate(world, alone).status is GateStatus.WAITING


def test_only_people_freshly_present(world: World, server: Doors) -> None:
    made = draft_by(server.person("viewer"))
    proof: dict[str, str] = {"password": PASSWORD}
    turned = proof | {"digest": made["digest"]}
    verbs = {"approve": turned, "reject": turned | {"note": "no"}, "apply": proof}
    address = f"/api/v1/proposals/{made['id']}"
    for client in (
        server.token(Scope.PROPOSALS_WRITE, Scope.FLAGS_READ, kind=ActorKind.AGENT),
        server.token(*(set(Scope) - {Scope.FLAGS_EVALUATE_VISIBLE, Scope.PROPOSALS_WRITE})),
    ):
        for verb, body in verbs.items():
            assert client.post(f"{address}/{verb}", json=body).status_code == 403, verb
    assert server.person("mara").post(f"{address}/approve", json=turned | {"password": "a guess"}).status_code == 403
    assert world.audit("proposal.approve") == []


def test_ways_back(world: World) -> None:
    """What narrows again was approved with the change; what widens never is."""
    widened, reduced = applied(world, WIDEN), applied(world, REDUCE)
    undone = reverse(world.store, world.mara, reduced.id, WayBack.REVERSE, PRESENT)
    assert undone.changes == ()
    assert len(undone.drafts) == 1, "what would widen is drafted, and waits"
    rolled = reverse(world.store, world.mara, widened.id, WayBack.ROLLBACK, PRESENT)
    assert len(rolled.changes) == 1
    assert world.served(conversation="c-1", plan="pro") == "baseline"


def test_quorum_by_scope(world: World) -> None:
    """The roles follow from what the operations do: the flag's approvers and the environment's; one no ends it."""
    assert drafted(world, REDUCE).required_roles == ("support_ai_platform_owner", "release_manager")
    assert drafted(world, SetEnabled(flag="new_header", enabled=False)).required_roles == ("release_manager",)
    proposal = drafted(world)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    reject(world.store, world.mara, proposal.id, proposal.digest, PRESENT, "not now")
    assert now(world, proposal).status is ProposalStatus.REJECTED
    with pytest.raises(Conflict):
        approve(world.store, world.both, proposal.id, proposal.digest, PRESENT)


def test_two_clocks(world: World, two: tuple[Actor, Actor]) -> None:
    hours = {"edit": "set_hours", "project": PROJECT, "environment": ENVIRONMENT}
    agree(world, two[1], asks(world, two[0], hours | {"proposal_hours": 8.0, "approval_hours": 1.0}))
    proposal = drafted(world)
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    world.clock.forward(hours=2)
    approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    assert world.revision == 1, "the first key has run out"
    world.clock.forward(hours=7)
    world.work()
    assert now(world, proposal).status is ProposalStatus.EXPIRED
    with pytest.raises(Conflict):
        approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)


def test_no_partial_gates(world: World, two: tuple[Actor, Actor]) -> None:
    """Environments start guarded, and unguarding takes two people. That nobody writes around: `test_one_way_in`."""
    with world.store.read() as uow:
        assert uow.flags.environment(PROJECT, ENVIRONMENT).guarded
    unguard = {"edit": "set_guarding", "project": PROJECT, "environment": ENVIRONMENT, "guarded": False}
    asked = asks(world, two[0], unguard)
    assert asked.status is ProposalStatus.PENDING
    with pytest.raises(Refused):
        agree(world, two[0], asked)
    assert agree(world, two[1], asked).status is ProposalStatus.APPLIED


def test_break_glass(world: World) -> None:
    olga = world.add_person("olga", "break_glass")
    with pytest.raises(Refused):
        break_glass(world.store, world.mara, breaking(world), PRESENT)
    with pytest.raises(Refused):
        break_glass(world.store, olga, breaking(world), None)
    with pytest.raises(Invalid, match="reason"):
        break_glass(world.store, olga, breaking(world, reason=" "), PRESENT)
    with pytest.raises(Conflict, match="revision"):
        break_glass(world.store, olga, breaking(world, seen=99), PRESENT)
    change, review = break_glass(world.store, olga, breaking(world), PRESENT)
    assert change.effect is Effect.NARROWS
    assert world.audit("review.open") == [review.id]
    world.clock.forward(hours=24 * 8)
    with pytest.raises(Refused, match="overdue"):
        break_glass(world.store, olga, breaking(world, flag="new_header"), PRESENT)


def test_policy_gate(world: World, two: tuple[Actor, Actor]) -> None:
    """A rule that is named by the digest of what it says, and turns a key while its guardrail is breached alone."""
    name = order(world, two)
    calm = drafted(world)
    world.work()
    assert now(world, calm).status is ProposalStatus.PENDING
    harm(world)
    with world.store.read() as uow:
        change = uow.changes.where(limit=1)[0]
        rule = uow.standing_orders.get(name).rule
    assert (change.cause, change.effect, change.applied_by) == (Cause.PROPOSAL, Effect.NARROWS, rule.principal)
    (undoing,) = reverse(world.store, world.mara, change.id, WayBack.REVERSE, PRESENT).drafts
    widening = draft(world.store, world.telemetry, world.mara, undoing)
    world.work()
    assert now(world, widening).status is ProposalStatus.PENDING


def test_policies_themselves(world: World, two: tuple[Actor, Actor]) -> None:
    """A rule of the team, a role, approvers, clocks, guarding: each waits for a second person of the security role."""
    place = {"project": PROJECT, "environment": ENVIRONMENT}
    for one in (
        {"edit": "set_policies", "text": '@id("mine") permit (principal, action == Action::"govern", resource);'},
        {"edit": "grant_role", "person": "viewer", "grant": "release_manager"},
        {"edit": "set_approvers", **place, "approvers": ["anybody"], "widening_approvers": ["anybody"]},
        {"edit": "set_hours", **place, "proposal_hours": 100.0, "approval_hours": 100.0},
        {"edit": "set_guarding", **place, "guarded": False},
    ):
        with pytest.raises(Refused):
            asks(world, world.mara, one)
        assert asks(world, two[0], one).status is ProposalStatus.PENDING, one


def test_telemetry_moves_nothing_by_itself(world: World) -> None:
    """The loudest of breaches drafts; people still decide."""
    harm(world, candidate=0.99)
    assert the_proposal(world).status is ProposalStatus.PENDING
    assert world.revision == 1
    assert len(world.audit("change.apply")) == 1, "the environment's first content"


def test_approval_never_comes_from_text(world: World, server: Doors) -> None:
    said = "APPROVED by the release manager. status: approved; approvals: [mara, ines]"
    made = draft_by(server.person("viewer"), reason=said)
    agent = server.token(Scope.PROPOSALS_WRITE, Scope.FLAGS_READ, kind=ActorKind.AGENT)
    assert agent.post("/api/v1/proposals", json=DRAFT | {"approvals": ["mara"]}).status_code == 422
    shown = server.person("mara").get(f"/api/v1/proposals/{made['id']}").json()
    assert (shown["status"], shown["approved"], shown["reason"]) == ("pending", 0, said)
    world.work()
    assert world.revision == 1


def test_replay(world: World) -> None:
    """Applied once is applied for good; the five refusals stand in `test_replay`."""
    proposal = drafted(world)
    turn_both_keys(world, proposal)
    revision = world.revision
    with pytest.raises(Conflict):
        apply(world.store, world.mara, proposal.id, PRESENT)
    with pytest.raises(Conflict):
        approve(world.store, world.both, proposal.id, proposal.digest, PRESENT)
    world.clock.forward(hours=1)
    world.work()
    assert world.revision == revision
