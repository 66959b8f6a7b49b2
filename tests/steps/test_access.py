"""Who may turn keys, by which rules: that changes by proposals of its own, and what gives power takes two people."""

from __future__ import annotations

import msgspec
import pytest

from tests.attacks.attempts import applied, drafted, now, turn_both_keys
from tests.support.world import ENVIRONMENT, PRESENT, PROJECT, World
from twokey.domain.access import Access, AccessProposal, apply_edits, bases, parse_edits, power_given
from twokey.domain.errors import Conflict, Refused
from twokey.domain.identity import Actor, ActorKind, User
from twokey.domain.operation import SetEnabled
from twokey.domain.policy import Environment
from twokey.domain.proposal import ProposalStatus
from twokey.engine.errors import Invalid
from twokey.steps.apply_change import apply_at_once
from twokey.steps.govern_access import approve, propose, read_access, reject, withdraw
from twokey.steps.manage_access import create_environment, create_user
from twokey.steps.review_proposal import approve as turn

FREEZE = """
@id("no-kill-switch-here")
forbid (principal, action == Action::"apply", resource)
when { context.change == "kill" };
"""


def grant(person: str, role: str) -> dict[str, str]:
    return {"edit": "grant_role", "person": person, "grant": role}


def revoke(person: str, role: str) -> dict[str, str]:
    return {"edit": "revoke_role", "person": person, "grant": role}


def guarding(guarded: bool) -> dict[str, object]:
    return {"edit": "set_guarding", "project": PROJECT, "environment": ENVIRONMENT, "guarded": guarded}


def asks(world: World, who: Actor, *edits: dict[str, object] | dict[str, str]) -> AccessProposal:
    return propose(world.store, who, parse_edits(list(edits)), "because", PRESENT)


def agree(world: World, who: Actor, proposal: AccessProposal) -> AccessProposal:
    return approve(world.store, who, proposal.id, proposal.digest, PRESENT)


def roles(world: World, name: str) -> frozenset[str]:
    with world.store.read() as uow:
        return uow.users.where(username=name)[0].roles


@pytest.fixture
def two(world: World) -> tuple[Actor, Actor]:
    """Two people of the security role: the house is founded."""
    return world.add_person("sefa", "security", "administrator"), world.add_person("timo", "security")


# -------------------------------------------------------------------- founding


def test_the_first_of_security_acts_alone_and_the_log_says_so_until_there_is_a_second(world: World) -> None:
    first = world.add_person("sefa", "security", "administrator")
    made = asks(world, first, grant("viewer", "security"))
    assert (made.status, made.alone) == (ProposalStatus.APPLIED, True)
    again = asks(world, first, grant("mara", "security"))
    assert (again.status, again.required_roles) == (ProposalStatus.PENDING, ("security",))
    with world.store.read() as uow:
        entry = next(each for each in uow.audit.entries() if each.happening.action == "access.apply")
    assert entry.happening.detail["alone"] is True


def test_founding_does_not_come_back_when_the_second_leaves(world: World, two: tuple[Actor, Actor]) -> None:
    first, second = two
    with world.store.begin() as uow:
        user = uow.users.where(username=second.id)[0]
        uow.users.replace(msgspec.structs.replace(user, disabled=True))
    assert asks(world, first, grant("mara", "security")).status is ProposalStatus.PENDING
    assert asks(world, first, revoke(second.id, "security")).status is ProposalStatus.PENDING


# -------------------------------------------------------------------- the security key


def test_power_needs_a_second_person_and_is_given_in_the_moment_they_agree(
    world: World, two: tuple[Actor, Actor]
) -> None:
    first, second = two
    made = asks(world, first, grant("viewer", "release_manager@support"))
    assert "release_manager@support" not in roles(world, "viewer")
    assert made.power == ("viewer is given `release_manager@support`",)
    assert agree(world, second, made).status is ProposalStatus.APPLIED
    assert "release_manager@support" in roles(world, "viewer")


def test_taking_power_away_waits_for_nobody(world: World, two: tuple[Actor, Actor]) -> None:
    made = asks(world, two[0], revoke("mara", "release_manager"))
    assert (made.status, made.alone, made.power) == (ProposalStatus.APPLIED, False, ())
    assert roles(world, "mara") == frozenset()


