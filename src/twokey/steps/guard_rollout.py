"""Look after a guarded rollout: widen it by its plan, pause it, roll it back; and do what a person asks of it.

Rules kept here:
- a stage begins only as it was approved: the plan's digest still fits, the proposal is live, the flag is as the rollout
  left it, and the written policy is asked again, with the keys that were turned;
- the way back on a breach is the one that was approved, where it is computed to narrow what is served now. The plan's
  own digest is the principal: a rule that people approved, which may only narrow, while a guardrail is breached;
- looking twice does nothing twice: what was seen is held against the rollout as it stands in the writing transaction;
- only people with an approver role and fresh proof resume, open a stage, stop or roll back; any of them pauses.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from twokey.domain.approval import Proof
from twokey.domain.audit import Happening
from twokey.domain.change import Cause, Change
from twokey.domain.control import Control, State
from twokey.domain.errors import Conflict, Refused
from twokey.domain.guarded_rollout import (
    LIVE,
    MOST_STAGES,
    Act,
    Decided,
    GuardedRollout,
    Opens,
    RolloutStatus,
    Sight,
    decide,
    leans,
    operation_of,
)
from twokey.domain.identity import SCHEDULE, SYSTEM, Actor, ActorKind
from twokey.domain.job import JobKind
from twokey.domain.operation import Effect, Operation, apply_all, effect, same_content
from twokey.domain.permission import Verb
from twokey.domain.proposal import Proposal, ProposalStatus, is_sealed
from twokey.domain.stages import split_plans
from twokey.domain.telemetry import Scope, Telemetry, Window
from twokey.engine.errors import Invalid
from twokey.ports import FlagVersion, Store, UnitOfWork
from twokey.steps.ask_gate import check_permitted
from twokey.steps.publish import Publication, publish, watch_case
from twokey.steps.see_guardrails import see

EVERY = timedelta(seconds=10)
"""How often a rollout is looked at; one of short stages more often, five times a stage, at most each second."""
VERSIONS = 1000


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout with its flag as it stands."""

    rollout: GuardedRollout
    control: Control
    versions: tuple[FlagVersion, ...]


# ---------------------------------------------------------------- by the clock


def look(store: Store, telemetry: Telemetry, id: str) -> GuardedRollout:
    """Look at a rollout and do what its plan says. Raises NotFound."""
    with store.read() as uow:
        known = _known(uow, id)
        now = uow.now
    if known.rollout.status not in LIVE:
        return known.rollout
    with telemetry.first():
        sight = _see(telemetry, known, now)
    with store.begin() as uow:
        current = _known(uow, id)
        if current.rollout.status not in LIVE:
            return current.rollout
        uow.jobs.enqueue(JobKind.GUARD_ROLLOUT, id, uow.now + _pause_after(current.rollout))
        if current.rollout.stage != known.rollout.stage or current.rollout.status is not known.rollout.status:
            return current.rollout  # somebody was faster: what was seen is of another stage
        seen = replace(current.rollout, looked_at=uow.now, units=sight.units, verdicts=tuple(sight.verdicts))
        sight = replace(sight, moved=_moved(uow, current))
        return _do(uow, current, seen, decide(seen, sight, uow.now))


def _pause_after(rollout: GuardedRollout) -> timedelta:
    shortest = min(each.minutes for each in rollout.plan.stages)
    return min(EVERY, max(timedelta(seconds=1), timedelta(minutes=shortest) / 5))


def _known(uow: UnitOfWork, id: str) -> _Known:
    rollout = uow.rollouts.get(id)
    place = (rollout.project, rollout.environment)
    return _Known(
        rollout=rollout,
        control=uow.flags.state(*place).control(rollout.flag),
        versions=uow.flags.versions(*place, rollout.flag, limit=VERSIONS),
    )


