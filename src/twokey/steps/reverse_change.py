"""Undo a change by one of its two ways back.

Rules kept here:
- a way back that narrows was approved with the change: a person with fresh proof applies it at once;
- one that widens never was: it becomes a new proposal that waits for its own keys;
- if the flag moved meanwhile, a reverse is never applied at once: it becomes a proposal, or a Conflict where it no
  longer applies; an approved rollback still applies where its effect on the state of this moment is computed to narrow;
- what was applied together goes back together, at once or by proposals that stand together;
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
from twokey.domain.operation import Effect, apply_all, effect, rollback_now, same_content
from twokey.domain.permission import Verb
from twokey.domain.proposal import Proposal, ProposalStatus, Way
from twokey.engine.errors import Invalid
from twokey.ports import Store, UnitOfWork
from twokey.steps.ask_gate import check_permitted, members_of
from twokey.steps.publish import Publication, publish, watch_case


class WayBack(StrEnum):
    """Which way back: what was, or the known safe state."""

    REVERSE = "reverse"
    ROLLBACK = "rollback"


class Undoing(msgspec.Struct, frozen=True, kw_only=True):
    """Either the changes that undid it, or the drafts that must be approved first, with the reason.

    There are several where several environments were changed together; the one that was asked about comes first.
    """

    changes: tuple[Change, ...] = ()
    drafts: tuple[Draft, ...] = ()
    sentence: str


class _Step(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be undone in one environment, on which state and by what; `why_not` says why not at once."""

    change: Change
    proposal: Proposal
    before: State
    back: Way
    why_not: str


def reverse(store: Store, actor: Actor, change_id: str, way: WayBack, proof: Proof | None, note: str = "") -> Undoing:
    """Undo a change, and what was applied together with it.

    Raises Refused without a person's fresh proof and role, Conflict where it was undone already. Where the result
    carries `drafts`, the caller drafts them as proposals: nothing has changed.
    """
    if not actor.may_turn_key:
        raise Refused(f"only a person reverses a change; this is a token of kind `{actor.kind}`")
    if proof is None:
        raise Refused("this needs fresh proof that you are here: your password, a code or a passkey")
    with store.begin() as uow:
        change = uow.changes.get(change_id)
        members = _members(uow, change, actor)
        steps = _steps(uow, change, members, way)
        if why_not := next((each.why_not for each in steps if each.why_not), ""):
            drafts = tuple(_draft(each.proposal, way, each.back, note) for each in steps)
            return Undoing(drafts=drafts, sentence=why_not)
        for each in steps:
            now = effect(each.before, apply_all(each.before, each.back.operations)).effect
            check_permitted(uow, each.proposal, actor, Verb.REVERSE, now)
        changes = tuple(_apply(uow, actor, each, way, note) for each in steps)
        for one in members:
            uow.proposals.replace(one.to(ProposalStatus.REVERSED))
        return Undoing(changes=changes, sentence=f"undone by the {way} that was approved with it")


def _members(uow: UnitOfWork, change: Change, actor: Actor) -> tuple[Proposal, ...]:
    """The proposal of a change and those that were applied together with it; the one of this change first."""
    if change.proposal is None:
        raise Conflict("this change has no approved way back", remedy="draft a proposal that undoes it")
    proposal = uow.proposals.get(change.proposal)
    if proposal.status is not ProposalStatus.APPLIED:
        raise Conflict(f"the change's proposal is `{proposal.status}`", remedy="nothing is left to undo")
    members = sorted(members_of(uow, proposal), key=lambda each: each.id != proposal.id)
    if not any(actor.roles_in(each.project, each.environment) & set(each.required_roles) for each in members):
        roles = dict.fromkeys(role for each in members for role in each.required_roles)
        raise Refused(f"only somebody with an approver role undoes it: {', '.join(roles)}")
    return tuple(members)


def _steps(uow: UnitOfWork, asked: Change, members: Sequence[Proposal], way: WayBack) -> tuple[_Step, ...]:
    """What is to be done in each environment where something is left to undo. Raises Conflict where it is in none."""
    found = tuple(step for each in members if (step := _step(uow, _change_of(uow, asked, each), each, way)) is not None)
    if not found:
        raise Conflict("nothing is left to undo: the present state is already so")
    return found


def _change_of(uow: UnitOfWork, asked: Change, proposal: Proposal) -> Change:
    if asked.proposal == proposal.id:
        return asked
    changes = uow.changes.where(proposal=proposal.id, limit=50)
    return next(each for each in reversed(changes) if each.undoes is None)


def _step(uow: UnitOfWork, change: Change, proposal: Proposal, way: WayBack) -> _Step | None:
    before = uow.flags.state(change.project, change.environment)
    back, why_not = _undoing(uow, before, change, proposal, way)
    if same_content(before, apply_all(before, back.operations)):
        return None
    return _Step(change=change, proposal=proposal, before=before, back=back, why_not=why_not)


def _undoing(uow: UnitOfWork, before: State, change: Change, proposal: Proposal, way: WayBack) -> tuple[Way, str]:
    """The way back on this state, and why it needs a proposal of its own; nothing where it was approved and narrows.

    Raises Conflict where it no longer applies.
    """
    back = proposal.reverse if way is WayBack.REVERSE else proposal.rollback
    moved = _moved_since(before, change)
    why = "the flag moved since, so this needs its own approval" if moved else ""
    try:
        after = apply_all(before, back.operations)
    except Invalid as error:
        back, why = _again(uow, before, change, way, error), "the flag moved since, so it was computed anew"
        after = apply_all(before, back.operations)
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


def _apply(uow: UnitOfWork, actor: Actor, step: _Step, way: WayBack, note: str) -> Change:
    change = step.change
    by = Publication(
        cause=Cause.REVERSE if way is WayBack.REVERSE else Cause.ROLLBACK,
        actor=actor,
        project=change.project,
        environment=change.environment,
        proposal=step.proposal.id,
        case=change.case,
        undoes=change.id,
        because=note or f"{way} of {change.id}",
    )
    undone = publish(uow, step.before, step.back.operations, by)
    watch_case(uow, change.case)
    return undone
