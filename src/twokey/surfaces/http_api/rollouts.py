"""Guarded rollouts: how they stand, and what people do about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from twokey.domain.guarded_rollout import LIVE, GuardedRollout, Opens, RolloutStatus
from twokey.domain.identity import Actor, Scope
from twokey.ports import UnitOfWork
from twokey.steps import guard_rollout
from twokey.surfaces.calls import Acts, Before, Calls, Serves, StrictBodies, check_reach, prove, reads
from twokey.surfaces.http_api.case_views import verdict_view
from twokey.surfaces.http_api.models import MoveRollout, PauseRollout, RolloutStep, RolloutView
from twokey.surfaces.http_api.proposal_views import plan_view
from twokey.surfaces.services import Services

router = APIRouter(prefix="/rollouts", tags=["rollouts"], route_class=StrictBodies)
Reads = Annotated[Actor, reads(Scope.FLAGS_READ)]


@router.get("")
def list_rollouts(
    actor: Reads,
    services: Serves,
    project: str | None = None,
    environment: str | None = None,
    flag: str | None = None,
    status: str | None = None,
    before: Before = None,
    limit: int = Query(100, ge=1, le=500),
) -> list[RolloutView]:
    """Guarded rollouts, newest first; those older than `before`, where it is given."""
    asked = {"project": project, "environment": environment, "flag": flag, "status": status}
    if not actor.may_turn_key:
        asked |= {"project": actor.project, "environment": actor.environment}
    given = {key: value for key, value in asked.items() if value is not None}
    with services.store.read() as uow:
        return [_view(uow, each, actor) for each in uow.rollouts.where(limit=limit, before=before, **given)]


@router.get("/{id}")
def show_rollout(id: str, actor: Reads, services: Serves) -> RolloutView:
    """One guarded rollout."""
    return _show(services, id, actor)


@router.post("/{id}/pause")
def pause_rollout(id: str, body: PauseRollout, actor: Acts, services: Serves) -> RolloutView:
    """Stay at the present stage. For whoever holds an approver role; a breach is still taken back."""
    guard_rollout.pause(services.store, actor, id, body.note)
    return _show(services, id, actor)


@router.post("/{id}/resume")
def resume_rollout(id: str, body: MoveRollout, request: Request, caller: Calls, services: Serves) -> RolloutView:
    """Go on within the plan that was approved, with fresh proof; the stage begins anew."""
    guard_rollout.resume(services.store, caller.actor, id, prove(request, caller, body), body.note)
    return _show(services, id, caller.actor)


@router.post("/{id}/agree")
def agree_to_next_stage(id: str, body: MoveRollout, request: Request, caller: Calls, services: Serves) -> RolloutView:
    """Open the way out of a stage whose plan asks a person, with fresh proof."""
    guard_rollout.agree(services.store, caller.actor, id, prove(request, caller, body), body.note)
    return _show(services, id, caller.actor)


@router.post("/{id}/stop")
def stop_rollout(id: str, body: MoveRollout, request: Request, caller: Calls, services: Serves) -> RolloutView:
    """End it where it is, with fresh proof: no stage follows, and nothing is rolled back."""
    guard_rollout.stop(services.store, caller.actor, id, prove(request, caller, body), body.note)
    return _show(services, id, caller.actor)


@router.post("/{id}/roll-back")
def roll_back_rollout(id: str, body: MoveRollout, request: Request, caller: Calls, services: Serves) -> RolloutView:
    """Take the way back that was approved with the plan, with fresh proof."""
    guard_rollout.roll_back(services.store, caller.actor, id, prove(request, caller, body), body.note)
    return _show(services, id, caller.actor)


def _show(services: Services, id: str, actor: Actor) -> RolloutView:
    with services.store.read() as uow:
        rollout = uow.rollouts.get(id)
        check_reach(actor, rollout.project, rollout.environment)
        return _view(uow, rollout, actor)


def _view(uow: UnitOfWork, rollout: GuardedRollout, actor: Actor) -> RolloutView:
    return RolloutView(
        id=rollout.id,
        project=rollout.project,
        environment=rollout.environment,
        flag=rollout.flag,
        proposal=rollout.proposal,
        status=rollout.status.value,
        plan=plan_view(rollout.plan),
        stage=rollout.stage,
        started_at=rollout.started_at,
        entered_at=rollout.entered_at,
        looked_at=rollout.looked_at,
        because=rollout.because,
        units=rollout.units,
        verdicts=[verdict_view(each) for each in rollout.verdicts],
        steps=[RolloutStep(at=each.at, what=each.what, sentence=each.sentence, by=each.by) for each in rollout.steps],
        may=_may(uow, rollout, actor),  # type: ignore[arg-type]
    )


def _may(uow: UnitOfWork, rollout: GuardedRollout, actor: Actor) -> list[str]:
    """What this person may do about it now."""
    roles = set(uow.proposals.get(rollout.proposal).required_roles)
    held = actor.roles_in(rollout.project, rollout.environment)
    if rollout.status not in LIVE or not actor.may_turn_key or (roles and not held & roles):
        return []
    waits = rollout.status is RolloutStatus.RUNNING and rollout.here.opens is Opens.APPROVAL and not rollout.agreed
    first = ["pause", *(["agree"] if waits else [])] if rollout.status is RolloutStatus.RUNNING else ["resume"]
    return [*first, "stop", "roll-back"]