def _see(telemetry: Telemetry, known: _Known, now: datetime) -> Sight:
    """Verdicts over the rollout's stages, and over the present one alone: each stage is a stratum of its own."""
    rollout, flag = known.rollout, known.control.flag
    versions = [(each.revision, each.control) for each in known.versions]
    plans = split_plans(versions, flag.baseline)
    ours = [n for n, plan in enumerate(plans) if _is_ours(plan.rule, plan.first_revision, rollout)]
    scope = Scope(project=rollout.project, environment=rollout.environment, flag=rollout.flag)
    seen = see(
        telemetry,
        scope,
        known.control,
        plans,
        since=rollout.entered_at,
        now=now,
        candidate=rollout.plan.candidate,
    )
    present = [n for n in ours if plans[n].first_revision == rollout.revision]
    here = [arms for n in present if (arms := seen.arms(n)) is not None]
    units = sum(each.candidate.units for each in here) if here else _met(telemetry, scope, rollout, now)
    alone = seen.verdicts(present) if present else ()
    leaning = [each.name for each, verdict in zip(seen.guardrails, alone, strict=False) if leans(each, verdict)]
    return Sight(verdicts=seen.verdicts(ours), here=alone, leaning=leaning, units=units)


def _met(telemetry: Telemetry, scope: Scope, rollout: GuardedRollout, now: datetime) -> int:
    """The candidate's units in a stage that has no control arm."""
    counts = telemetry.exposure_counts(scope, window=Window(since=rollout.entered_at, until=now))
    ours = (rollout.plan.rule_of(rollout.stage), rollout.plan.candidate)
    return sum(each.units for each in counts if (each.rule, each.assigned) == ours)


def _is_ours(rule: str | None, first_revision: int, rollout: GuardedRollout) -> bool:
    return rule in rollout.plan.rules and first_revision >= rollout.first_revision


def _moved(uow: UnitOfWork, known: _Known) -> str:
    """Why the flag, or what was approved, is no longer as the rollout left it."""
    rollout, control = known.rollout, known.control
    proposal = uow.proposals.get(rollout.proposal)
    if proposal.status is not ProposalStatus.APPLIED:
        return f"its proposal is {proposal.status}"
    if not is_sealed(proposal) or proposal.plan != rollout.plan:
        return "its plan is no longer what was approved"
    if control.flag.revision != rollout.revision:
        return f"`{rollout.flag}` was changed by others since (revision {control.flag.revision})"
    return ""


def _do(uow: UnitOfWork, known: _Known, rollout: GuardedRollout, decided: Decided) -> GuardedRollout:
    match decided.act:
        case Act.WAIT:
            after = replace(rollout, because=decided.sentence)
            uow.rollouts.replace(after)
            return after
        case Act.PAUSE:
            return _settle(uow, rollout, RolloutStatus.PAUSED, decided.sentence, SYSTEM)
        case Act.COMPLETE:
            return _settle(uow, rollout, RolloutStatus.COMPLETED, decided.sentence, SYSTEM)
        case Act.ROLL_BACK:
            return _roll_back(uow, rollout, decided.sentence, _plan_actor(uow, rollout), breached=True)
        case Act.ADVANCE:
            try:
                return _advance(uow, known, rollout, decided.sentence)
            except (Refused, Invalid) as error:
                return _settle(uow, rollout, RolloutStatus.PAUSED, f"the next stage was refused: {error}", SYSTEM)


def _plan_actor(uow: UnitOfWork, rollout: GuardedRollout) -> Actor:
    """The rule that people approved, named by its digest."""
    return Actor(id=f"plan:{uow.proposals.get(rollout.proposal).digest}", kind=ActorKind.POLICY)


# ---------------------------------------------------------------- moving


