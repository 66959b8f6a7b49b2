"""The gate: what opens it, what it waits for, what refuses, and that a label never decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.states import running
from tests.support.world import FLAG, START, initial_state, support_control
from twokey.adapters.cedar import gatekeeper
from twokey.domain.approval import Answer, Approval, Proof, fill
from twokey.domain.control import State
from twokey.domain.drafting import Basis, Draft, compose
from twokey.domain.errors import Invalid, Refused
from twokey.domain.gate import Circumstances, Gate, GateStatus, combine, evaluate
from twokey.domain.identity import ANALYST, SCHEDULE, Actor, ActorKind, Role
from twokey.domain.operation import Action, ArchiveFlag, Effect, Operation, SetExperiment, SetWeights
from twokey.domain.permission import Question, Rules, Ruling
from twokey.domain.policy import ROWS, Environment, required_roles, row_for
from twokey.domain.proposal import ApplyMode, Proposal, is_sealed, seal

MARA = Actor(id="mara", kind=ActorKind.PERSON, roles=frozenset({"release_manager"}))
REDUCE = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", 100), ("baseline", 99_900)))
WIDEN = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", 20_000), ("baseline", 80_000)))


SHIPPED = gatekeeper("")
RULES = Rules(SHIPPED.rule, SHIPPED.digest)


def proposal(*operations: Operation, by: Actor = ANALYST, state: State | None = None, **more: object) -> Proposal:
    basis = Basis(
        state=state or initial_state(),
        environment=Environment(project="support", key="production"),
        evidence=(),
        contexts=(),
        rules=RULES,
    )
    draft = Draft(
        project="support",
        environment="production",
        operations=operations or (REDUCE,),
        reason="latency",
        **more,  # type: ignore[arg-type]
    )
    return compose(draft, by, basis, "proposal-1", START)


def yes(person: str, *roles: str, digest: str, at: datetime = START) -> Approval:
    return Approval(
        id=f"approval-{person}",
        proposal="proposal-1",
        digest=digest,
        person=person,
        roles=frozenset(roles),
        answer=Answer.YES,
        proof=Proof.PASSWORD,
        at=at,
        expires_at=at + timedelta(hours=4),
    )


def gate(made: Proposal, *approvals: Approval, now: datetime = START, **more: object) -> Gate:
    author = Actor(id=made.author.id, kind=made.author.kind, on_behalf_of=made.author.on_behalf_of)
    found = {"now": now, "actor": SCHEDULE, "author": author, "guarded": True, "ask": SHIPPED.rule, **more}
    return evaluate(made, approvals, row_for(made.effect, made.action), Circumstances(**found))  # type: ignore[arg-type]


def both(made: Proposal) -> tuple[Approval, Approval]:
    return (
        yes("ines", "support_ai_platform_owner", digest=made.digest),
        yes("mara", "release_manager", digest=made.digest),
    )


def test_the_gate_waits_and_says_for_whom() -> None:
    made = proposal()
    first = gate(made)
    assert first.status is GateStatus.WAITING
    assert first.sentence == "waiting for support_ai_platform_owner and release_manager"
    second = gate(made, both(made)[0])
    assert second.sentence == "waiting for release_manager"
    assert gate(made, *both(made)).status is GateStatus.OPEN


def test_an_approval_of_another_digest_counts_for_nothing() -> None:
    made = proposal()
    other = "sha256:" + "0" * 64
    stale = [msgspec.structs.replace(each, digest=other) for each in both(made)]
    assert gate(made, *stale).status is GateStatus.WAITING


def test_content_that_was_altered_after_sealing_refuses() -> None:
    made = proposal()
    altered = msgspec.structs.replace(made, reason="something else")
    assert not is_sealed(altered)
    assert gate(altered, *both(made)).status is GateStatus.REFUSED


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "x"},
        {"operations": (WIDEN,)},
        {"base": {}},
        {"evidence": {"evidence-1": "sha256:0"}},
        {"expires_at": START + timedelta(hours=9)},
        {"required_roles": ("release_manager",)},
        {"policy_digest": "sha256:0"},
        {"apply": ApplyMode.MANUAL},
        {"editors": ("mara",)},
        {"title": "harmless"},
        {"lower_rungs": ("none",)},
        {"environment": "staging"},
    ],
)
def test_nothing_an_approver_reads_as_the_reason_lies_outside_the_digest(changes: dict[str, object]) -> None:
    assert not is_sealed(msgspec.structs.replace(proposal(), **changes))


def test_an_expired_proposal_refuses_whatever_was_approved() -> None:
    made = proposal()
    assert gate(made, *both(made), now=made.expires_at).status is GateStatus.REFUSED


def test_an_expired_approval_no_longer_counts() -> None:
    made = proposal()
    early = msgspec.structs.replace(both(made)[0], expires_at=START + timedelta(minutes=1))
    assert gate(made, early, both(made)[1], now=START + timedelta(minutes=2)).status is GateStatus.WAITING


def test_one_no_is_a_veto() -> None:
    made = proposal()
    no = msgspec.structs.replace(yes("both", "release_manager", digest=made.digest), answer=Answer.NO)
    found = gate(made, *both(made), no)
    assert found.status is GateStatus.REFUSED
    assert "both" in found.sentence


def test_the_author_and_editors_never_count_even_if_an_approval_of_theirs_stands() -> None:
    made = proposal(by=MARA)
    assert gate(made, *both(made)).sentence == "waiting for release_manager"


def test_the_person_an_agent_acts_for_never_counts() -> None:
    agent = Actor(id="token-1", kind=ActorKind.AGENT, on_behalf_of="mara")
    made = proposal(by=agent)
    assert gate(made, *both(made)).status is GateStatus.WAITING


def test_a_gate_that_nothing_permits_refuses() -> None:
    assert combine((), opened="yes", row="").status is GateStatus.REFUSED
    nobody = msgspec.structs.replace(proposal(), required_roles=())
    assert gate(nobody).status is GateStatus.REFUSED


def test_what_widens_needs_at_least_whom_narrowing_needs() -> None:
    environment = Environment(
        project="p", key="e", approvers=("release_manager",), widening_approvers=("product_owner",)
    )
    controls = tuple(initial_state().controls.values())
    narrow = required_roles(ROWS["reduce"], controls, environment)
    widen = required_roles(ROWS["expand"], controls, environment)
    assert set(narrow) < set(widen)


def test_the_row_is_chosen_by_what_the_operations_do() -> None:
    assert proposal(REDUCE).policy_row == "reduce"
    assert proposal(WIDEN, title="reduce the rollout").policy_row == "expand"
    assert row_for(Effect.WIDENS, Action.PAUSE_ROLLOUT).key == "expand"
    assert row_for(Effect.NARROWS, Action.KILL_SWITCH).key == "kill"
    assert row_for(Effect.NEITHER, Action.EDIT_CONTROL).key == "edit"


def test_an_assistant_may_only_warn_of_a_change_of_metrics() -> None:
    state = initial_state(
        msgspec.structs.replace(support_control(), experiment=running("solved", "reranker_v2", "pro-10"))
    )
    change = SetExperiment(flag=FLAG, experiment=running("reopened", "reranker_v2", "pro-10"))
    with pytest.raises(Refused, match="warn"):
        proposal(change, state=state)
    by_person = proposal(change, by=MARA, state=state)
    assert "justification" in gate(by_person, *both(by_person)).sentence


def test_archiving_needs_a_recorded_code_reference_review() -> None:
    made = proposal(ArchiveFlag(flag="new_header"), by=MARA)
    assert gate(made).status is GateStatus.REFUSED
    reviewed = proposal(ArchiveFlag(flag="new_header"), by=MARA, code_reference_review="no references left, PR 7")
    assert gate(reviewed).status is GateStatus.WAITING


def test_with_every_key_turned_the_policy_is_still_asked_and_may_refuse() -> None:
    made, asked = proposal(), list[Question]()

    def never(question: Question) -> Ruling:
        asked.append(question)
        return Ruling(allowed=question.verb != "apply", policies=("team-freeze",))

    found = gate(made, *both(made), ask=never)
    assert found.status is GateStatus.REFUSED
    assert "team-freeze" in found.sentence
    assert [each.verb for each in asked] == ["draft", "apply"]
    assert (asked[1].needed, asked[1].filled, asked[1].effect, asked[1].change) == (2, 2, "narrows", "reduce")


def test_a_policy_that_cannot_be_asked_refuses_even_if_it_says_allowed() -> None:
    made = proposal()
    broken = gate(made, *both(made), ask=lambda question: Ruling(allowed=True, problem="the engine failed"))
    assert broken.status is GateStatus.REFUSED
    assert "the engine failed" in broken.sentence


def test_a_standing_order_opens_the_gate_while_its_guardrail_is_breached_and_only_for_what_narrows() -> None:
    order = Actor(id="policy:0123456789abcdef", kind=ActorKind.POLICY)
    made, wider = proposal(), proposal(WIDEN)
    assert gate(made, actor=order, breached=True).status is GateStatus.OPEN
    assert gate(made, actor=order, breached=False).status is GateStatus.REFUSED
    assert gate(wider, actor=order, breached=True).status is GateStatus.REFUSED
    no = msgspec.structs.replace(yes("mara", "release_manager", digest=made.digest), answer=Answer.NO)
    assert gate(made, no, actor=order, breached=True).status is GateStatus.REFUSED


def test_an_environment_without_keys_asks_the_policy_alone() -> None:
    made = msgspec.structs.replace(proposal(by=MARA), required_roles=())
    made = seal(made)
    viewer = Actor(id="vera", kind=ActorKind.PERSON, roles=frozenset({"viewer"}))
    assert gate(made, guarded=False, actor=MARA).status is GateStatus.OPEN
    assert gate(made, guarded=False, actor=viewer).status is GateStatus.REFUSED
    assert gate(made, guarded=True, actor=MARA).status is GateStatus.REFUSED


def test_operations_that_change_nothing_are_no_proposal() -> None:
    same = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", 10_000), ("baseline", 90_000)))
    with pytest.raises(Invalid, match="change nothing"):
        proposal(same)


def test_an_empty_draft_and_a_schedule_in_the_past_are_refused_by_field() -> None:
    basis = Basis(
        state=initial_state(),
        environment=Environment(project="support", key="production"),
        evidence=(),
        contexts=(),
        rules=RULES,
    )
    draft = Draft(project="support", environment="production", operations=(), reason="x")
    with pytest.raises(Invalid) as caught:
        compose(draft, MARA, basis, "proposal-1", START)
    assert caught.value.field == "operations"
    for at in (None, START - timedelta(seconds=1), START + timedelta(days=2)):
        with pytest.raises(Invalid) as caught:
            proposal(REDUCE, apply=ApplyMode.AT, apply_at=at)
        assert caught.value.field == "apply_at"
    assert proposal(REDUCE, apply=ApplyMode.AT, apply_at=START + timedelta(hours=1)).apply_at is not None


ROLES = st.sets(st.sampled_from(["a", "b", "c"]), min_size=1)


@given(st.lists(ROLES, max_size=5), st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3, unique=True))
def test_as_many_roles_are_filled_by_distinct_people_as_can_be(people: list[set[str]], wanted: list[str]) -> None:
    approvals = [yes(f"p{index}", *roles, digest="d", at=datetime.now(UTC)) for index, roles in enumerate(people)]
    filled = fill(wanted, approvals)
    assert len({each.person for each in filled.values()}) == len(filled)
    assert all(wanted[index] in each.roles for index, each in filled.items())
    assert len(filled) == _best(people, wanted)


def _best(people: list[set[str]], wanted: list[str]) -> int:
    padded = [*people, *[set() for _ in wanted]]
    return max(
        sum(role in each for role, each in zip(wanted, order, strict=False))
        for order in permutations(padded, len(wanted))
    )


def test_tokens_hold_no_role_and_turn_no_key() -> None:
    for kind in ActorKind:
        actor = Actor(id="x", kind=kind, roles=frozenset({Role.ADMINISTRATOR}))
        assert actor.may_turn_key is (kind is ActorKind.PERSON)
        assert actor.holds(Role.ADMINISTRATOR) is (kind is ActorKind.PERSON)
