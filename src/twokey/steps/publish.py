"""The one writer of flag state. Every mutation, by whatever door, ends here.

Rules kept here:
- inside one transaction: gate, digest and base are checked again, state moves, the change and its audit entry stand;
- what no longer stands on its base becomes `stale`; nothing is merged after approval;
- the effect is computed again from the state of that moment and must be what was approved, and so must be who had to
  approve it: a policy, an environment or a control that asks for others by then makes it stale;
- proposals that stand together are applied, and set aside, together: one of them that no longer stands sets all aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from twokey.domain.audit import Happening, Outcome
from twokey.domain.case import CaseStatus
from twokey.domain.change import Cause, Change
from twokey.domain.control import State
from twokey.domain.drafting import touched_controls
from twokey.domain.errors import Conflict, Refused
from twokey.domain.gate import Gate, GateStatus
from twokey.domain.guarded_rollout import GuardedRollout, Plan, RolloutStatus
from twokey.domain.identity import Actor
from twokey.domain.job import JobKind
from twokey.domain.operation import (
    Action,
    Effect,
    Operation,
    action_of,
    apply_all,
    base_digests,
    describe,
    effect,
    touched,
)
from twokey.domain.policy import Environment, governs, required_roles, row_for
from twokey.domain.proposal import Proposal, ProposalStatus
from twokey.domain.rebuild import digests_of, initial_of
from twokey.ports import UnitOfWork
from twokey.steps.ask_gate import gate_of, members_of

FIRST_LOOK = timedelta(seconds=5)
"""How long after a change its effect is first looked for in the telemetry."""


_VERBS = {
    ProposalStatus.STALE: "stale",
    ProposalStatus.EXPIRED: "expire",
    ProposalStatus.WITHDRAWN: "withdraw",
    ProposalStatus.SUPERSEDED: "edit",
}
_BY_CLOCK = frozenset({ProposalStatus.STALE, ProposalStatus.EXPIRED})


class Publication(msgspec.Struct, frozen=True, kw_only=True):
    """On whose authority state moves: the cause, the actor, and what it belongs to."""

    cause: Cause
    actor: Actor
    project: str
    environment: str
    proposal: str | None = None
    case: str | None = None
    undoes: str | None = None
    because: str = ""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt to apply: the proposal as it now stands, its change, or why not."""

    proposal: Proposal
    gate: Gate
    change: Change | None = None
    problem: str = ""


def publish(uow: UnitOfWork, before: State, operations: Sequence[Operation], by: Publication) -> Change:
    """Move the environment's state from `before` by these operations; record the change and its audit entry."""
    after = apply_all(before, operations)
    report = effect(before, after)
    keys = touched(before, operations)
    change = Change(
        id=uow.new_id("change"),
        project=by.project,
        environment=by.environment,
        cause=by.cause,
        proposal=by.proposal,
        case=by.case,
        operations=tuple(operations),
        effect=report.effect,
        action=action_of(before, after, operations),
        summary="; ".join(describe(each, before) for each in operations[:5]),
        flags=tuple(sorted(keys.flags)),
        segments=tuple(sorted(keys.segments)),
        revision_before=before.revision,
        revision_after=before.revision + 1,
        applied_by=by.actor.id,
        applied_at=uow.now,
        undoes=by.undoes,
    )
    uow.flags.write(before, after, change.id, uow.now)
    uow.changes.add(change)
    uow.audit.append(_entry(change, by, after))
    sign_soon(uow)
    return change


def publish_first(uow: UnitOfWork, initial: State, actor: Actor) -> Change:
    """Give a new environment its first content. No client has met it, so nothing moves for anyone.

    It is no operation, since there is no state before it. Raises Conflict where the environment has content already.
    """
    before = uow.flags.state(initial.project, initial.environment)
    if before.revision or before.controls:
        raise Conflict(f"{initial.project}/{initial.environment} has content already", remedy="draft a proposal")
    after = msgspec.structs.replace(before, controls=initial.controls, segments=initial.segments)
    change = Change(
        id=uow.new_id("change"),
        project=initial.project,
        environment=initial.environment,
        cause=Cause.SETUP,
        proposal=None,
        case=None,
        operations=(),
        effect=Effect.WIDENS,
        action=Action.OTHER,
        summary=f"the environment starts with {len(initial.controls)} flags",
        flags=tuple(sorted(initial.controls)),
        segments=tuple(sorted(initial.segments)),
        revision_before=before.revision,
        revision_after=before.revision + 1,
        applied_by=actor.id,
        applied_at=uow.now,
    )
    uow.flags.write(before, after, change.id, uow.now)
    uow.changes.add(change)
    by = Publication(cause=Cause.SETUP, actor=actor, project=initial.project, environment=initial.environment)
    uow.audit.append(_entry(change, by, after))
    sign_soon(uow)
    return change