def _advance(uow: UnitOfWork, known: _Known, rollout: GuardedRollout, sentence: str) -> GuardedRollout:
    proposal = uow.proposals.get(rollout.proposal)
    check_permitted(uow, proposal, SCHEDULE, Verb.APPLY)
    stage = rollout.stage + 1
    operation = operation_of(rollout.plan, stage, known.control)
    because = f"stage {stage + 1} of {len(rollout.plan.stages)}: {sentence}"
    change = _publish(uow, rollout, proposal, (operation,), Cause.ROLLOUT, SCHEDULE, because)
    revision = uow.flags.state(rollout.project, rollout.environment).control(rollout.flag).flag.revision
    after = replace(rollout, stage=stage, revision=revision, entered_at=uow.now, agreed=False, units=0, because="")
    after = after.noting("advanced", f"{change.id}: {because}", SCHEDULE.id, uow.now)
    uow.rollouts.replace(after)
    _tell(uow, after, "rollout.advance", SCHEDULE, because)
    return after


def _roll_back(
    uow: UnitOfWork, rollout: GuardedRollout, sentence: str, actor: Actor, *, breached: bool
) -> GuardedRollout:
    """Apply the approved rollback, where it narrows what is served now; else say so and pause, loudly."""
    proposal = uow.proposals.get(rollout.proposal)
    before = uow.flags.state(rollout.project, rollout.environment)
    if not (operations := _way_back(before, proposal)):
        if rollout.status is RolloutStatus.PAUSED:
            return rollout
        why = f"breached, but the approved rollback no longer narrows what is served: {sentence}"
        return _settle(uow, rollout, RolloutStatus.PAUSED, why, SYSTEM)
    verb = Verb.APPLY if actor.kind is ActorKind.POLICY else Verb.REVERSE
    check_permitted(uow, proposal, actor, verb, Effect.NARROWS, breached=breached)
    change = _publish(uow, rollout, proposal, operations, Cause.ROLLBACK, actor, sentence)
    if proposal.status is ProposalStatus.APPLIED:
        uow.proposals.replace(proposal.to(ProposalStatus.REVERSED))
    return _settle(uow, rollout, RolloutStatus.ROLLED_BACK, f"{change.id}: {sentence}", actor)


def _way_back(before: State, proposal: Proposal) -> tuple[Operation, ...]:
    """The approved rollback, if it still applies and narrows; nothing else is ever applied in its place."""
    operations = proposal.rollback.operations
    try:
        after = apply_all(before, operations)
    except Invalid:
        return ()
    narrows = effect(before, after).effect is Effect.NARROWS
    return operations if narrows and not same_content(before, after) else ()


def _publish(
    uow: UnitOfWork,
    rollout: GuardedRollout,
    proposal: Proposal,
    operations: Sequence[Operation],
    cause: Cause,
    actor: Actor,
    because: str,
) -> Change:
    by = Publication(
        cause=cause,
        actor=actor,
        project=rollout.project,
        environment=rollout.environment,
        proposal=proposal.id,
        case=proposal.case,
        undoes=_begun_by(uow, proposal) if cause is Cause.ROLLBACK else None,
        because=because,
    )
    change = publish(uow, uow.flags.state(rollout.project, rollout.environment), operations, by)
    watch_case(uow, proposal.case)
    return change


def _begun_by(uow: UnitOfWork, proposal: Proposal) -> str:
    """The change that began the first stage."""
    return uow.changes.where(proposal=proposal.id, limit=MOST_STAGES + 1)[-1].id


def _settle(
    uow: UnitOfWork, rollout: GuardedRollout, status: RolloutStatus, sentence: str, actor: Actor
) -> GuardedRollout:
    after = rollout.to(status, sentence, actor.id, uow.now)
    uow.rollouts.replace(after)
    _tell(uow, after, f"rollout.{status}", actor, sentence)
    return after


def _tell(uow: UnitOfWork, rollout: GuardedRollout, action: str, actor: Actor, sentence: str) -> None:
    uow.audit.append(
        Happening(
            action=action,
            subject=rollout.id,
            actor=actor.reference(),
            project=rollout.project,
            environment=rollout.environment,
            case=uow.proposals.get(rollout.proposal).case,
            detail={
                "flag": rollout.flag,
                "stage": rollout.stage + 1,
                "stages": len(rollout.plan.stages),
                "sentence": sentence,
                "verdicts": {each.guardrail: str(each.status) for each in rollout.verdicts},
            },
        )
    )


