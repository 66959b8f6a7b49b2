"""Environments, flags, explanations and the published snapshot. Nothing here writes flag state."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response

from twokey.documents.chart_svg import chart_svg
from twokey.domain.case import CaseStatus
from twokey.domain.errors import NotFound
from twokey.domain.identity import Actor, Scope
from twokey.domain.policy import Environment
from twokey.domain.telemetry import Scope as Where
from twokey.engine import evaluate, explain
from twokey.ports import UnitOfWork
from twokey.steps import manage_access
from twokey.surfaces.calls import Fresh, Serves, StrictBodies, check_reach, reads
from twokey.surfaces.http_api import series as charts
from twokey.surfaces.http_api.flag_views import flag_row, flag_view
from twokey.surfaces.http_api.models import (
    EnvironmentView,
    ExplainRequest,
    ExplainView,
    FlagRow,
    FlagView,
    SeriesView,
)
from twokey.surfaces.http_api.models.access import NewEnvironment

router = APIRouter(tags=["flags"], route_class=StrictBodies)
PLACE = "/projects/{project}/environments/{environment}"


def _reader(project: str, environment: str, actor: Annotated[Actor, reads(Scope.FLAGS_READ)]) -> Actor:
    check_reach(actor, project, environment)
    return actor


READS = [Depends(_reader)]


@router.get("/environments")
def list_environments(actor: Annotated[Actor, reads(Scope.FLAGS_READ)], services: Serves) -> list[EnvironmentView]:
    """The environments the caller can see."""
    with services.store.read() as uow:
        return [
            _environment_view(uow, each)
            for each in uow.flags.environments()
            if actor.may_turn_key or (each.project, each.key) == (actor.project, actor.environment)
        ]


@router.post("/environments", status_code=201)
def create_environment(body: NewEnvironment, actor: Fresh, services: Serves) -> EnvironmentView:
    """Create an environment, guarded and without flags. For administrators."""
    approvers = tuple(body.approvers)
    environment = Environment(
        project=body.project,
        key=body.key,
        approvers=approvers,
        widening_approvers=approvers if body.widening_approvers is None else tuple(body.widening_approvers),
    )
    manage_access.create_environment(services.store, actor, environment)
    with services.store.read() as uow:
        return _environment_view(uow, environment)


def _environment_view(uow: UnitOfWork, environment: Environment) -> EnvironmentView:
    state = uow.flags.state(environment.project, environment.key)
    return EnvironmentView(
        project=environment.project,
        key=environment.key,
        revision=state.revision,
        guarded=environment.guarded,
        approvers=list(environment.approvers),
        flags=sum(not each.archived for each in state.controls.values()),
        open_cases=_open_cases(uow, environment.project, environment.key),
    )


def _open_cases(uow: UnitOfWork, project: str, environment: str) -> int:
    return sum(
        uow.cases.count(project=project, environment=environment, status=str(status))
        for status in CaseStatus
        if status is not CaseStatus.CLOSED
    )


@router.get(PLACE + "/flags", dependencies=READS)
def list_flags(
    project: str,
    environment: str,
    services: Serves,
    archived: bool = False,
    overdue: bool = False,
    after: Annotated[str | None, Query(max_length=200, description="The key after which to go on.")] = None,
    limit: Annotated[int | None, Query(ge=1, le=500)] = None,
) -> list[FlagRow]:
    """The flags of an environment, by key; those that nobody looked at in time, where `overdue` is asked for."""
    with services.store.read() as uow:
        uow.flags.environment(project, environment)
        state = uow.flags.state(project, environment)
        today = uow.now.date()
        found = [
            (key, control)
            for key, control in sorted(state.controls.items())
            if (archived or not control.archived) and (after is None or key > after)
        ]
        wanted = [pair for pair in found if pair[1].is_overdue(today)] if overdue else found
        return [flag_row(control, _changed(uow, project, environment, key), today) for key, control in wanted[:limit]]


def _changed(uow: UnitOfWork, project: str, environment: str, key: str) -> datetime | None:
    found = uow.flags.versions(project, environment, key, limit=1)
    return found[0].at if found else None


@router.get(PLACE + "/flags/{key}", dependencies=READS)
def show_flag(project: str, environment: str, key: str, services: Serves) -> FlagView:
    """One flag: what is published, how it is governed, its history and who met it."""
    with services.store.read() as uow:
        state = uow.flags.state(project, environment)
        if key not in state.controls:
            raise NotFound("flag", key)
        return flag_view(uow, services.telemetry, state, state.controls[key])


@router.post(PLACE + "/flags/{key}/explain", dependencies=READS)
def explain_flag(project: str, environment: str, key: str, body: ExplainRequest, services: Serves) -> ExplainView:
    """What this context gets, and why."""
    snapshot = services.hub.snapshot(project, environment)
    resolution, explanation = evaluate(snapshot, key, body.context), explain(snapshot, key, body.context)
    return ExplainView(
        value=resolution.value,
        variation=resolution.variation,
        reason=str(resolution.reason),
        rule=resolution.rule,
        revision=resolution.revision,
        error=resolution.error.message if resolution.error else None,
        sentences=explanation.text().splitlines(),
        tree=msgspec.to_builtins(explanation),
    )


@router.get(PLACE + "/flags/{key}/series", dependencies=READS)
def show_series(
    project: str, environment: str, key: str, services: Serves, guardrail: str, minutes: int = Query(60, ge=1, le=10080)
) -> SeriesView:
    """A guardrail metric of a flag over time by variation."""
    with services.store.read() as uow:
        control = uow.flags.state(project, environment).controls.get(key)
        found = control.guardrail(guardrail) if control else None
        if control is None or found is None:
            raise NotFound("guardrail", f"{key}/{guardrail}")
        where, span = Where(project=project, environment=environment, flag=key), charts.Span(uow.now, minutes)
        return charts.series(
            services.telemetry, where, found, span, charts.markers(uow, services.telemetry, where, span, None)
        )


@router.get(PLACE + "/flags/{key}/chart.{form}", dependencies=READS, response_class=Response)
def export_chart(
    project: str,
    environment: str,
    key: str,
    form: Literal["svg", "png"],
    services: Serves,
    guardrail: str,
    minutes: int = Query(60, ge=1, le=10080),
) -> Response:
    """The chart of a guardrail, or of an insight, as a picture."""
    insights = {each.guardrail: each for each in show_insights(project, environment, key, services, minutes)}
    found = insights.get(guardrail) or show_series(project, environment, key, services, guardrail, minutes)
    drawn = chart_svg(charts.picture(found, f"{key} in {project}/{environment}"))
    if form == "svg" or services.png is None:
        return Response(drawn, media_type="image/svg+xml", headers={"Content-Security-Policy": "default-src 'none'"})
    return Response(services.png(drawn), media_type="image/png")


@router.get(PLACE + "/flags/{key}/insights", dependencies=READS)
def show_insights(
    project: str, environment: str, key: str, services: Serves, minutes: int = Query(60, ge=1, le=10080)
) -> list[SeriesView]:
    """Evaluations, units exposed, and what was served instead of what was assigned, over time by variation."""
    with services.store.read() as uow:
        if key not in uow.flags.state(project, environment).controls:
            raise NotFound("flag", key)
        where, span = Where(project=project, environment=environment, flag=key), charts.Span(uow.now, minutes)
        shown = charts.markers(uow, services.telemetry, where, span, None)
        return charts.insights(services.telemetry, where, span, shown)


@router.get(PLACE + "/snapshot", dependencies=READS, response_class=Response)
def export_snapshot(
    project: str, environment: str, request: Request, services: Serves, revision: int | None = None
) -> Response:
    """The published snapshot, now or as it was at an earlier revision, in canonical bytes."""
    if revision is None:
        snapshot = services.hub.snapshot(project, environment)
    else:
        with services.store.read() as uow:
            snapshot = uow.flags.state_at(project, environment, revision).snapshot()
    etag = f'"{snapshot.digest}"'
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return Response(snapshot.to_json(), media_type="application/json", headers={"ETag": etag})
