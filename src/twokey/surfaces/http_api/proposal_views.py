"""Proposals as people read them: the diff, the two keys, the gate's tree, ways back, blast radius."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from twokey.domain.approval import Answer, Approval, fill
from twokey.domain.control import State
from twokey.domain.errors import Invalid
from twokey.domain.exposure import BlastRadius
from twokey.domain.footing import Footing, footings, in_words
from twokey.domain.gate import Gate
from twokey.domain.guarded_rollout import Plan, describe_plan
from twokey.domain.identity import SCHEDULE, Actor, Role
from twokey.domain.operation import Effect, Operation, apply_all, describe, diff_lines, touched
from twokey.domain.proposal import Proposal, ProposalStatus, Way
from twokey.ports import UnitOfWork
from twokey.steps.ask_gate import approvals_of, gate_of, members_of, takes_keys
from twokey.surfaces.http_api.models import (
    BlastRadiusView,
    FlagDiff,
    FootingView,
    GapView,
    JointView,
    KeyView,
    LineView,
    PlanView,
    PreviewView,
    ProposalRow,
    ProposalView,
    RuleMoveView,
    TransitionView,
    WayView,
)
from twokey.surfaces.shapes import GateView

OTHERS = "it stands together with a proposal in another environment"
May = Literal["approve", "reject", "edit", "apply", "withdraw"]


def proposal_row(uow: UnitOfWork, proposal: Proposal) -> ProposalRow:
    """A proposal in a list."""
    return ProposalRow(**_row(uow, proposal, members_of(uow, proposal)))


def _row(uow: UnitOfWork, proposal: Proposal, members: Sequence[Proposal]) -> dict[str, Any]:
    """Its keys are those of all that stand together with it: that many must be turned before anything moves."""
    return {
        "id": proposal.id,
        "case": proposal.case,
        "project": proposal.project,
        "environment": proposal.environment,
        "title": proposal.title,
        "status": str(proposal.status),
        "action": str(proposal.action),
        "effect": str(proposal.effect),
        "author": proposal.author.id,
        "author_kind": str(proposal.author.kind),
        "on_behalf_of": proposal.author.on_behalf_of,
        "created_at": proposal.created_at,
        "expires_at": proposal.expires_at,
        "digest": proposal.digest,
        "approved": sum(len(fill(each.required_roles, _counted(uow, each))) for each in members),
        "required": sum(len(each.required_roles) for each in members),
    }


def _counted(uow: UnitOfWork, proposal: Proposal) -> list[Approval]:
    """The approvals that count, or counted when the proposal was decided."""
    approvals = approvals_of(uow, proposal)
    if proposal.status in (ProposalStatus.APPLIED, ProposalStatus.REVERSED):
        given = uow.approvals.where(proposal=proposal.id, limit=len(approvals))
        return [each for each in given if each.answer is Answer.YES]
    return [each for each in approvals if each.counts(proposal.digest, proposal.excluded(), uow.now)]


def proposal_view(uow: UnitOfWork, proposal: Proposal, actor: Actor) -> ProposalView:
    """One proposal whole, as this caller sees it."""
    counted = _counted(uow, proposal)
    before = _base(uow, proposal)
    members = members_of(uow, proposal)
    may, why_not = _may(uow, members, actor, proposal)
    found = footings_of(uow, proposal)
    changes = uow.changes.where(proposal=proposal.id, limit=50)
    applied = next((each for each in reversed(changes) if each.undoes is None), None)  # a plan has more to come
    return ProposalView(
        **_row(uow, proposal, members),
        reason=proposal.reason,
        expected_effect=proposal.expected_effect,
        lower_rungs=list(proposal.lower_rungs),
        effect_because=list(proposal.effect_because),
        operations=[msgspec.to_builtins(each) for each in proposal.operations],
        sentences=_sentences(proposal.operations, before),
        diffs=_diffs(proposal, before),
        reverse=_way(proposal.reverse, before, proposal),
        rollback=_way(proposal.rollback, before, proposal),
        gate=gate_view(_gate(uow, proposal, actor)),
        keys=_keys(uow, proposal, counted, actor, "approve" in may),
        gaps=_gaps(uow, proposal),
        evidence=proposal.evidence,
        rests_on=in_words(found),
        footings=[FootingView(**msgspec.structs.asdict(each)) for each in found],
        finding=proposal.finding,
        blast_radius=blast_radius_view(proposal.blast_radius),
        base_revision=proposal.base_revision,
        apply=str(proposal.apply),
        apply_at=proposal.apply_at,
        supersedes=proposal.supersedes,
        joint=[
            _joint(uow, each, actor, "approve" in may)
            for each in members
            if each.id != proposal.id and actor.may_turn_key
        ],
        plan=plan_view(proposal.plan) if proposal.plan else None,
        change=applied.id if applied else None,
        may=may,
        why_not=why_not,
    )


def footings_of(uow: UnitOfWork, proposal: Proposal) -> tuple[Footing, ...]:
    """On how many distinct units its signal rests, read again in what it cites."""
    cited = (uow.evidence.find(each) for each in proposal.evidence)
    return footings([each for each in cited if each is not None], proposal.evidence)


def preview_view(before: State, proposal: Proposal) -> PreviewView:
    """What a change would come to, from a proposal that nobody keeps."""
    return PreviewView(
        action=str(proposal.action),
        effect=str(proposal.effect),
        effect_because=list(proposal.effect_because),
        sentences=_sentences(proposal.operations, before),
        diffs=_diffs(proposal, before),
        reverse=_way(proposal.reverse, before, proposal),
        rollback=_way(proposal.rollback, before, proposal),
        required_roles=list(proposal.required_roles),
        blast_radius=blast_radius_view(proposal.blast_radius),
        base_revision=proposal.base_revision,
    )


def _gate(uow: UnitOfWork, proposal: Proposal, actor: Actor) -> Gate:
    """The gate's tree. A token, which is bound to its environment, reads of the others only that they are there."""
    gate = gate_of(uow, proposal, SCHEDULE)
    if actor.may_turn_key or not proposal.joint:
        return gate
    children = [
        each if each.rule == proposal.environment else msgspec.structs.replace(each, sentence=OTHERS, children=())
        for each in gate.children
    ]
    children = [msgspec.structs.replace(each, rule="joint") if each.sentence == OTHERS else each for each in children]
    return msgspec.structs.replace(gate, sentence=OTHERS, children=tuple(children))


