"""Proposals: draft, read, turn a key, reject, edit, apply, withdraw."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response

from twokey.domain.drafting import Draft
from twokey.domain.guarded_rollout import Plan
from twokey.domain.identity import SCHEDULE, Actor, Scope
from twokey.domain.operation import parse_operations
from twokey.domain.proposal import ApplyMode, Proposal
from twokey.steps import apply_change, copy_flags, draft_proposal, review_proposal
from twokey.steps.ask_gate import gate_of, suppose_approvals
from twokey.surfaces.auth import need_scope
from twokey.surfaces.calls import Acts, Before, Calls, Serves, StrictBodies, check_reach, prove, reads
from twokey.surfaces.http_api.models import (
    Approve,
    CopyFlags,
    EditProposal,
    NewJointProposal,
    NewPreview,
    NewProposal,
    NewRollout,
    PreviewView,
    ProposalRow,
    ProposalView,
    Prove,
    Reject,
)
from twokey.surfaces.http_api.models.governance import SupposedGate
from twokey.surfaces.http_api.proposal_views import gate_view, preview_view, proposal_row, proposal_view
from twokey.surfaces.http_api.record import document_of
from twokey.surfaces.services import Services

router = APIRouter(prefix="/proposals", tags=["proposals"], route_class=StrictBodies)
Reads = Annotated[Actor, reads(Scope.FLAGS_READ)]


@router.get("")
def list_proposals(
    actor: Reads,
    services: Serves,
    case: str | None = None,
    status: str | None = None,
    before: Before = None,
    limit: int = Query(100, ge=1, le=500),
) -> list[ProposalRow]:
    """Proposals, newest first; those older than `before`, where it is given."""
    place = {} if actor.may_turn_key else {"project": actor.project, "environment": actor.environment}
    given = {key: value for key, value in {"case": case, "status": status, **place}.items() if value is not None}
    with services.store.read() as uow:
        return [proposal_row(uow, each) for each in uow.proposals.where(limit=limit, before=before, **given)]


@router.post("", status_code=201)
def draft(body: NewProposal, actor: Acts, services: Serves) -> ProposalView:
    """Draft a proposal. Reverse, rollback, effect, blast radius and digest are computed."""
    need_scope(actor, Scope.PROPOSALS_WRITE)
    wanted = Draft(
        project=body.project,
        environment=body.environment,
        case=body.case,
        title=body.title,
        operations=parse_operations(body.operations),
        reason=body.reason,
        expected_effect=body.expected_effect,
        justification=body.justification,
        code_reference_review=body.code_reference_review if actor.may_turn_key else "",
        apply=ApplyMode(body.apply),
        apply_at=body.apply_at,
    )
    return _drafted(services, actor, wanted)


@router.post("/preview")
def preview_change(body: NewPreview, actor: Reads, services: Serves) -> PreviewView:
    """What operations would come to: effect, ways back, keys, whom they would reach. Nothing is kept."""
    wanted = Draft(
        project=body.project,
        environment=body.environment,
        operations=parse_operations(body.operations),
        reason="a preview",
    )
    state, proposal = draft_proposal.preview(services.store, services.telemetry, actor, wanted)
    return preview_view(state, proposal)


@router.post("/joint", status_code=201)
def draft_jointly(body: NewJointProposal, actor: Acts, services: Serves) -> list[ProposalView]:
    """Draft changes in several environments that stand or fall together; one proposal for each."""
    need_scope(actor, Scope.PROPOSALS_WRITE)
    shared = body.model_dump(exclude={"parts", "apply"}) | {"apply": ApplyMode(body.apply)}
    if not actor.may_turn_key:
        shared["code_reference_review"] = ""
    wanted = [
        Draft(**shared, environment=each.environment, case=each.case, operations=parse_operations(each.operations))
        for each in body.parts
    ]
    made = draft_proposal.draft_all(services.store, services.telemetry, actor, wanted)
    if actor.may_turn_key:
        apply_change.apply_at_once(services.store, actor, made[0].id)
    return [_view(services, _find(services, each.id, actor), actor) for each in made]


@router.post("/rollout", status_code=201)
def draft_rollout(body: NewRollout, actor: Acts, services: Serves) -> ProposalView:
    """Draft a guarded rollout: all of its stages, and the way back, are approved together."""
    need_scope(actor, Scope.PROPOSALS_WRITE)
    wanted = Draft(
        project=body.project,
        environment=body.environment,
        operations=(),
        plan=msgspec.convert(body.plan.model_dump(exclude_unset=True), Plan),
        case=body.case,
        title=body.title,
        reason=body.reason,
        expected_effect=body.expected_effect,
    )
    return _drafted(services, actor, wanted)


@router.post("/copy", status_code=201)
def copy(body: CopyFlags, actor: Acts, services: Serves) -> ProposalView:
    """Draft what makes flags in one environment what they are in another. It waits for its keys like any other."""
    need_scope(actor, Scope.PROPOSALS_WRITE)
    wanted = copy_flags.Copy(
        project=body.project,
        source=body.from_environment,
        environment=body.environment,
        flags=tuple(body.flags),
        reason=body.reason,
        case=body.case,
        apply=ApplyMode(body.apply),
        apply_at=body.apply_at,
    )
    return _drafted(services, actor, copy_flags.plan(services.store, actor, wanted))


def _drafted(services: Services, actor: Actor, wanted: Draft) -> ProposalView:
    """The proposal of a draft; live already, where it is a person's and the environment takes no keys."""
    drafted = draft_proposal.draft(services.store, services.telemetry, actor, wanted)
    if actor.may_turn_key:
        drafted = apply_change.apply_at_once(services.store, actor, drafted.id)
    return _view(services, drafted, actor)


