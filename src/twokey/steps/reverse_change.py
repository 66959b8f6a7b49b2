"""Undo a change by one of its two ways back.

Rules kept here:
- a way back that narrows was approved with the change: a person with fresh proof applies it at once;
- one that widens never was: it becomes a new proposal that waits for its own keys;
- if the flag moved meanwhile, a reverse is never applied at once: it becomes a proposal, or a Conflict where it no
  longer applies; an approved rollback still applies where its effect on the state of this moment is computed to narrow;
- a rollback that no longer applies as it was approved is computed anew, and becomes a proposal.
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
from twokey.domain.operation import Effect, Operation, apply_all, effect, rollback_now, same_content
from twokey.domain.permission import Verb
from twokey.domain.proposal import Proposal, ProposalStatus, Way
from twokey.engine.errors import Invalid
from twokey.ports import Store, UnitOfWork
from twokey.steps.publish import Publication, check_permitted, publish, watch_case


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
        raise Refused("this needs fresh proof that you are here: your password, a code or a passkey")
    with store.begin() as uow:
        change = uow.changes.get(change_id)
        proposal = _proposal(uow, change, actor)
        before = uow.flags.state(change.project, change.environment)
        back, why_not = _undoing(uow, before, change, proposal, way)
        if why_not:
            return Undoing(draft=_draft(proposal, way, back, note), sentence=why_not)
        now = effect(before, apply_all(before, back.operations)).effect
        check_permitted(uow, proposal, actor, Verb.REVERSE, now)
        return _apply(uow, actor, change, proposal, before, way, back.operations, note)


def _proposal(uow: UnitOfWork, change: Change, actor: Actor) -> Proposal:
    if change.proposal is None:
        raise Conflict("this change has no approved way back", remedy="draft a proposal that undoes it")
    proposal = uow.proposals.get(change.proposal)
    if proposal.status is not ProposalStatus.APPLIED:
        raise Conflict(f"the change's proposal is `{proposal.status}`", remedy="nothing is left to undo")
    if not actor.roles_in(proposal.project, proposal.environment) & set(proposal.required_roles):
        raise Refused(f"only somebody with an approver role undoes it: {', '.join(proposal.required_roles)}")
    return proposal


def _undoing(uow: UnitOfWork, before: State, change: Change, proposal: Proposal, way: WayBack) -> tuple[Way, str]:
    """The way back on this state, and why it needs a proposal of its own; nothing where it was approved and narrows.

    Raises Conflict where it no longer applies, or nothing is left to undo.
    """
    back = proposal.reverse if way is WayBack.REVERSE else proposal.rollback
    moved = _moved_since(before, change)
    why = "the flag moved since, so this needs its own approval" if moved else ""
    try:
        after = apply_all(before, back.operations)
    except Invalid as error:
        back, why = _again(uow, before, change, way, error), "the flag moved since, so it was computed anew"
        after = apply_all(before, back.operations)
    if same_content(before, after):
        raise Conflict("nothing is left to undo: the present state is already so")
    now = effect(before, after).effect
    if now is Effect.WIDENS or back.effect is Effect.WIDENS:
        return back, "undoing this widens exposure, so it needs its own approval"
    still_safe = way is WayBack.ROLLBACK and back.operations == proposal.rollback.operations and now is Effect.NARROWS
    return back, "" if still_safe else why


def _again(uow: UnitOfWork, before: State, change: Change, way: WayBack, error: Invalid) -> Way:
    """The rollback as the present state needs it, where the approved one no longer applies."""
    if way is WayBack.REVERSE:
        raise Conflict(
            f"the flag moved since, and what was can no longer be restored ({error})",
            remedy="roll back to the baseline, or draft a proposal on the present state",
        )
    known = uow.flags.state_at(change.project, change.environment, change.revision_before)
    operations = rollback_now(known, change.operations, before)
    return Way(operations=operations, effect=effect(before, apply_all(before, operations)).effect)


def _moved_since(before: State, change: Change) -> bool:
    """Whether a later change touched what this one touched: each publish stamps what it touches with its revision."""
    flags = [before.controls[key].flag.revision for key in change.flags if key in before.controls]
    segments = [before.segments[key].revision for key in change.segments if key in before.segments]
    return any(revision > change.revision_after for revision in (*flags, *segments))


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