def _joint(uow: UnitOfWork, other: Proposal, actor: Actor, may_approve: bool) -> JointView:
    """What stands together with the proposal that is shown. People alone come here: tokens draft nothing jointly."""
    before = _base(uow, other)
    return JointView(
        id=other.id,
        environment=other.environment,
        digest=other.digest,
        action=str(other.action),
        effect=str(other.effect),
        effect_because=list(other.effect_because),
        sentences=_sentences(other.operations, before),
        diffs=_diffs(other, before),
        reverse=_way(other.reverse, before, other),
        rollback=_way(other.rollback, before, other),
        blast_radius=blast_radius_view(other.blast_radius),
        keys=_keys(uow, other, _counted(uow, other), actor, may_approve),
    )


def _base(uow: UnitOfWork, proposal: Proposal) -> State:
    return uow.flags.state_at(proposal.project, proposal.environment, proposal.base_revision)


def _sentences(operations: tuple[Operation, ...], state: State) -> list[str]:
    """Each operation in words, on the state as the ones before it leave it."""
    said = []
    for each in operations:
        said.append(describe(each, state))
        state = apply_all(state, (each,))
    return said


def _diffs(proposal: Proposal, before: State) -> list[FlagDiff]:
    after = apply_all(before, proposal.operations)
    keys = sorted(touched(before, proposal.operations).flags)
    return [_diff(before, after, key) for key in keys]


def _diff(before: State, after: State, key: str) -> FlagDiff:
    lines = diff_lines(before, after, key)
    now = [LineView(marker=each.marker, text=each.text) for each in lines if each.marker != "added"]
    then = [LineView(marker=each.marker, text=each.text) for each in lines if each.marker != "removed"]
    held = before.controls.get(key)
    return FlagDiff(flag=key, revision=held.flag.revision if held else 0, now=now, then=then)


def _way(way: Way, before: State, proposal: Proposal) -> WayView:
    try:
        sentences = _sentences(way.operations, apply_all(before, proposal.operations))
    except Invalid:
        sentences = [str(msgspec.to_builtins(each)["op"]) for each in way.operations]
    return WayView(sentences=sentences, effect=str(way.effect), approved_with_it=way.effect is not Effect.WIDENS)


