"""Findings of outside assistants: submitted beside the analyst's, drafted where they would do something else.

Rule: the finding is kept first and by itself. That its draft is refused is told, and takes nothing from the finding.
"""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import APIRouter, Response

from twokey.domain.case import CaseStatus
from twokey.domain.drafting import Draft
from twokey.domain.errors import Conflict, Invalid, Refused
from twokey.domain.finding import Finding
from twokey.domain.identity import ANALYST, Actor, Scope
from twokey.domain.operation import parse_operations
from twokey.domain.proposal import WAITING
from twokey.domain.second_opinion import same_operations
from twokey.ports import UnitOfWork
from twokey.steps import draft_proposal, submit_finding
from twokey.steps.record_refusal import Attempt, record
from twokey.steps.submit_finding import Claim, Failure, Run
from twokey.surfaces.auth import need_scope
from twokey.surfaces.calls import Acts, Serves, StrictBodies, check_reach
from twokey.surfaces.http_api.finding_views import difference_views, unsupported_views
from twokey.surfaces.http_api.models import NewFailure, NewFinding, NewRun, SubmittedFinding, ToldView
from twokey.surfaces.services import Services

router = APIRouter(prefix="/cases", tags=["cases"], route_class=StrictBodies)
DRAFTED_IN = frozenset({CaseStatus.TRIAGED, CaseStatus.ACTING})


@router.post("/{id}/findings", status_code=201)
def submit(id: str, body: NewFinding, actor: Acts, services: Serves) -> SubmittedFinding:
    """Submit an assistant's finding. It changes nothing; where it names operations, a proposal is drafted of it."""
    _check_may(services, actor, id)
    claim = msgspec.convert(_said(body), Claim)
    finding = submit_finding.submit(services.store, actor, id, claim)
    proposal, why_not = _drafted(services, actor, finding)
    with services.store.read() as uow:
        return SubmittedFinding(
            id=finding.id,
            proposal=proposal,
            why_not_drafted=why_not,
            unsupported=unsupported_views(uow, finding),
            differences=difference_views(_analysts(uow, id), finding),
        )


@router.post("/{id}/findings/failures", status_code=204)
def report_failure(id: str, body: NewFailure, actor: Acts, services: Serves) -> Response:
    """Say that an assistant has no finding of this case, and why: people see it on the case."""
    _check_may(services, actor, id)
    submit_finding.report_failure(services.store, actor, id, msgspec.convert(body.model_dump(), Failure))
    return Response(status_code=204)


@router.post("/{id}/findings/runs", status_code=204)
def begin_run(id: str, body: NewRun, actor: Acts, services: Serves) -> Response:
    """Say that an assistant begins to look at the case, before it asks a model."""
    _check_may(services, actor, id)
    submit_finding.begin_run(services.store, actor, id, msgspec.convert(body.model_dump(), Run))
    return Response(status_code=204)


@router.get("/{id}/findings/mine")
def show_told(id: str, actor: Acts, services: Serves) -> ToldView:
    """What this token has done on the case so far: so that an assistant that starts again does nothing twice."""
    _check_may(services, actor, id)
    with services.store.read() as uow:
        return ToldView(**msgspec.structs.asdict(submit_finding.told(uow, actor, id)))


def _said(body: NewFinding) -> dict[str, Any]:
    """The body, its operations read by the one reader of operations."""
    return body.model_dump() | {"operations": parse_operations(body.operations) if body.operations else ()}


def _check_may(services: Services, actor: Actor, id: str) -> None:
    need_scope(actor, Scope.PROPOSALS_WRITE)
    with services.store.read() as uow:
        case = uow.cases.get(id)
    check_reach(actor, case.project, case.environment)


def _drafted(services: Services, actor: Actor, finding: Finding) -> tuple[str | None, str]:
    """The proposal of a finding, or why there is none."""
    with services.store.read() as uow:
        wanted, why_not = _wanted(uow, finding)
    if wanted is None:
        return None, why_not
    try:
        return draft_proposal.draft(services.store, services.telemetry, actor, wanted).id, ""
    except (Invalid, Refused, Conflict) as error:
        record(services.store, Attempt(actor=actor, action="refused.draft", subject=finding.id), error)
        return None, str(error)


def _wanted(uow: UnitOfWork, finding: Finding) -> tuple[Draft | None, str]:
    case = uow.cases.get(finding.case)
    if not finding.operations:
        return None, "it would change nothing"
    if case.status not in DRAFTED_IN:
        return None, f"the case is {case.status}"
    for each in uow.proposals.where(case=case.id):
        if each.status in WAITING and each.finding and same_operations(uow.findings.get(each.finding), finding):
            return None, f"{each.id} would do the same, and waits already"
    mine = _analysts(uow, case.id)
    return Draft(
        project=case.project,
        environment=case.environment,
        case=case.id,
        title=finding.title,
        operations=finding.operations,
        reason=finding.reason,
        expected_effect=finding.expected_effect,
        evidence=finding.evidence,
        gaps=tuple(each.id for each in mine.gaps) if mine else (),
        finding=finding.id,
    ), ""


def _analysts(uow: UnitOfWork, case: str) -> Finding | None:
    found = uow.findings.where(case=case, author=ANALYST.id, limit=1)
    return found[0] if found else None
