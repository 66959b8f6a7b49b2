"""Apply an approved proposal by hand or at its time. The gate is checked again in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from twokey.domain.approval import Proof
from twokey.domain.errors import Conflict, Refused
from twokey.domain.gate import GateStatus
from twokey.domain.identity import SCHEDULE, Actor
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.ports import Store
from twokey.steps.ask_gate import gate_of, members_of, takes_keys
from twokey.steps.publish import agree, apply_proposal


def apply(store: Store, actor: Actor, id: str, proof: Proof | None) -> Proposal:
    """A person applies a proposal whose keys are all turned.

    Raises Refused without a person's fresh proof, without a required role or with a gate that is not open, Conflict
    where the proposal is not approved or its base moved (it is then `stale`).
    """
    if not actor.may_turn_key:
        raise Refused(f"only a person applies a change; this is a token of kind `{actor.kind}`")
    if proof is None:
        raise Refused("this needs fresh proof that you are here: your password, a code or a passkey")
    with store.begin() as uow:
        proposal = uow.proposals.get(id)
        members = members_of(uow, proposal)
        if takes_keys(uow, members):
            _check_keys(members, proposal, actor)
        elif proposal.status is ProposalStatus.PENDING:  # it takes no keys here: the gate asks the policy alone
            proposal = agree(uow, proposal)
        _check_time(proposal, uow.now)
        applied = apply_proposal(uow, proposal, actor)
    if applied.problem:
        raise Conflict(applied.problem, remedy="draft it again on the present state")
    return applied.proposal


def apply_at_once(store: Store, actor: Actor, id: str) -> Proposal:
    """Apply what a person has just drafted, where the environment takes no keys; as it was, where it does.

    Everything else is as for any other change: the gate asks the policy, and `publish` writes.
    """
    with store.begin() as uow:
        proposal = uow.proposals.get(id)
        guarded = takes_keys(uow, members_of(uow, proposal))
        waits = proposal.status is ProposalStatus.PENDING and proposal.apply is ApplyMode.WHEN_OPEN
        if guarded or not waits or actor.id != proposal.author.id or not actor.may_turn_key:
            return proposal
        if gate_of(uow, proposal, actor).status is not GateStatus.OPEN:
            return proposal
        return apply_proposal(uow, agree(uow, proposal), actor).proposal


def _check_keys(members: Sequence[Proposal], proposal: Proposal, actor: Actor) -> None:
    """Somebody who answers for one of the environments at least; the policy is asked for each of them."""
    if not any(actor.roles_in(each.project, each.environment) & set(each.required_roles) for each in members):
        roles = dict.fromkeys(role for each in members for role in each.required_roles)
        raise Refused(f"only somebody with an approver role applies it: {', '.join(roles)}")
    if proposal.status is not ProposalStatus.APPROVED:
        raise Conflict(f"the proposal is `{proposal.status}`, not approved")


def _check_time(proposal: Proposal, now: datetime) -> None:
    """The time is part of what was approved: nobody applies before it."""
    if proposal.apply is ApplyMode.AT and proposal.apply_at is not None and now < proposal.apply_at:
        raise Conflict(
            f"it was approved to be applied at {proposal.apply_at:%Y-%m-%d %H:%M} UTC, not before",
            remedy="wait, or edit it to apply at once and have that approved",
        )


def apply_scheduled(store: Store, id: str) -> Proposal | None:
    """Apply a proposal at its time, if it is still approved. What is stale by then is not applied.

    Raises Refused where the gate is no longer open.
    """
    with store.begin() as uow:
        proposal = uow.proposals.get(id)
        due = proposal.apply is ApplyMode.AT and proposal.apply_at is not None and proposal.apply_at <= uow.now
        if proposal.status is not ProposalStatus.APPROVED or not due:
            return None
        return apply_proposal(uow, proposal, SCHEDULE).proposal
