"""Drafting: from operations and a reason to a sealed proposal, all of it computed from the state.

Rules kept here:
- reverse, rollback, effect, action, base, blast radius, required roles and digest are computed, never drafted;
- both ways back are proven by replay; what cannot be proven is refused;
- an assistant cannot draft what its row of the decision matrix forbids.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from twokey.domain.control import Control, State
from twokey.domain.errors import Refused
from twokey.domain.evidence import Evidence
from twokey.domain.experiment import check_experiment
from twokey.domain.exposure import BlastRadius, RecordedContext, blast_radius
from twokey.domain.finding import Finding, content_digest
from twokey.domain.gate import Gate, GateStatus, question, refusal
from twokey.domain.guarded_rollout import Plan, check_plan, operation_of
from twokey.domain.identity import Actor
from twokey.domain.operation import (
    Action,
    Effect,
    Operation,
    Proof,
    action_of,
    apply_all,
    base_digests,
    describe,
    effect,
    prove_ways_back,
    touched,
)
from twokey.domain.permission import Rules, Verb
from twokey.domain.policy import Environment, Row, governs, required_roles, row_for
from twokey.domain.proposal import ApplyMode, Author, Proposal, ProposalStatus, Way, seal
from twokey.engine import Snapshot
from twokey.engine.errors import Invalid


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an author may decide about a proposal. Everything else is computed."""

    project: str
    environment: str
    operations: tuple[Operation, ...]
    reason: str
    case: str | None = None
    title: str = ""
    expected_effect: str = ""
    lower_rungs: tuple[str, ...] = ()
    justification: str = ""
    code_reference_review: str = ""
    apply: ApplyMode = ApplyMode.WHEN_OPEN
    apply_at: datetime | None = None
    evidence: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    finding: str | None = None
    plan: Plan | None = None
    supersedes: str | None = None
    editors: tuple[str, ...] = ()
    author: Author | None = None


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What a draft is computed from, as it was read in one transaction."""

    state: State
    environment: Environment
    evidence: tuple[Evidence, ...]
    finding: Finding | None = None
    contexts: tuple[RecordedContext, ...]
    rules: Rules


def compose(draft: Draft, actor: Actor, basis: Basis, id: str, now: datetime) -> Proposal:
    """A pending proposal for this draft on this state, sealed.

    Raises Invalid for operations that do not apply or change nothing, Refused where the matrix or the proof of the ways
    back forbids it.
    """
    draft = _begun(draft, basis.state)
    _check_times(draft, basis.environment, now)
    before, after = basis.state, apply_all(basis.state, draft.operations)
    _check_begun(before, after)
    report, action = effect(before, after), action_of(before, after, draft.operations)
    if action is Action.NOTHING:
        raise Invalid("operations", "they change nothing", "operations that change something")
    row = row_for(report.effect, action)
    published = before.snapshot()
    proof = prove_ways_back(before, draft.operations, basis.contexts, published)
    if not proof.ok:
        raise Refused(f"a way back cannot be proven: {proof.reason}")
    last = _last_stage(draft, basis, published)
    touched_before = touched_controls(before, after, draft.operations)
    computed = Computed(
        effect=report.effect,
        because=tuple(each.because for each in report.flags),
        action=action,
        ways=proof,
        row=row,
        roles=required_roles(row, touched_before, basis.environment, governs=governs(before, after)),
        surfaces=tuple(sorted({str(each.surface) for each in touched_before})),
        radius=_radius(before, last, (published, apply_all(before, last).snapshot(published)), basis.contexts),
    )
    proposal = seal(_proposal(draft, draft.author or _author(actor), basis, computed, id, now))
    _check_author(proposal, actor, row, basis)
    return proposal


def _check_begun(before: State, after: State) -> None:
    """Raise Invalid where an experiment begins, or is judged otherwise, that could not be carried out."""
    for key, control in after.controls.items():
        known = before.controls.get(key)
        if control.experiment is not None and (known is None or known.experiment != control.experiment):
            check_experiment(control.experiment, control.flag, control.guardrails)


def _begun(draft: Draft, state: State) -> Draft:
    """A guarded rollout's operations follow from its plan: they begin its first stage."""
    if draft.plan is None:
        return draft
    control = state.control(draft.plan.flag)
    check_plan(draft.plan, control)
    return msgspec.structs.replace(draft, operations=(operation_of(draft.plan, 0, control),))