def test_the_author_never_approves_and_nobody_without_the_role_answers(world: World, two: tuple[Actor, Actor]) -> None:
    made = asks(world, two[0], grant("viewer", "release_manager"))
    with pytest.raises(Refused, match="never approves"):
        agree(world, two[0], made)
    for other in (world.mara, world.viewer, world.agent, world.service):
        with pytest.raises(Refused):
            agree(world, other, made)
        with pytest.raises(Refused):
            asks(world, other, grant("viewer", "release_manager"))
    assert roles(world, "viewer") == frozenset()


def test_without_fresh_proof_nothing_is_proposed_or_answered(world: World, two: tuple[Actor, Actor]) -> None:
    made = asks(world, two[0], grant("viewer", "release_manager"))
    with pytest.raises(Refused, match="proof"):
        approve(world.store, two[1], made.id, made.digest, None)
    with pytest.raises(Refused, match="proof"):
        propose(world.store, two[0], parse_edits([revoke("mara", "release_manager")]), "x", None)


def test_an_answer_is_to_one_digest(world: World, two: tuple[Actor, Actor]) -> None:
    made = asks(world, two[0], grant("viewer", "release_manager"))
    with pytest.raises(Conflict, match="digest"):
        approve(world.store, two[1], made.id, "sha256:" + "0" * 64, PRESENT)
    altered = msgspec.structs.replace(made, reason="something harmless")
    with world.store.begin() as uow:
        uow.access_proposals.replace(altered)
    with pytest.raises(Conflict, match="digest"):
        agree(world, two[1], made)


def test_one_no_is_a_veto_and_a_withdrawn_one_is_over(world: World, two: tuple[Actor, Actor]) -> None:
    made = asks(world, two[0], grant("viewer", "release_manager"))
    no = reject(world.store, two[1], made.id, made.digest, PRESENT, "not them")
    assert no.status is ProposalStatus.REJECTED
    with pytest.raises(Conflict):
        agree(world, two[1], made)
    other = asks(world, two[0], grant("viewer", "release_manager"))
    with pytest.raises(Refused):
        withdraw(world.store, two[1], other.id)
    assert withdraw(world.store, two[0], other.id).status is ProposalStatus.WITHDRAWN


def test_an_access_proposal_runs_out(world: World, two: tuple[Actor, Actor]) -> None:
    made = asks(world, two[0], grant("viewer", "release_manager"))
    world.clock.forward(minutes=24 * 60)
    with pytest.raises(Conflict, match="expired"):
        agree(world, two[1], made)
    assert roles(world, "viewer") == frozenset()


def test_what_moved_meanwhile_makes_it_stale(world: World, two: tuple[Actor, Actor]) -> None:
    made = asks(world, two[0], grant("mara", "break_glass"))
    asks(world, two[1], revoke("mara", "release_manager"))
    with pytest.raises(Conflict, match="moved"):
        agree(world, two[1], made)
    assert roles(world, "mara") == frozenset()


def test_the_last_guardian_stays(world: World) -> None:
    first = world.add_person("sefa", "security", "administrator")
    with pytest.raises(Invalid, match="last who holds"):
        asks(world, first, revoke("sefa", "security"))


# -------------------------------------------------------------------- what a change of access does to proposals


