"""Draft a proposal, or edit one: an edit is a new proposal with a new digest and no approvals.

Rules kept here:
- replaying contexts takes time, so it happens outside the transaction; if the state moved meanwhile it is done again;
- everyone who wrote or edited any earlier edition stays an editor of the next;
- a finding is drafted once, however many workers come to it;
- what stands together is drafted, and edited, together: each part on the state of its environment at one moment;
- who reviewed the references to one set of operations has not reviewed another: a token's edit drops that.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from twokey.domain.audit import Happening
from twokey.domain.case import CaseStatus
from twokey.domain.control import State
from twokey.domain.drafting import Basis, Draft, compose
from twokey.domain.errors import Conflict, NotFound, Refused
from twokey.domain.exposure import BlastRadius
from twokey.domain.guarded_rollout import LIVE
from twokey.domain.identity import ANALYST, Actor, ActorKind
from twokey.domain.job import JobKind
from twokey.domain.joint import check_places, join
from twokey.domain.operation import Operation
from twokey.domain.permission import Rules
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.domain.telemetry import Scope, Telemetry, Window
from twokey.engine.errors import Invalid
from twokey.ports import Store, UnitOfWork
from twokey.steps.ask_gate import members_of
from twokey.steps.publish import set_aside

REPLAYED = 10_000
"""At most so many recorded contexts are replayed for blast radius and proof."""
LOOK_BACK = timedelta(hours=24)
MOST_WAITING = 20
"""So many proposals of one token may wait in an environment."""
TRIES = 5


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """What an edit changes; what is None stays as it was."""

    digest: str
    operations: tuple[Operation, ...] | None = None
    reason: str | None = None
    apply: ApplyMode | None = None
    apply_at: datetime | None = None


def draft(store: Store, telemetry: Telemetry, actor: Actor, wanted: Draft) -> Proposal:
    """Draft a proposal on the present state. Raises Invalid, NotFound, Refused; Conflict where its case is closed."""
    (proposal,) = draft_all(store, telemetry, actor, (wanted,))
    return proposal


def draft_all(store: Store, telemetry: Telemetry, actor: Actor, wanted: Sequence[Draft]) -> tuple[Proposal, ...]:
    """Draft what stands or falls together: one draft, or one for each of several environments of a project.

    Raises as `draft` does, and Invalid for places that cannot stand together.
    """
    if len(wanted) != 1:
        if any(each.plan for each in wanted):
            raise Invalid("plan", "stands together with others", "a guarded rollout of its own in each environment")
        check_places([(each.project, each.environment) for each in wanted])
    for each in wanted:
        _check_reach(actor, each.project, each.environment)
    for _ in range(TRIES):
        bases = [_read(store, telemetry, each) for each in wanted]
        with store.begin() as uow:
            now = [uow.flags.revision(each.state.project, each.state.environment) for each in bases]
            if now == [each.state.revision for each in bases]:
                return _commit(uow, actor, wanted, bases)
    raise Conflict("the environment kept changing while this was drafted", remedy="try again")


def preview(store: Store, telemetry: Telemetry, actor: Actor, wanted: Draft) -> tuple[State, Proposal]:
    """What a draft would come to, and the state it was computed on. Nothing is kept. Raises as `draft` does."""
    _check_reach(actor, wanted.project, wanted.environment)
    with store.read() as uow:
        now = uow.now
    basis = _read(store, telemetry, wanted)
    return basis.state, compose(wanted, actor, basis, "preview", now)


def draft_from_finding(store: Store, telemetry: Telemetry, finding_id: str) -> Proposal | None:
    """Draft what the analyst's finding asks for, once. Nothing where it abstains, or somebody acted in the meantime.

    What an outside assistant drafted is no act: it neither stands in for the analyst's draft nor keeps it away.
    """
    with store.read() as uow:
        finding = uow.findings.get(finding_id)
        case = uow.cases.get(finding.case)
        proposals = uow.proposals.where(case=case.id)
    others = [each for each in proposals if each.author.id == ANALYST.id or each.author.kind is not ActorKind.AGENT]
    if not finding.operations or others or case.status not in (CaseStatus.TRIAGED, CaseStatus.ACTING):
        return None
    wanted = Draft(
        project=case.project,
        environment=case.environment,
        case=case.id,
        title=finding.title,
        operations=finding.operations,
        reason=finding.reason,
        expected_effect=finding.expected_effect,
        lower_rungs=finding.lower_rungs,
        evidence=finding.evidence,
        gaps=tuple(each.id for each in finding.gaps),
        finding=finding.id,
    )
    return draft(store, telemetry, ANALYST, wanted)


def edit(store: Store, telemetry: Telemetry, actor: Actor, id: str, changes: Edit) -> Proposal:
    """Replace a pending proposal by an edited one. The earlier one is superseded in the same transaction.

    Where it stands together with others, all of them are drafted anew; new operations are for this one alone.

    Raises Conflict for a digest that is not the proposal's, or a proposal that no longer waits.
    """
    with store.read() as uow:
        old = uow.proposals.get(id)
        members = members_of(uow, old)
    if old.digest != changes.digest:
        raise Conflict("that is not this proposal's digest", remedy="read the proposal again, then edit it")
    kept = msgspec.structs.replace(changes, operations=None)
    wanted = [_edited(each, actor, changes if each.id == id else kept) for each in members]
    made = draft_all(store, telemetry, actor, wanted)
    return next(each for each in made if each.environment == old.environment)


def _edited(old: Proposal, actor: Actor, changes: Edit) -> Draft:
    kept = changes.operations is None
    return Draft(
        project=old.project,
        environment=old.environment,
        case=old.case,
        title=old.title if kept else "",
        operations=old.operations if changes.operations is None else changes.operations,
        reason=old.reason if changes.reason is None else changes.reason,
        expected_effect=old.expected_effect,
        lower_rungs=old.lower_rungs,
        justification=old.justification,
        code_reference_review=old.code_reference_review if kept or actor.may_turn_key else "",
        apply=changes.apply or old.apply,
        apply_at=changes.apply_at or old.apply_at,
        evidence=tuple(old.evidence),
        gaps=old.gaps,
        finding=old.finding,
        plan=old.plan if kept else None,
        supersedes=old.id,
        author=old.author,
        editors=tuple(dict.fromkeys((*old.editors, actor.id, *([actor.on_behalf_of] if actor.on_behalf_of else [])))),
    )


def _check_patience(uow: UnitOfWork, actor: Actor, wanted: Sequence[Draft]) -> None:
    """A token that drafts without end buries what people have to read."""
    if actor.may_turn_key or actor.project is None:
        return
    place = {"project": wanted[0].project, "environment": wanted[0].environment}
    waiting = uow.proposals.where(**place, status=str(ProposalStatus.PENDING), limit=1000)
    if sum(each.author.id == actor.id for each in waiting) >= MOST_WAITING:
        raise Refused(f"{MOST_WAITING} proposals of this token wait already: people decide on those first")


def _check_free(uow: UnitOfWork, wanted: Draft) -> None:
    """One guarded rollout of a flag at a time."""
    if wanted.plan is None:
        return
    for status in LIVE:
        found = uow.rollouts.where(
            project=wanted.project, environment=wanted.environment, flag=wanted.plan.flag, status=str(status), limit=1
        )
        if found:
            raise Conflict(f"{found[0].id} of `{wanted.plan.flag}` is {status}", remedy="stop it, or let it end")


def _check_reach(actor: Actor, project: str, environment: str) -> None:
    """A token drafts in its own environment only."""
    if actor.may_turn_key or actor.project is None:
        return
    if (actor.project, actor.environment) != (project, environment):
        raise Refused(f"this token is bound to {actor.project}/{actor.environment}")


def _read(store: Store, telemetry: Telemetry, wanted: Draft) -> Basis:
    with store.read() as uow:
        state = uow.flags.state(wanted.project, wanted.environment)
        environment = uow.flags.environment(wanted.project, wanted.environment)
        evidence = tuple(uow.evidence.get(each) for each in wanted.evidence)
        finding = uow.findings.get(wanted.finding) if wanted.finding else None
        window = Window(since=uow.now - LOOK_BACK)
        keeper = uow.gatekeeper()
    contexts = telemetry.contexts(
        Scope(project=wanted.project, environment=wanted.environment), window=window, limit=REPLAYED
    )
    rules = Rules(keeper.rule, keeper.digest)
    return Basis(
        state=state, environment=environment, evidence=evidence, finding=finding, contexts=contexts, rules=rules
    )


def _commit(uow: UnitOfWork, actor: Actor, wanted: Sequence[Draft], bases: Sequence[Basis]) -> tuple[Proposal, ...]:
    new = [uow.new_id("proposal") for _ in wanted]
    first = wanted[0]
    if first.finding and not first.supersedes and uow.proposals.count(finding=first.finding):
        raise Conflict("this finding has its proposal already")
    if first.supersedes:  # first of all: whoever comes too late to edit is told so, and not that nothing would change
        old = uow.proposals.get(first.supersedes)
        set_aside(uow, old, ProposalStatus.SUPERSEDED, actor, f"edited: {', '.join(new)}")
    _check_patience(uow, actor, wanted)
    _check_free(uow, first)
    now = uow.now
    made = tuple(compose(each, actor, on, called, now) for each, on, called in zip(wanted, bases, new, strict=True))
    proposals = join(made) if len(made) > 1 else made
    for each in proposals:
        _add(uow, actor, each)
    return proposals


def _add(uow: UnitOfWork, actor: Actor, proposal: Proposal) -> None:
    uow.proposals.add(proposal)
    _join_case(uow, proposal)
    uow.audit.append(_entry(proposal, actor))
    uow.jobs.enqueue(JobKind.EXPIRE_PROPOSAL, proposal.id, proposal.expires_at)
    if uow.standing_orders.count(project=proposal.project, environment=proposal.environment, status="in_force"):
        uow.jobs.enqueue(JobKind.ASK_ORDERS, proposal.id, uow.now)


def _join_case(uow: UnitOfWork, proposal: Proposal) -> None:
    if proposal.case is None:
        return
    case = uow.cases.get(proposal.case)
    if (case.project, case.environment) != (proposal.project, proposal.environment):
        if proposal.author.kind is not ActorKind.PERSON:
            raise NotFound("case", proposal.case)  # a token learns nothing of another environment
        raise Conflict("the case belongs to another environment")
    if case.status is CaseStatus.OPEN:
        case = case.to(CaseStatus.TRIAGED, uow.now)
    if case.status is not CaseStatus.ACTING:
        case = case.to(CaseStatus.ACTING, uow.now)
    uow.cases.replace(case)


def _entry(proposal: Proposal, actor: Actor) -> Happening:
    return Happening(
        action="proposal.draft",
        subject=proposal.id,
        actor=actor.reference(),
        project=proposal.project,
        environment=proposal.environment,
        case=proposal.case,
        detail={
            "title": proposal.title,
            "digest": proposal.digest,
            "effect": str(proposal.effect),
            "action": str(proposal.action),
            "operations": msgspec.to_builtins(proposal.operations),
            "required_roles": list(proposal.required_roles),
            "affected": _affected(proposal),
        }
        | ({"supersedes": proposal.supersedes} if proposal.supersedes else {})
        | ({"joint": [each.id for each in proposal.joint]} if proposal.joint else {}),
    )


def _affected(proposal: Proposal) -> dict[str, object]:
    """Who it reaches, as counts: the log says it by itself."""
    radius = proposal.blast_radius or BlastRadius(sampled_units=0)
    return {
        "sampled_units": radius.sampled_units,
        "changed_units": radius.changed_units,
        "by_attribute": radius.by_attribute,
    }