# ---------------------------------------------------------------- by people


def pause(store: Store, actor: Actor, id: str, note: str) -> GuardedRollout:
    """Stay where it is. Raises Refused, Conflict where it does not run, Invalid without a reason."""
    with store.begin() as uow:
        rollout = _asked(uow, actor, id, note)
        return _settle(uow, rollout, RolloutStatus.PAUSED, note, actor)


def resume(store: Store, actor: Actor, id: str, proof: Proof | None, note: str) -> GuardedRollout:
    """Go on within the plan; the stage begins anew. Raises Refused, Conflict (not paused, or the flag moved)."""
    _check_present(proof)
    with store.begin() as uow:
        rollout = _asked(uow, actor, id, note)
        known = _known(uow, id)
        if moved := _moved(uow, known):
            raise Conflict(moved, remedy="stop it, and propose another plan on the flag as it is")
        return _settle(uow, replace(rollout, entered_at=uow.now), RolloutStatus.RUNNING, note, actor)


def agree(store: Store, actor: Actor, id: str, proof: Proof | None, note: str) -> GuardedRollout:
    """Open the way out of the present stage, where its plan asks a person. Raises Refused, Conflict."""
    _check_present(proof)
    with store.begin() as uow:
        rollout = _asked(uow, actor, id, note)
        if rollout.status is not RolloutStatus.RUNNING or rollout.here.opens is not Opens.APPROVAL or rollout.agreed:
            raise Conflict("this stage does not wait for a person", remedy="see what it waits for")
        after = replace(rollout, agreed=True).noting("agreed", note, actor.id, uow.now)
        uow.rollouts.replace(after)
        _tell(uow, after, "rollout.agree", actor, note)
        return after


def stop(store: Store, actor: Actor, id: str, proof: Proof | None, note: str) -> GuardedRollout:
    """End it where it is: no stage follows, and nothing is rolled back. Raises Refused, Conflict."""
    _check_present(proof)
    with store.begin() as uow:
        return _settle(uow, _asked(uow, actor, id, note), RolloutStatus.STOPPED, note, actor)


def roll_back(store: Store, actor: Actor, id: str, proof: Proof | None, note: str) -> GuardedRollout:
    """Take the approved way back now. Raises Refused, Conflict where it no longer narrows."""
    _check_present(proof)
    with store.begin() as uow:
        rollout = _asked(uow, actor, id, note)
        if not _way_back(uow.flags.state(rollout.project, rollout.environment), uow.proposals.get(rollout.proposal)):
            raise Conflict("the approved rollback no longer narrows what is served", remedy="draft a proposal")
        return _roll_back(uow, rollout, note, actor, breached=False)


def _check_present(proof: Proof | None) -> None:
    if proof is None:
        raise Refused("this needs fresh proof that you are here: your password, a code or a passkey")


def _asked(uow: UnitOfWork, actor: Actor, id: str, note: str) -> GuardedRollout:
    """The live rollout, asked for by somebody who may. Raises Refused, Conflict, Invalid."""
    if not actor.may_turn_key:
        raise Refused(f"only a person does this to a rollout; this is a token of kind `{actor.kind}`")
    if not note.strip():
        raise Invalid("note", "is empty", "why, in a sentence")
    rollout = uow.rollouts.get(id)
    roles = uow.proposals.get(rollout.proposal).required_roles
    if roles and not actor.roles_in(rollout.project, rollout.environment) & set(roles):
        raise Refused(f"only somebody with an approver role does this: {', '.join(roles)}")
    if rollout.status not in LIVE:
        raise Conflict(f"{rollout.id} is {rollout.status}: it has ended")
    return rollout