@router.get("/{id}")
def show(id: str, actor: Reads, services: Serves) -> ProposalView:
    """One proposal whole."""
    return _view(services, _find(services, id, actor), actor)


@router.get("/{id}/gate")
def suppose(
    id: str, actor: Reads, services: Serves, approves: Annotated[list[str], Query(max_length=20)]
) -> SupposedGate:
    """The gate as it would be if these people approved now: names of people, or `role:` and a role. Changes nothing."""
    proposal = _find(services, id, actor)
    with services.store.read() as uow:
        gate = gate_of(uow, proposal, SCHEDULE, supposed=suppose_approvals(uow, proposal, approves))
    return SupposedGate(people=approves, gate=gate_view(gate))


@router.get("/{id}/document", response_class=Response)
def document(id: str, actor: Reads, services: Serves) -> Response:
    """The proposal as a YAML document: the signal, and what the assistant recommends."""
    proposal = _find(services, id, actor)
    with services.store.read() as uow:
        text = document_of(uow, proposal)
    return Response(text, media_type="application/yaml")


@router.post("/{id}/approve")
def approve(id: str, body: Approve, request: Request, caller: Calls, services: Serves) -> ProposalView:
    """Turn one key, with fresh proof, for exactly this digest."""
    proof = prove(request, caller, body)
    return _view(
        services, review_proposal.approve(services.store, caller.actor, id, body.digest, proof, body.note), caller.actor
    )


@router.post("/{id}/reject")
def reject(id: str, body: Reject, request: Request, caller: Calls, services: Serves) -> ProposalView:
    """Veto a proposal, with the reason."""
    proof = prove(request, caller, body)
    return _view(
        services, review_proposal.reject(services.store, caller.actor, id, body.digest, proof, body.note), caller.actor
    )


@router.post("/{id}/apply")
def apply(id: str, body: Prove, request: Request, caller: Calls, services: Serves) -> ProposalView:
    """Apply a proposal whose keys are all turned."""
    proof = prove(request, caller, body)
    return _view(services, apply_change.apply(services.store, caller.actor, id, proof), caller.actor)


@router.post("/{id}/edit", status_code=201)
def edit(id: str, body: EditProposal, actor: Acts, services: Serves) -> ProposalView:
    """Replace a waiting proposal by an edited one: a new digest, no approvals."""
    need_scope(actor, Scope.PROPOSALS_WRITE)
    _find(services, id, actor)
    operations = None if body.operations is None else parse_operations(body.operations)
    changes = draft_proposal.Edit(
        digest=body.digest,
        operations=operations,
        reason=body.reason,
        apply=ApplyMode(body.apply) if body.apply else None,
        apply_at=body.apply_at,
    )
    return _view(services, draft_proposal.edit(services.store, services.telemetry, actor, id, changes), actor)


@router.post("/{id}/withdraw")
def withdraw(id: str, actor: Acts, services: Serves) -> ProposalView:
    """Take a proposal back, by its author."""
    need_scope(actor, Scope.PROPOSALS_WRITE)
    return _view(services, review_proposal.withdraw(services.store, actor, id), actor)


def _find(services: Services, id: str, actor: Actor) -> Proposal:
    with services.store.read() as uow:
        proposal = uow.proposals.get(id)
    check_reach(actor, proposal.project, proposal.environment)
    return proposal


def _view(services: Services, proposal: Proposal, actor: Actor) -> ProposalView:
    with services.store.read() as uow:
        return proposal_view(uow, proposal, actor)
