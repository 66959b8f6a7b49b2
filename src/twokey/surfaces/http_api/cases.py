"""Cases: read, note, own, check, close, and the record of the decision."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from twokey.documents.record_markdown import record_markdown
from twokey.domain.case import Case
from twokey.domain.decision import Choice, Decision
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor, Scope
from twokey.domain.telemetry import Scope as Where
from twokey.steps import check_evidence, close_case
from twokey.surfaces.calls import Acts, Before, Serves, StrictBodies, check_reach, reads
from twokey.surfaces.http_api import series as charts
from twokey.surfaces.http_api.case_views import Loaded, case_row, case_view, check_view, decision_view
from twokey.surfaces.http_api.models import (
    CaseRow,
    CaseView,
    CheckView,
    CloseCase,
    DecisionView,
    NewNote,
    NoteView,
    SeriesView,
)
from twokey.surfaces.http_api.record import record_of
from twokey.surfaces.services import Services
from twokey.surfaces.shapes import Model

router = APIRouter(prefix="/cases", tags=["cases"], route_class=StrictBodies)
Reads = Annotated[Actor, reads(Scope.SIGNALS_READ)]


class NewOwner(Model):
    """Who shall own the case."""

    owner: str = Field(min_length=1, max_length=200)


@router.get("")
def list_cases(
    actor: Reads,
    services: Serves,
    project: str | None = None,
    environment: str | None = None,
    status: str | None = None,
    before: Before = None,
    limit: int = Query(100, ge=1, le=500),
) -> list[CaseRow]:
    """Cases, newest first; those older than `before`, where it is given."""
    place = {} if actor.may_turn_key else {"project": actor.project, "environment": actor.environment}
    asked = {"project": project, "environment": environment, "status": status} | place
    given = {key: value for key, value in asked.items() if value is not None}
    with services.store.read() as uow:
        return [case_row(uow, each) for each in uow.cases.where(limit=limit, before=before, **given)]


@router.get("/{id}")
def show_case(id: str, actor: Reads, services: Serves) -> CaseView:
    """One case whole."""
    case = _find(services, id, actor)
    with services.store.read() as uow:
        return case_view(uow, case, actor)


@router.get("/{id}/series")
def show_series(id: str, actor: Reads, services: Serves, minutes: int = Query(90, ge=1, le=10080)) -> list[SeriesView]:
    """The guardrail metrics of the case's flag over time by variation."""
    case = _find(services, id, actor)
    with services.store.read() as uow:
        control = Loaded(uow, case).control
        if control is None:
            return []
        where = Where(project=case.project, environment=case.environment, flag=control.key)
        span = charts.Span(case.closed_at or uow.now, minutes)
        return charts.of_flag(uow, services.telemetry, where, control, span, case.id)


@router.post("/{id}/notes", status_code=201)
def add_note(id: str, body: NewNote, actor: Acts, services: Serves) -> NoteView:
    """Write a note."""
    _find(services, id, actor)
    if not actor.may_turn_key and Scope.PROPOSALS_WRITE not in actor.scopes:
        raise Refused("this token lacks the scope `proposals:write`")
    note = close_case.add_note(services.store, actor, id, body.text)
    return NoteView(at=note.at, author=note.author, text=note.text)


@router.post("/{id}/owner")
def set_owner(id: str, body: NewOwner, actor: Acts, services: Serves) -> CaseRow:
    """Name who owns the case."""
    case = close_case.set_owner(services.store, actor, id, body.owner)
    with services.store.read() as uow:
        return case_row(uow, case)


@router.post("/{id}/check")
def check_now(id: str, actor: Acts, services: Serves) -> CheckView:
    """Look at the evidence now."""
    _find(services, id, actor)
    if not actor.may_turn_key and Scope.EVIDENCE_READ not in actor.scopes:
        raise Refused("this token lacks the scope `evidence:read`")
    return check_view(check_evidence.check(services.store, services.telemetry, id, actor))


@router.post("/{id}/close")
def close(id: str, body: CloseCase, actor: Acts, services: Serves) -> DecisionView:
    """Close the case with its decision."""
    decision = Decision(
        case=id,
        choice=Choice(body.choice),
        rationale=body.rationale,
        outcome=body.outcome,
        owner=body.owner,
        review_date=body.review_date,
        decided_by=actor.id,
        decided_at=services.clock(),
    )
    closed = decision_view(close_case.close(services.store, actor, decision))
    assert closed is not None  # noqa: S101 - for the type checker: a decision was given
    return closed


@router.get("/{id}/record", response_class=Response)
def record(id: str, actor: Reads, services: Serves, format: Literal["json", "markdown"] = "json") -> Response:
    """The decision record: signal, flag, who approved, who was met, what telemetry showed, what remains."""
    case = _find(services, id, actor)
    content = record_of(services, case, actor)
    if format == "markdown":
        return Response(record_markdown(content), media_type="text/markdown; charset=utf-8")
    return JSONResponse(content)


def _find(services: Services, id: str, actor: Actor) -> Case:
    with services.store.read() as uow:
        case = uow.cases.get(id)
    check_reach(actor, case.project, case.environment)
    return case
