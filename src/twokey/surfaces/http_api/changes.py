"""Changes: read, and undo by one of the two ways back."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request

from twokey.domain.case import CaseStatus
from twokey.domain.change import Change
from twokey.domain.drafting import Draft
from twokey.domain.identity import Actor, Scope
from twokey.ports import UnitOfWork
from twokey.steps import compare_reach, draft_proposal, reverse_change
from twokey.surfaces.calls import Before, Calls, Serves, StrictBodies, check_reach, prove, reads
from twokey.surfaces.http_api.case_views import change_view
from twokey.surfaces.http_api.models import ChangeView, ReachView, ReverseChange, ReverseResult

router = APIRouter(prefix="/changes", tags=["changes"], route_class=StrictBodies)
Reads = Annotated[Actor, reads(Scope.FLAGS_READ)]


@router.get("")
def list_changes(
    actor: Reads,
    services: Serves,
    case: str | None = None,
    before: Before = None,
    limit: int = Query(100, ge=1, le=500),
) -> list[ChangeView]:
    """Changes, newest first; those older than `before`, where it is given."""
    place = {} if actor.may_turn_key else {"project": actor.project, "environment": actor.environment}
    given = {key: value for key, value in {"case": case, **place}.items() if value is not None}
    with services.store.read() as uow:
        return [_view(uow, each) for each in uow.changes.where(limit=limit, before=before, **given)]


@router.get("/{id}")
def show_change(id: str, actor: Reads, services: Serves) -> ChangeView:
    """One change."""
    with services.store.read() as uow:
        change = uow.changes.get(id)
        check_reach(actor, change.project, change.environment)
        return _view(uow, change)


@router.get("/{id}/reach")
def show_reach(id: str, actor: Reads, services: Serves) -> list[ReachView]:
    """Whom it was to reach, by replay, and whom it has reached since: one comparison a flag."""
    with services.store.read() as uow:
        change = uow.changes.get(id)
        check_reach(actor, change.project, change.environment)
    found = compare_reach.compare(services.store, services.telemetry, id)
    return [ReachView.model_validate(msgspec.to_builtins(each)) for each in found]


@router.post("/{id}/reverse")
def reverse(id: str, body: ReverseChange, request: Request, caller: Calls, services: Serves) -> ReverseResult:
    """Undo a change: at once where that was approved with it, else by a proposal that waits for its own keys."""
    proof = prove(request, caller, body)
    way = reverse_change.WayBack(body.way)
    undoing = reverse_change.reverse(services.store, caller.actor, id, way, proof, body.note)
    if not undoing.drafts:
        done = [each.id for each in undoing.changes]
        return ReverseResult(change=done[0], proposal=None, together=done[1:], sentence=undoing.sentence)
    with services.store.read() as uow:
        wanted = [_open_case(uow, each) for each in undoing.drafts]
    reviewed = [msgspec.structs.replace(each, code_reference_review=body.code_reference_review) for each in wanted]
    made = [each.id for each in draft_proposal.draft_all(services.store, services.telemetry, caller.actor, reviewed)]
    return ReverseResult(change=None, proposal=made[0], together=made[1:], sentence=undoing.sentence)


def _open_case(uow: UnitOfWork, draft: Draft) -> Draft:
    """The draft without its case, where that was closed: a closed case takes no further proposal."""
    closed = draft.case is not None and uow.cases.get(draft.case).status is CaseStatus.CLOSED
    return msgspec.structs.replace(draft, case=None) if closed else draft


def _view(uow: UnitOfWork, change: Change) -> ChangeView:
    proposal = uow.proposals.find(change.proposal) if change.proposal else None
    return change_view(change, [proposal] if proposal else [])