def _last_stage(draft: Draft, basis: Basis, published: Snapshot) -> tuple[Operation, ...]:
    """What the whole of a plan comes to; each stage's way back is proven before. Raises Refused where one is not."""
    if draft.plan is None:
        return draft.operations
    control = basis.state.control(draft.plan.flag)
    stages = [operation_of(draft.plan, number, control) for number in range(len(draft.plan.stages))]
    for number in range(2, len(stages) + 1):
        if not (proof := prove_ways_back(basis.state, stages[:number], basis.contexts, published)).ok:
            raise Refused(f"a way back from stage {number} cannot be proven: {proof.reason}")
    return tuple(stages)


class Computed(NamedTuple):
    """What the control plane found out about a draft."""

    effect: Effect
    because: tuple[str, ...]
    action: Action
    ways: Proof
    row: Row
    roles: tuple[str, ...]
    surfaces: tuple[str, ...]
    radius: BlastRadius


def _author(actor: Actor) -> Author:
    return Author(id=actor.id, kind=actor.kind, on_behalf_of=actor.on_behalf_of)


def _proposal(draft: Draft, author: Author, basis: Basis, found: Computed, id: str, now: datetime) -> Proposal:
    before = basis.state
    return Proposal(
        id=id,
        case=draft.case,
        project=draft.project,
        environment=draft.environment,
        title=draft.title or _title(draft, before),
        status=ProposalStatus.PENDING,
        author=author,
        editors=draft.editors,
        operations=draft.operations,
        effect=found.effect,
        effect_because=found.because,
        action=found.action,
        reverse=Way(operations=found.ways.reverse, effect=found.ways.reverse_effect),
        rollback=Way(operations=found.ways.rollback, effect=found.ways.rollback_effect),
        proven_on=found.ways.contexts_replayed,
        reason=draft.reason,
        expected_effect=draft.expected_effect,
        lower_rungs=draft.lower_rungs,
        justification=draft.justification,
        code_reference_review=draft.code_reference_review,
        base_revision=before.revision,
        base=base_digests(before, draft.operations),
        evidence={each.id: each.sha256 for each in basis.evidence},
        gaps=draft.gaps,
        blast_radius=found.radius,
        surfaces=found.surfaces,
        required_roles=found.roles,
        policy_row=found.row.key,
        policy_digest=basis.rules.digest,
        apply=draft.apply,
        apply_at=draft.apply_at,
        created_at=now,
        expires_at=now + timedelta(hours=basis.environment.proposal_hours),
        finding=draft.finding,
        finding_digest=content_digest(basis.finding) if basis.finding else "",
        supersedes=draft.supersedes,
        plan=draft.plan,
    )


def _title(draft: Draft, before: State) -> str:
    if draft.plan is None:
        return describe(draft.operations[0], before)
    shares = ", ".join(f"{each.share / 1000:g} %" for each in draft.plan.stages)
    return f"Roll out {draft.plan.candidate} of {draft.plan.flag} by stages: {shares}"


def touched_controls(before: State, after: State, operations: Sequence[Operation]) -> tuple[Control, ...]:
    """The controls that these operations touch, as they are (or, where new, as they will be)."""
    keys = sorted(touched(before, operations).flags | touched(after, operations).flags)
    found = [before.controls.get(key) or after.controls.get(key) for key in keys]
    return tuple(each for each in found if each is not None)


def _radius(
    state: State,
    operations: Sequence[Operation],
    before_and_after: tuple[Snapshot, Snapshot],
    contexts: Sequence[RecordedContext],
) -> BlastRadius:
    return blast_radius(*before_and_after, tuple(sorted(touched(state, operations).flags)), contexts)


def _check_author(proposal: Proposal, actor: Actor, row: Row, basis: Basis) -> None:
    asked = question(proposal, row, Verb.DRAFT, actor, guarded=basis.environment.guarded)
    ruling = basis.rules.ask(asked)
    if not ruling.allowed or ruling.problem:
        sentence = refusal(actor, Verb.DRAFT, row, ruling.policies, ruling.problem)
        raise Refused(sentence, Gate(status=GateStatus.REFUSED, sentence=sentence, rule="draft"))


def _check_times(draft: Draft, environment: Environment, now: datetime) -> None:
    if not draft.operations:
        raise Invalid("operations", "is empty", "at least one operation")
    if draft.apply is not ApplyMode.AT:
        return
    latest = now + timedelta(hours=environment.proposal_hours)
    at = draft.apply_at
    if at is None or at.tzinfo is None or not now < at < latest:
        accepted = f"a time with its offset, in the future, before {latest:%Y-%m-%d %H:%M} UTC"
        raise Invalid("apply_at", f"is `{at}`", accepted)


__all__ = ["Action", "Basis", "Draft", "Effect", "compose", "touched_controls"]