def sign_soon(uow: UnitOfWork) -> None:
    """Have a checkpoint of the audit log signed once this transaction stands."""
    uow.jobs.enqueue(JobKind.SIGN_CHECKPOINT, "audit", uow.now)


def _entry(change: Change, by: Publication, after: State) -> Happening:
    """What happened, with all that the state can be built again from."""
    return Happening(
        action="change.apply",
        subject=change.id,
        actor=by.actor.reference(),
        project=change.project,
        environment=change.environment,
        case=change.case,
        detail={
            "cause": str(change.cause),
            "summary": change.summary,
            "effect": str(change.effect),
            "flags": list(change.flags),
            "segments": list(change.segments),
            "revision_before": change.revision_before,
            "revision_after": change.revision_after,
            "operations": msgspec.to_builtins(change.operations),
            "left": digests_of(after, change.flags, change.segments),
            "because": by.because,
        }
        | ({"initial": initial_of(after)} if change.cause is Cause.SETUP else {})
        | ({"proposal": change.proposal} if change.proposal else {})
        | ({"undoes": change.undoes} if change.undoes else {}),
    )


def agree(uow: UnitOfWork, proposal: Proposal) -> Proposal:
    """Every key is turned: the proposal is approved, and with it those that stand together with it."""
    for each in members_of(uow, proposal):
        uow.proposals.replace(each.to(ProposalStatus.APPROVED))
    return proposal.to(ProposalStatus.APPROVED)


def apply_proposal(uow: UnitOfWork, proposal: Proposal, actor: Actor, *, breached: bool = False) -> Applied:
    """Apply an approved proposal, and those that stand together with it, if everything still holds for all of them.

    Raises Refused where the gate is not open. A proposal whose base moved becomes `stale`, and the others with it; the
    caller commits that and reports it.
    """
    gate = gate_of(uow, proposal, actor, breached=breached)
    if gate.status is not GateStatus.OPEN:
        raise Refused(f"the gate is not open: {gate.sentence}", gate)
    members = members_of(uow, proposal)
    for each in members:
        if problem := _moved(uow, each):
            where = f"{each.environment}: " if proposal.joint else ""
            return Applied(
                proposal=make_stale(uow, proposal, actor, where + problem), gate=gate, problem=where + problem
            )
    changes = {each.id: _publish(uow, each, actor) for each in members}
    return Applied(proposal=proposal.to(ProposalStatus.APPLIED), gate=gate, change=changes[proposal.id])


def _publish(uow: UnitOfWork, proposal: Proposal, actor: Actor) -> Change:
    """Do in one environment what was approved for it."""
    environment = uow.flags.environment(proposal.project, proposal.environment)
    by = Publication(
        cause=Cause.PROPOSAL if environment.guarded else Cause.UNGUARDED,
        actor=actor,
        project=proposal.project,
        environment=proposal.environment,
        proposal=proposal.id,
        case=proposal.case,
        because=proposal.reason,
    )
    before = uow.flags.state(proposal.project, proposal.environment)
    change = publish(uow, before, proposal.operations, by)
    uow.proposals.replace(proposal.to(ProposalStatus.APPLIED))
    watch_case(uow, proposal.case)
    if proposal.plan:
        _begin(uow, proposal, proposal.plan, change)
    return change


def _begin(uow: UnitOfWork, proposal: Proposal, plan: Plan, change: Change) -> None:
    """The first stage of a guarded rollout is live."""
    revision = uow.flags.state(proposal.project, proposal.environment).control(plan.flag).flag.revision
    rollout = GuardedRollout(
        id=uow.new_id("rollout"),
        project=proposal.project,
        environment=proposal.environment,
        flag=plan.flag,
        proposal=proposal.id,
        plan=plan,
        status=RolloutStatus.RUNNING,
        stage=0,
        first_revision=revision,
        revision=revision,
        started_at=uow.now,
        entered_at=uow.now,
    )
    uow.rollouts.add(rollout.noting("running", f"{change.id} began the first stage", change.applied_by, uow.now))
    uow.jobs.enqueue(JobKind.GUARD_ROLLOUT, rollout.id, uow.now + FIRST_LOOK)


