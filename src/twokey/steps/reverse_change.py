"""Undo a change by one of its two ways back.

Rules kept here:
- a way back that narrows was approved with the change: a person with fresh proof applies it at once;
- one that widens never was: it becomes a new proposal that waits for its own keys;
- if the flag moved meanwhile, a reverse is a Conflict with a new proposal drafted in its place; a rollback to the
  baseline still applies where its effect on the state of this moment is computed to narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from twokey.domain.approval import Proof
from twokey.domain.change import Cause, Change
from twokey.domain.control import State
from twokey.domain.drafting import Draft
from twokey.domain.errors import Conflict, Refused
from twokey.domain.identity import Actor
from twokey.domain.operation import Effect, Operation, apply_all, effect
from twokey.domain.proposal import Proposal, ProposalStatus, Way
from twokey.engine.errors import Invalid
from twokey.ports import Store, UnitOfWork
from twokey.steps.publish import Publication, publish, watch_case


class WayBack(StrEnum):
    """Which way back: what was, or the known safe state."""

    REVERSE = "reverse"
    ROLLBACK = "rollback"


class Undoing(msgspec.Struct, frozen=True, kw_only=True):
    """Either the change that undid it, or the draft that must be approved first, with the reason."""

    change: Change | None = None
    draft: Draft | None = None
    sentence: str


def reverse(store: Store, actor: Actor, change_id: str, way: WayBack, proof: Proof | None, note: str = "") -> Undoing:
    """Undo a change. Raises Refused without a person's fresh proof and role, Conflict where it was undone already.

    Where the result carries a `draft`, the caller drafts it as a proposal: nothing has changed.
    """
    if not actor.may_turn_key:
        raise Refused(f"only a person reverses a change; this is a token of kind `{actor.kind}`")
    if proof is None:
        raise Refused("this needs fresh proof that you are here: your password")
    with store.begin() as uow:
        change = uow.changes.get(change_id)
        proposal = _proposal(uow, change, actor)
        before = uow.flags.state(change.project, change.environment)
        back = proposal.reverse if way is WayBack.REVERSE else proposal.rollback
        if why_not := _not_at_once(uow, before, proposal, way, back):
            return Undoing(draft=_draft(proposal, way, back, note), sentence=why_not)
        return _apply(uow, actor, change, proposal, before, way, back.operations, note)


def _proposal(uow: UnitOfWork, change: Change, actor: Actor) -> Proposal:
    if change.proposal is None:
        raise Conflict("this change has no approved way back", remedy="draft a proposal that undoes it")
    proposal = uow.proposals.get(change.proposal)
    if proposal.status is not ProposalStatus.APPLIED:
        raise Conflict(f"the change's proposal is `{proposal.status}`", remedy="nothing is left to undo")
    if not actor.roles & set(proposal.required_roles):
        raise Refused(f"only somebody with an approver role undoes it: {', '.join(proposal.required_roles)}")
    return proposal


def _not_at_once(uow: UnitOfWork, before: State, proposal: Proposal, way: WayBack, back: Way) -> str:
    """Why this way back needs a proposal of its own; nothing where it was approved with the change and narrows."""
    try:
        now = effect(before, apply_all(before, back.operations)).effect
    except Invalid as error:
        return f"the flag moved since, and this way back no longer applies ({error})"
    if now is Effect.WIDENS or back.effect is Effect.WIDENS:
        return "undoing this widens exposure, so it needs its own approval"
    if way is WayBack.REVERSE and _moved_since(uow, proposal):
        return "the flag moved since, so restoring what was needs its own approval"
    return ""


def _moved_since(uow: UnitOfWork, proposal: Proposal) -> bool:
    """Whether a later change touched what this one touched."""
    later = uow.changes.where(project=proposal.project, environment=proposal.environment, limit=500)
    own = next(each for each in later if each.proposal == proposal.id)
    mine = {*own.flags, *own.segments}
    newer = [each for each in later if each.revision_after > own.revision_after]
    return any(mine & {*each.flags, *each.segments} for each in newer)


def _draft(proposal: Proposal, way: WayBack, back: Way, note: str) -> Draft:
    return Draft(
        project=proposal.project,
        environment=proposal.environment,
        case=proposal.case,
        operations=back.operations,
        reason=note or f"{way} of: {proposal.title}",
        expected_effect="what was before the change" if way is WayBack.REVERSE else "baseline for everyone it reaches",
    )


def _apply(
    uow: UnitOfWork,
    actor: Actor,
    change: Change,
    proposal: Proposal,
    before: State,
    way: WayBack,
    operations: Sequence[Operation],
    note: str,
) -> Undoing:
    undone = publish(
        uow,
        before,
        operations,
        Publication(
            cause=Cause.REVERSE if way is WayBack.REVERSE else Cause.ROLLBACK,
            actor=actor,
            project=change.project,
            environment=change.environment,
            proposal=proposal.id,
            case=change.case,
            undoes=change.id,
            because=note or f"{way} of {change.id}",
        ),
    )
    uow.proposals.replace(proposal.to(ProposalStatus.REVERSED))
    watch_case(uow, change.case)
    return Undoing(change=undone, sentence=f"undone by the {way} that was approved with it")