def gate_view(gate: Gate) -> GateView:
    """A gate's tree."""
    return GateView(
        status=gate.status.value,
        sentence=gate.sentence,
        rule=gate.rule,
        children=[gate_view(each) for each in gate.children],
    )


def _keys(
    uow: UnitOfWork, proposal: Proposal, counted: list[Approval], actor: Actor, may_approve: bool
) -> list[KeyView]:
    filled = fill(proposal.required_roles, counted)
    held = actor.roles_in(proposal.project, proposal.environment)
    return [
        _key(uow, role, filled.get(index), may_approve and role in held)
        for index, role in enumerate(proposal.required_roles)
    ]


def _key(uow: UnitOfWork, role: str, approval: Approval | None, yours: bool) -> KeyView:
    if approval is None:
        return KeyView(role=role, status="waiting", person=None, name=None, at=None, yours=yours)
    user = uow.users.find(approval.person)
    return KeyView(
        role=role,
        status="approved",
        person=approval.person,
        name=user.name if user else approval.person,
        at=approval.at,
        yours=False,
    )


def _gaps(uow: UnitOfWork, proposal: Proposal) -> list[GapView]:
    finding = uow.findings.find(proposal.finding) if proposal.finding else None
    known = {each.id: each for each in finding.gaps} if finding else {}
    return [
        GapView(
            id=gap,
            kind=str(known[gap].kind) if gap in known else "",
            sentence=known[gap].sentence if gap in known else gap,
            what_to_do=known[gap].what_to_do if gap in known else "",
        )
        for gap in proposal.gaps
    ]


def _may(uow: UnitOfWork, members: tuple[Proposal, ...], actor: Actor, proposal: Proposal) -> tuple[list[May], str]:
    """What this caller may do with a proposal, and so with those that stand together with it."""
    if not actor.may_turn_key:
        return [], "only a person turns a key"
    held = [each for each in members if actor.roles_in(each.project, each.environment) & set(each.required_roles)]
    if proposal.status is ProposalStatus.APPROVED:
        return (["apply"] if held else []), ""
    if proposal.status is not ProposalStatus.PENDING:
        return [], f"the proposal is {proposal.status}"
    if not takes_keys(uow, members):
        works_here = actor.roles_in(proposal.project, proposal.environment) - {Role.VIEWER}
        return (["apply", "edit"] if works_here else []), "this environment takes no keys"
    return _may_answer(uow, members, held, actor, proposal)


def _may_answer(
    uow: UnitOfWork, members: tuple[Proposal, ...], held: list[Proposal], actor: Actor, proposal: Proposal
) -> tuple[list[May], str]:
    may: list[May] = ["edit"]
    if actor.id in proposal.excluded():
        return [*may, "withdraw"], "who wrote or edited it never approves it"
    if not held:
        roles = dict.fromkeys(role for each in members for role in each.required_roles)
        answered = any(each.person == actor.id for one in members for each in approvals_of(uow, one))
        return may, "you have answered this digest" if answered else f"it needs {' and '.join(roles)}"
    if all(any(each.person == actor.id for each in approvals_of(uow, one)) for one in held):
        return may, "you have answered this digest"
    return ["approve", "reject", *may], ""


def blast_radius_view(radius: BlastRadius | None) -> BlastRadiusView | None:
    """Who would be met by the change, from the replay; nothing where there was nothing to replay."""
    if radius is None or not radius.sampled_units:
        return None
    return BlastRadiusView(
        sampled_units=radius.sampled_units,
        since=radius.since,
        until=radius.until,
        changed_units=radius.changed_units,
        share_before=radius.share_before,
        share_after=radius.share_after,
        transitions=[
            TransitionView(
                flag=each.flag, before=str(each.before), after=str(each.after), units=each.units, share=each.share
            )
            for each in radius.transitions
        ],
        changed_traffic=radius.changed_traffic,
        by_rule=[
            RuleMoveView(flag=each.flag, before=each.before, after=each.after, units=each.units)
            for each in radius.by_rule
        ],
        by_attribute={key: dict(values) for key, values in radius.by_attribute.items()},
    )


def plan_view(plan: Plan) -> PlanView:
    """A plan in figures and in words."""
    stages = [msgspec.to_builtins(each) | {"rule": plan.rule_of(number)} for number, each in enumerate(plan.stages)]
    told = {"stages": stages, "says": list(describe_plan(plan))}
    return PlanView.model_validate(msgspec.to_builtins(plan) | told)