def _moved(uow: UnitOfWork, proposal: Proposal) -> str:
    """Why a proposal no longer stands on what it was approved on; nothing where it does."""
    state = uow.flags.state(proposal.project, proposal.environment)
    environment = uow.flags.environment(proposal.project, proposal.environment)
    return _moved_content(state, proposal) or _moved_rules(state, environment, proposal, uow.gatekeeper().digest)


def _moved_content(state: State, proposal: Proposal) -> str:
    now = base_digests(state, proposal.operations)
    if moved := sorted(key for key in now.keys() | proposal.base.keys() if now.get(key) != proposal.base.get(key)):
        return f"{', '.join(moved)} changed since this was drafted at revision {proposal.base_revision}"
    after = apply_all(state, proposal.operations)
    computed = effect(state, after).effect
    if computed is not proposal.effect:
        return f"what it would do is no longer what was approved: `{computed}` instead of `{proposal.effect}`"
    return ""


def _moved_rules(state: State, environment: Environment, proposal: Proposal, policy_digest: str) -> str:
    after = apply_all(state, proposal.operations)
    controls = touched_controls(state, after, proposal.operations)
    row = row_for(proposal.effect, proposal.action)
    roles = required_roles(row, controls, environment, governs=governs(state, after))
    if set(roles) != set(proposal.required_roles):
        return f"who must agree changed since this was drafted: it now takes {', '.join(roles) or 'no keys'}"
    if proposal.policy_digest != policy_digest:
        return "the written policy changed since this was drafted"
    return ""


def make_stale(uow: UnitOfWork, proposal: Proposal, actor: Actor, problem: str) -> Proposal:
    """Set a proposal aside because what it stands on has moved."""
    return set_aside(uow, proposal, ProposalStatus.STALE, actor, problem)


def expire(uow: UnitOfWork, proposal: Proposal, actor: Actor) -> Proposal:
    """Set a proposal aside because its time ran out."""
    return set_aside(
        uow, proposal, ProposalStatus.EXPIRED, actor, f"expired at {proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    )


def set_aside(uow: UnitOfWork, proposal: Proposal, status: ProposalStatus, actor: Actor, problem: str) -> Proposal:
    """Move a waiting proposal aside, and those that stand together with it, with the reason on record."""
    aside = proposal.to(status)
    for each in members_of(uow, proposal):
        _set_aside(uow, each, status, actor, problem)
    return aside


def _set_aside(uow: UnitOfWork, proposal: Proposal, status: ProposalStatus, actor: Actor, problem: str) -> None:
    """Its case goes back to where it stood."""
    uow.proposals.replace(proposal.to(status))
    uow.audit.append(
        Happening(
            action=f"proposal.{_VERBS[status]}",
            subject=proposal.id,
            actor=actor.reference(),
            outcome=Outcome.REFUSED if status in _BY_CLOCK else Outcome.DONE,
            project=proposal.project,
            environment=proposal.environment,
            case=proposal.case,
            detail={"title": proposal.title, "problem": problem},
        )
    )
    release_case(uow, proposal.case)


def watch_case(uow: UnitOfWork, case_id: str | None) -> None:
    """A change of the case is live: watch it, and look at its evidence soon. A closed case stays closed."""
    if case_id is None:
        return
    case = uow.cases.get(case_id)
    if case.status is CaseStatus.CLOSED:
        return
    if case.status is not CaseStatus.WATCHING:
        case = case.to(CaseStatus.WATCHING, uow.now)
    uow.cases.replace(msgspec.structs.replace(case, acted=True, updated_at=uow.now))
    uow.jobs.enqueue(JobKind.CHECK_EVIDENCE, case_id, uow.now + FIRST_LOOK)


def release_case(uow: UnitOfWork, case_id: str | None) -> None:
    """A proposal of the case fell away: unless another one waits, the case goes back to where it stood before."""
    if case_id is None:
        return
    case = uow.cases.get(case_id)
    waiting = any(
        uow.proposals.count(case=case_id, status=str(status))
        for status in (ProposalStatus.PENDING, ProposalStatus.APPROVED)
    )
    if case.status is CaseStatus.ACTING and not waiting:
        uow.cases.replace(case.to(CaseStatus.WATCHING if case.acted else CaseStatus.TRIAGED, uow.now))
