"""The policy gate: a standing order agrees to a waiting proposal, where everything it says is so at this moment.

Rules kept here (each is a test):
- only to what stands alone: nobody gave it a word in another environment;
- only to what narrows, computed again from the state of this moment; never to what somebody rejected;
- only for the flags it names, while a check of the last minutes says that its guardrail is breached;
- no more often than its rate allows;
- it acts under its own name, which is the digest of its rule.
"""

from __future__ import annotations

from datetime import timedelta

from twokey.domain.approval import Answer
from twokey.domain.audit import Happening
from twokey.domain.gate import GateStatus
from twokey.domain.guardrail import VerdictStatus
from twokey.domain.identity import Actor, ActorKind
from twokey.domain.operation import Effect, touched
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.domain.standing_order import StandingOrder
from twokey.ports import Store, UnitOfWork
from twokey.steps.ask_gate import approvals_of, gate_of
from twokey.steps.publish import agree, apply_proposal

FRESH = timedelta(minutes=5)
"""How old a check may be that says a guardrail is breached."""
HOUR = timedelta(hours=1)


def turn(store: Store, proposal_id: str) -> Proposal | None:
    """Let a standing order turn the key of a proposal, if one agrees; nothing where none does."""
    with store.begin() as uow:
        proposal = uow.proposals.get(proposal_id)
        if not _worth_asking(uow, proposal):
            return None
        for order in _orders(uow, proposal):
            actor = Actor(id=order.id, kind=ActorKind.POLICY)
            if _within_rate(uow, order) and _breached(uow, proposal, order):
                gate = gate_of(uow, proposal, actor, breached=True)
                if gate.status is GateStatus.OPEN:
                    return _turn(uow, proposal, order, actor)
        return None


def _worth_asking(uow: UnitOfWork, proposal: Proposal) -> bool:
    waits = proposal.status is ProposalStatus.PENDING and proposal.apply is ApplyMode.WHEN_OPEN
    rejected = any(each.answer is Answer.NO for each in approvals_of(uow, proposal))
    return waits and proposal.effect is Effect.NARROWS and not rejected and not proposal.joint


def _orders(uow: UnitOfWork, proposal: Proposal) -> list[StandingOrder]:
    """The orders in force that name every flag this proposal touches."""
    place = {"project": proposal.project, "environment": proposal.environment}
    state = uow.flags.state(proposal.project, proposal.environment)
    keys = touched(state, proposal.operations)
    found = uow.standing_orders.where(**place, status="in_force", limit=1000)
    return [each for each in found if keys.flags and not keys.segments and keys.flags <= set(each.rule.flags)]


def _within_rate(uow: UnitOfWork, order: StandingOrder) -> bool:
    recent = uow.changes.where(project=order.rule.project, environment=order.rule.environment, limit=1000)
    hour = [each for each in recent if each.applied_by == order.id and each.applied_at > uow.now - HOUR]
    return len(hour) < order.rule.per_hour


def _breached(uow: UnitOfWork, proposal: Proposal, order: StandingOrder) -> bool:
    """Whether the newest check of one of the order's flags in this case says so, and is fresh."""
    if proposal.case is None:
        return False
    checks = uow.checks.where(case=proposal.case, limit=1)
    if not checks or checks[0].flag not in order.rule.flags or checks[0].at < uow.now - FRESH:
        return False
    return any(
        each.guardrail == order.rule.guardrail and each.status is VerdictStatus.BREACHED for each in checks[0].verdicts
    )


def _turn(uow: UnitOfWork, proposal: Proposal, order: StandingOrder, actor: Actor) -> Proposal:
    approved = agree(uow, proposal)
    uow.audit.append(
        Happening(
            action="proposal.approve",
            subject=proposal.id,
            actor=actor.reference(),
            project=proposal.project,
            environment=proposal.environment,
            case=proposal.case,
            detail={
                "title": proposal.title,
                "digest": proposal.digest,
                "order": order.id,
                "rule": order.rule.says,
                "check": uow.checks.where(case=proposal.case, limit=1)[0].id,
            },
        )
    )
    return apply_proposal(uow, approved, actor, breached=True).proposal
