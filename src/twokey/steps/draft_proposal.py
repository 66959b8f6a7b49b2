"""Draft a proposal, or edit one: an edit is a new proposal with a new digest and no approvals.

Rules kept here:
- replaying contexts takes time, so it happens outside the transaction; if the state moved meanwhile it is done again;
- everyone who wrote or edited any earlier edition stays an editor of the next;
- a finding is drafted once, however many workers come to it;
- who reviewed the references to one set of operations has not reviewed another: a token's edit drops that.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from twokey.domain.audit import Happening
from twokey.domain.case import CaseStatus
from twokey.domain.drafting import Basis, Draft, compose
from twokey.domain.errors import Conflict, NotFound, Refused
from twokey.domain.identity import ANALYST, Actor, ActorKind
from twokey.domain.job import JobKind
from twokey.domain.operation import Operation
from twokey.domain.permission import Rules
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.domain.telemetry import Scope, Telemetry, Window
from twokey.ports import Store, UnitOfWork
from twokey.steps.publish import set_aside

REPLAYED = 20_000
"""At most so many recorded contexts are replayed for blast radius and proof."""
LOOK_BACK = timedelta(hours=24)
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
    _check_reach(actor, wanted.project, wanted.environment)
    for _ in range(TRIES):
        basis = _read(store, telemetry, wanted)
        with store.begin() as uow:
            if uow.flags.revision(wanted.project, wanted.environment) != basis.state.revision:
                continue
            return _commit(uow, actor, wanted, basis)
    raise Conflict("the environment kept changing while this was drafted", remedy="try again")


def draft_from_finding(store: Store, telemetry: Telemetry, finding_id: str) -> Proposal | None:
    """Draft what the analyst's finding asks for, once. Nothing where it abstains, or somebody acted in the meantime."""
    with store.read() as uow:
        finding = uow.findings.get(finding_id)
        case = uow.cases.get(finding.case)
        drafted = uow.proposals.where(case=case.id, limit=1)
    if not finding.operations or drafted or case.status is not CaseStatus.TRIAGED:
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

    Raises Conflict for a digest that is not the proposal's, or a proposal that no longer waits.
    """
    with store.read() as uow:
        old = uow.proposals.get(id)
    if old.digest != changes.digest:
        raise Conflict("that is not this proposal's digest", remedy="read the proposal again, then edit it")
    return draft(store, telemetry, actor, _edited(old, actor, changes))


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
        supersedes=old.id,
        author=old.author,
        editors=tuple(dict.fromkeys((*old.editors, actor.id, *([actor.on_behalf_of] if actor.on_behalf_of else [])))),
    )


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
        window = Window(since=uow.now - LOOK_BACK)
        keeper = uow.gatekeeper()
    contexts = telemetry.contexts(
        Scope(project=wanted.project, environment=wanted.environment), window=window, limit=REPLAYED
    )
    rules = Rules(keeper.rule, keeper.digest)
    return Basis(state=state, environment=environment, evidence=evidence, contexts=contexts, rules=rules)


def _commit(uow: UnitOfWork, actor: Actor, wanted: Draft, basis: Basis) -> Proposal:
    new = uow.new_id("proposal")
    if wanted.finding and not wanted.supersedes and uow.proposals.count(finding=wanted.finding):
        raise Conflict("this finding has its proposal already")
    if wanted.supersedes:  # first of all: whoever comes too late to edit is told so, and not that nothing would change
        old = uow.proposals.get(wanted.supersedes)
        set_aside(uow, old, ProposalStatus.SUPERSEDED, actor, f"edited: {new}")
    proposal = compose(wanted, actor, basis, new, uow.now)
    uow.proposals.add(proposal)
    _join_case(uow, proposal)
    uow.audit.append(_entry(proposal, actor))
    uow.jobs.enqueue(JobKind.EXPIRE_PROPOSAL, proposal.id, proposal.expires_at)
    if uow.standing_orders.count(project=proposal.project, environment=proposal.environment, status="in_force"):
        uow.jobs.enqueue(JobKind.ASK_ORDERS, proposal.id, uow.now)
    return proposal


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
        }
        | ({"supersedes": proposal.supersedes} if proposal.supersedes else {}),
    )