def test_a_role_that_is_taken_away_no_longer_counts_at_the_gate(world: World, two: tuple[Actor, Actor]) -> None:
    proposal = drafted(world)
    turn(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    asks(world, two[0], revoke("ines", "support_ai_platform_owner"))
    turn(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
    assert now(world, proposal).status is ProposalStatus.PENDING


def test_other_approvers_make_a_waiting_proposal_stale(world: World, two: tuple[Actor, Actor]) -> None:
    proposal = drafted(world)
    place = {"project": PROJECT, "environment": ENVIRONMENT}
    more = {"edit": "set_approvers", **place, "approvers": ["release_manager", "sre"], "widening_approvers": ["sre"]}
    agree(world, two[1], asks(world, two[0], more))
    with pytest.raises(Conflict, match="who must agree"):
        turn_both_keys(world, proposal)
    assert now(world, proposal).status is ProposalStatus.STALE


def test_an_unguarded_environment_takes_no_keys_and_a_waiting_proposal_is_drafted_anew(
    world: World, two: tuple[Actor, Actor]
) -> None:
    waiting = drafted(world)
    agree(world, two[1], asks(world, two[0], guarding(False)))
    with pytest.raises((Conflict, Refused)):
        turn_both_keys(world, waiting)
    revision = world.revision
    for who in (world.agent, world.viewer):
        apply_at_once(world.store, who, drafted(world, by=who).id)
    assert world.revision == revision
    assert apply_at_once(world.store, world.mara, drafted(world, by=world.mara).id).status is ProposalStatus.APPLIED
    assert world.revision == revision + 1
    with world.store.read() as uow:
        change = uow.changes.where(limit=1)[0]
    assert (str(change.cause), change.applied_by) == ("unguarded", "mara")


def test_guarding_again_needs_one_person_and_then_keys_again(world: World, two: tuple[Actor, Actor]) -> None:
    agree(world, two[1], asks(world, two[0], guarding(False)))
    assert asks(world, two[0], guarding(True)).status is ProposalStatus.APPLIED
    applied(world)


def test_an_environment_never_starts_unguarded(world: World) -> None:
    admin = world.add_person("ada", "administrator")
    with pytest.raises(Invalid, match="starts guarded"):
        create_environment(world.store, admin, Environment(project="p", key="dev", guarded=False))


# -------------------------------------------------------------------- the team's policies


def test_a_policy_of_the_team_holds_from_the_moment_it_is_agreed_and_outdates_what_waits(
    world: World, two: tuple[Actor, Actor]
) -> None:
    kill = SetEnabled(flag="support_answer_profile", enabled=False)
    waiting = drafted(world, kill)
    made = asks(world, two[0], {"edit": "set_policies", "text": FREEZE})
    assert made.preview[0] == "1 of 2 decisions on the last proposal differ"
    assert "no-kill-switch-here" in made.preview[1]
    agree(world, two[1], made)
    with pytest.raises((Conflict, Refused)):
        turn_both_keys(world, waiting)
    with pytest.raises(Refused, match="no-kill-switch-here"):
        turn_both_keys(world, drafted(world, kill))
    applied(world)


def test_a_policy_that_does_not_parse_is_not_even_proposed(world: World, two: tuple[Actor, Actor]) -> None:
    for text in ('@id("x") permit (principal, action, resource', "permit (principal, action, resource);"):
        with pytest.raises(Invalid):
            asks(world, two[0], {"edit": "set_policies", "text": text})
    with world.store.read() as uow:
        assert uow.access_proposals.count() == 0


def test_no_policy_of_a_team_lets_an_agent_turn_a_key(world: World, two: tuple[Actor, Actor]) -> None:
    text = '@id("all-may") permit (principal, action, resource);'
    agree(world, two[1], asks(world, two[0], {"edit": "set_policies", "text": text}))
    proposal = drafted(world)
    for who in (world.agent, world.service):
        with pytest.raises(Refused):
            turn(world.store, who, proposal.id, proposal.digest, PRESENT)


# -------------------------------------------------------------------- edits, without a store


def access(**more: object) -> Access:
    environments = {"p/e": Environment(project="p", key="e", approvers=("a", "b"), widening_approvers=("c",))}
    grants = {"ann": frozenset({"security", "administrator"}), "bob": frozenset({"security"})}
    return Access(grants=grants, environments=environments, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("edit", "gives"),
    [
        (grant("bob", "release_manager"), True),
        (grant("bob", "release_manager@p/e"), True),
        (revoke("bob", "security"), True),
        ({"edit": "set_guarding", "project": "p", "environment": "e", "guarded": False}, True),
        ({"edit": "set_policies", "text": "x"}, True),
        ({"edit": "set_hours", "project": "p", "environment": "e", "proposal_hours": 8, "approval_hours": 1}, True),
        ({"edit": "set_hours", "project": "p", "environment": "e", "proposal_hours": 1, "approval_hours": 1}, False),
        (
            {
                "edit": "set_approvers",
                "project": "p",
                "environment": "e",
                "approvers": ["a", "b", "d"],
                "widening_approvers": ["c"],
            },
            False,
        ),
        (
            {
                "edit": "set_approvers",
                "project": "p",
                "environment": "e",
                "approvers": ["a"],
                "widening_approvers": ["c", "b"],
            },
            True,
        ),
        (
            {
                "edit": "set_order",
                "project": "p",
                "environment": "e",
                "flags": ["f"],
                "guardrail": "latency",
                "per_hour": 2,
            },
            True,
        ),
    ],
)
def test_what_gives_power_is_computed_from_before_and_after(edit: dict[str, object], gives: bool) -> None:
    before = access()
    edits = parse_edits([edit])
    assert bool(power_given(before, apply_edits(before, edits))) is gives
    assert bases(before, edits) != {}


HERE = {"project": "p", "environment": "e"}
ORDER = {"edit": "set_order", **HERE, "flags": ["f"], "guardrail": "g", "per_hour": 1}


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({"edit": "grant_token", "person": "bob"}, "edits"),
        (grant("nobody", "x"), "person"),
        (grant("bob", "Release Manager"), "grant"),
        (grant("bob", "security@p"), "grant"),
        (grant("bob", "x@p/e/f"), "grant"),
        (grant("bob", "security"), "edits"),
        ({**grant("bob", "x"), "environment": "e"}, "edits"),
        ({"edit": "set_guarding", **HERE, "environment": "nowhere", "guarded": True}, "environment"),
        ({"edit": "set_hours", **HERE, "proposal_hours": 0, "approval_hours": 1}, "proposal_hours"),
        ({"edit": "set_approvers", **HERE, "approvers": [], "widening_approvers": ["a"]}, "approvers"),
        ({**ORDER, "flags": []}, "flags"),
        ({**ORDER, "per_hour": 999}, "per_hour"),
        ({"edit": "withdraw_order", "order": "policy:0"}, "order"),
    ],
)
def test_an_edit_that_makes_no_sense_is_refused_by_field(edit: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        apply_edits(access(), parse_edits([edit]))
    assert caught.value.field == field


def test_nothing_that_an_access_proposal_says_lies_outside_its_digest(world: World, two: tuple[Actor, Actor]) -> None:
    made = asks(world, two[0], grant("viewer", "release_manager"))
    assert made.is_sealed
    for name, value in {
        "reason": "x",
        "edits": parse_edits([grant("mara", "security")]),
        "required_roles": (),
        "expires_at": made.created_at,
        "base": {},
        "preview": ("nothing differs",),
        "power": (),
    }.items():
        assert not msgspec.structs.replace(made, **{name: value}).is_sealed, name


def test_read_access_is_what_stands(world: World, two: tuple[Actor, Actor]) -> None:
    with world.store.read() as uow:
        found = read_access(uow)
    assert found.founded
    assert found.grants["mara"] == frozenset({"release_manager"})
    assert set(found.environments) == {f"{PROJECT}/{ENVIRONMENT}"}
    assert all(each.kind is not ActorKind.PERSON for each in (world.agent, world.service))


# -------------------------------------------------------------------- places, and people who are added


def test_a_role_for_a_project_or_an_environment_turns_keys_there_alone(world: World, two: tuple[Actor, Actor]) -> None:
    here = world.add_person("hana", f"release_manager@{PROJECT}/{ENVIRONMENT}")
    there = world.add_person("theo", "release_manager@support/staging", "release_manager@shop")
    proposal = drafted(world)
    turn(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    with pytest.raises(Refused, match="none of the roles"):
        turn(world.store, there, proposal.id, proposal.digest, PRESENT)
    turn(world.store, here, proposal.id, proposal.digest, PRESENT)
    assert now(world, proposal).status is ProposalStatus.APPLIED


def test_an_administrator_adds_people_but_gives_no_roles_once_there_is_a_second_of_security(
    world: World, two: tuple[Actor, Actor]
) -> None:
    def wanted(name: str, *roles: str) -> User:
        return User(
            id=name,
            username=name,
            name=name,
            password_hash="argon2id",
            roles=frozenset(roles),
            created_at=world.clock(),
        )

    with pytest.raises(Refused, match="propose their roles"):
        create_user(world.store, two[0], wanted("puppet", "security"))
    with pytest.raises(Refused, match="propose their roles"):
        create_user(world.store, two[0], wanted("puppet", "release_manager"))
    assert create_user(world.store, two[0], wanted("newcomer")).roles == frozenset()
