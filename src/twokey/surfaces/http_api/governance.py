"""Governing access: what stands, the proposals that change it, break-glass and its reviews. For people only."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request

from twokey.domain.access import AccessProposal, describe_edit, parse_edits
from twokey.domain.approval import Approval
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor, Role
from twokey.domain.proposal import ProposalStatus
from twokey.domain.review import Finding, Review
from twokey.ports import UnitOfWork
from twokey.steps import break_glass as glass
from twokey.steps import erase_person as erase_person_step
from twokey.steps import govern_access
from twokey.surfaces.calls import Calls, Serves, StrictBodies, prove
from twokey.surfaces.http_api.models.governance import (
    AccessAnswerView,
    AccessProposalView,
    AccessView,
    BreakGlass,
    CloseReview,
    EnvironmentAccess,
    Erase,
    Erased,
    NewAccessProposal,
    OrderView,
    PersonAccess,
    ReviewView,
)
from twokey.surfaces.http_api.models.proposals import Approve, Reject
from twokey.surfaces.shapes import Proven

router = APIRouter(tags=["governance"], route_class=StrictBodies)


def _person(caller: Calls) -> Actor:
    if not caller.actor.may_turn_key:
        raise Refused("a token does not read how access is governed")
    return caller.actor


Person = Annotated[Actor, Depends(_person)]


@router.get("/access")
def show_access(actor: Person, services: Serves) -> AccessView:
    """Who may turn keys, by which rules."""
    with services.store.read() as uow:
        access = govern_access.read_access(uow)
    return AccessView(
        founded=access.founded,
        people=[PersonAccess(person=name, grants=sorted(held)) for name, held in sorted(access.grants.items())],
        environments=[
            EnvironmentAccess(
                project=each.project,
                key=each.key,
                guarded=each.guarded,
                approvers=list(each.approvers),
                widening_approvers=list(each.widening_approvers),
                proposal_hours=each.proposal_hours,
                approval_hours=each.approval_hours,
            )
            for each in access.environments.values()
        ],
        orders=[
            OrderView(id=name, says=rule.says, **msgspec.to_builtins(rule))
            for name, rule in sorted(access.orders.items())
        ],
        policies=access.policies,
    )


@router.get("/access/proposals")
def list_access_proposals(
    actor: Person, services: Serves, status: str | None = None, limit: int = Query(100, ge=1, le=500)
) -> list[AccessProposalView]:
    """Access proposals, newest first."""
    with services.store.read() as uow:
        return [_view(uow, each, actor) for each in uow.access_proposals.where(limit=limit, status=status)]


@router.get("/access/proposals/{id}")
def show_access_proposal(id: str, actor: Person, services: Serves) -> AccessProposalView:
    """One access proposal whole."""
    return _show(services, id, actor)


@router.post("/access/proposals", status_code=201)
def propose_access(body: NewAccessProposal, request: Request, caller: Calls, services: Serves) -> AccessProposalView:
    """Propose edits of access. What gives nobody power is applied at once."""
    edits = parse_edits(body.edits)
    proof = prove(request, caller, body)
    made = govern_access.propose(services.store, caller.actor, edits, body.reason, proof)
    return _show(services, made.id, caller.actor)


@router.post("/access/proposals/{id}/approve")
def approve_access(id: str, body: Approve, request: Request, caller: Calls, services: Serves) -> AccessProposalView:
    """Turn the security key, with fresh proof, for exactly this digest."""
    proof = prove(request, caller, body)
    govern_access.approve(services.store, caller.actor, id, body.digest, proof, body.note)
    return _show(services, id, caller.actor)


@router.post("/access/proposals/{id}/reject")
def reject_access(id: str, body: Reject, request: Request, caller: Calls, services: Serves) -> AccessProposalView:
    """Veto an access proposal, with the reason."""
    proof = prove(request, caller, body)
    govern_access.reject(services.store, caller.actor, id, body.digest, proof, body.note)
    return _show(services, id, caller.actor)


@router.post("/access/proposals/{id}/withdraw")
def withdraw_access(id: str, caller: Calls, services: Serves) -> AccessProposalView:
    """Take an access proposal back, by its author."""
    govern_access.withdraw(services.store, caller.actor, id)
    return _show(services, id, caller.actor)


@router.post("/break-glass", status_code=201)
def break_glass(body: BreakGlass, request: Request, caller: Calls, services: Serves) -> ReviewView:
    """Take a flag to its recorded safe state alone. Opens a review that somebody else must close."""
    proof = prove(request, caller, body)
    given = {name: value for name, value in body.model_dump().items() if name not in Proven.model_fields}
    _, review = glass.break_glass(services.store, caller.actor, glass.Breaking(**given), proof)
    return _review(review, overdue=False)


@router.get("/reviews")
def list_reviews(
    actor: Person, services: Serves, status: str | None = None, limit: int = Query(100, ge=1, le=500)
) -> list[ReviewView]:
    """The reviews of break-glass, newest first."""
    with services.store.read() as uow:
        found = uow.reviews.where(limit=limit, status=status)
        return [_review(each, overdue=each.overdue(uow.now)) for each in found]


@router.post("/reviews/{id}/close")
def close_review(id: str, body: CloseReview, request: Request, caller: Calls, services: Serves) -> ReviewView:
    """Close a review, with what it found. Not by the person it is about."""
    proof = prove(request, caller, body)
    closed = glass.close_review(services.store, caller.actor, id, Finding(body.found), body.note, proof)
    return _review(closed, overdue=False)


@router.post("/people/{username}/erase")
def erase_person(username: str, body: Erase, request: Request, caller: Calls, services: Serves) -> Erased:
    """Erase what is personal of somebody. For another person of the security role, with fresh proof."""
    proof = prove(request, caller, body)
    count = erase_person_step.erase(services.store, caller.actor, username, proof, body.reason)
    return Erased(person=username, values=count)


def _show(services: Serves, id: str, actor: Actor) -> AccessProposalView:
    with services.store.read() as uow:
        return _view(uow, uow.access_proposals.get(id), actor)


def _view(uow: UnitOfWork, proposal: AccessProposal, actor: Actor) -> AccessProposalView:
    answers = uow.access_approvals.where(proposal=proposal.id)
    return AccessProposalView(
        id=proposal.id,
        status=str(proposal.status),
        author=proposal.author.id,
        edits=[_plain(each) for each in proposal.edits],
        says=[describe_edit(each) for each in proposal.edits],
        reason=proposal.reason,
        power=list(proposal.power),
        preview=list(proposal.preview),
        required_roles=list(proposal.required_roles),
        alone=proposal.alone,
        created_at=proposal.created_at,
        expires_at=proposal.expires_at,
        digest=proposal.digest,
        answers=[_answer(each) for each in answers],
        may=_may(proposal, answers, actor),  # type: ignore[arg-type]
    )


def _plain(edit: msgspec.Struct) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.to_builtins(edit)
    return document


def _answer(approval: Approval) -> AccessAnswerView:
    said = {"person": approval.person, "answer": str(approval.answer), "at": approval.at, "note": approval.note}
    return AccessAnswerView.model_validate(said)


def _may(proposal: AccessProposal, answers: tuple[Approval, ...], actor: Actor) -> list[str]:
    if proposal.status is not ProposalStatus.PENDING:
        return []
    if actor.id == proposal.author.id:
        return ["withdraw"]
    answered = any(each.person == actor.id for each in answers)
    return ["approve", "reject"] if actor.holds(Role.SECURITY) and not answered else []


def _review(review: Review, *, overdue: bool) -> ReviewView:
    return ReviewView.model_validate(msgspec.structs.asdict(review) | {"overdue": overdue})
