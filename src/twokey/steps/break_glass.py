"""Break glass: one person, alone, takes a flag to a recorded safe state; and close the review that this opens.

Rules kept here (each is a test):
- a person of the role `break_glass`, with fresh proof and a reason; the policy is asked as well;
- the safe state is the flag's baseline for everyone, or the rollback that was proven and approved with a change that is
  live; nothing else can be asked for;
- the effect on the state of this moment must be computed to narrow, and the flag must still be as the person saw it;
- a review is opened in the same transaction; while one is overdue in an environment, nobody breaks glass there.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from twokey.domain.approval import Proof
from twokey.domain.audit import Happening
from twokey.domain.change import Cause, Change
from twokey.domain.control import State
from twokey.domain.drafting import touched_controls
from twokey.domain.errors import Conflict, Refused
from twokey.domain.identity import Actor, Role
from twokey.domain.operation import (
    Effect,
    Operation,
    SetEnabled,
    action_of,
    apply_all,
    effect,
    reverse_all,
    same_content,
)
from twokey.domain.permission import Question, Verb
from twokey.domain.policy import row_for
from twokey.domain.proposal import ProposalStatus
from twokey.domain.review import DUE, ROLE, Finding, Review, ReviewStatus
from twokey.engine.errors import Invalid
from twokey.ports import Store, UnitOfWork
from twokey.steps.publish import Publication, publish, watch_case


class Breaking(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to break the glass for.

    `seen` is the flag's revision as the person saw it. `change` names a live change whose approved rollback is meant;
    without it, the flag's baseline for everyone.
    """

    project: str
    environment: str
    flag: str
    seen: int
    reason: str
    change: str | None = None
    case: str | None = None


def break_glass(store: Store, actor: Actor, wanted: Breaking, proof: Proof | None) -> tuple[Change, Review]:
    """Take a flag to its safe state now. Raises Refused (who may not, what does not narrow), Conflict, Invalid."""
    _check_present(actor, proof)
    if not wanted.reason.strip():
        raise Invalid("reason", "is empty", "what is going on, in a sentence")
    with store.begin() as uow:
        _check_reviews(uow, wanted)
        before = uow.flags.state(wanted.project, wanted.environment)
        _check_seen(before, wanted)
        operations = _operations(uow, before, wanted)
        _check_narrows(uow, actor, before, operations, wanted)
        return _break(uow, actor, before, operations, wanted)


def close_review(store: Store, actor: Actor, id: str, found: Finding, note: str, proof: Proof | None) -> Review:
    """Close a review with what was found. Raises Refused for the person it is about, Invalid, Conflict."""
    if not actor.may_turn_key or proof is None:
        raise Refused("a review is closed by a person with fresh proof that they are here")
    with store.begin() as uow:
        review = uow.reviews.get(id)
        approvers = uow.flags.environment(review.project, review.environment).approvers
        if not actor.roles_in(review.project, review.environment) & {*approvers, Role.SECURITY}:
            raise Refused(f"a review is closed by `{Role.SECURITY}` or an approver: {', '.join(approvers)}")
        closed = review.close(actor.id, found, note, uow.now)
        uow.reviews.replace(closed)
        uow.audit.append(_happening("review.close", closed, actor, {"found": str(found), "note": note}))
        return closed


def _check_present(actor: Actor, proof: Proof | None) -> None:
    if not actor.may_turn_key:
        raise Refused(f"only a person breaks glass; this is a token of kind `{actor.kind}`")
    if proof is None:
        raise Refused("this needs fresh proof that you are here")


def _check_reviews(uow: UnitOfWork, wanted: Breaking) -> None:
    place = {"project": wanted.project, "environment": wanted.environment}
    for review in uow.reviews.where(**place, status=str(ReviewStatus.OPEN), limit=1000):
        if review.overdue(uow.now):
            raise Refused(f"the review {review.id} of an earlier use is overdue: it must be closed first")


def _check_seen(before: State, wanted: Breaking) -> None:
    revision = before.control(wanted.flag).flag.revision
    if revision != wanted.seen:
        raise Conflict(
            f"`{wanted.flag}` is at revision {revision}, not {wanted.seen}", remedy="look at it again before you act"
        )


def _operations(uow: UnitOfWork, before: State, wanted: Breaking) -> tuple[Operation, ...]:
    """What leads to the safe state: nothing that the person who asks could have written."""
    if wanted.change is None:
        return (SetEnabled(flag=wanted.flag, enabled=False),)
    change = uow.changes.get(wanted.change)
    if (change.project, change.environment) != (before.project, before.environment) or wanted.flag not in change.flags:
        raise Invalid("change", f"`{change.id}` did not change `{wanted.flag}` here", "a live change of this flag")
    proposal = uow.proposals.get(change.proposal) if change.proposal else None
    if proposal is None or proposal.status is not ProposalStatus.APPLIED:
        raise Refused("that change has no rollback that was proven and approved and is still live")
    return proposal.rollback.operations


def _check_narrows(
    uow: UnitOfWork, actor: Actor, before: State, operations: Sequence[Operation], wanted: Breaking
) -> None:
    after = apply_all(before, operations)
    if same_content(before, after):
        raise Conflict(f"`{wanted.flag}` is in its safe state already")
    computed, action = effect(before, after).effect, action_of(before, after, operations)
    if computed is not Effect.NARROWS:
        raise Refused(f"this would not narrow what is served (`{computed}`): it takes a proposal and its keys")
    controls = touched_controls(before, after, operations)
    ruling = uow.gatekeeper().rule(
        Question(
            actor=actor,
            verb=Verb.BREAK_GLASS,
            project=wanted.project,
            environment=wanted.environment,
            guarded=uow.flags.environment(wanted.project, wanted.environment).guarded,
            change=row_for(computed, action).key,
            effect=str(computed),
            action=str(action),
            surfaces=frozenset(str(each.surface) for each in controls),
        )
    )
    if not ruling.allowed or ruling.problem:
        named = f" ({', '.join(ruling.policies)})" if ruling.policies else ""
        raise Refused(ruling.problem or f"the policy lets only the role `{ROLE}` break glass here{named}")


def _break(
    uow: UnitOfWork, actor: Actor, before: State, operations: tuple[Operation, ...], wanted: Breaking
) -> tuple[Change, Review]:
    by = Publication(
        cause=Cause.BREAK_GLASS,
        actor=actor,
        project=wanted.project,
        environment=wanted.environment,
        case=wanted.case,
        because=wanted.reason,
    )
    back = reverse_all(before, operations)
    change = publish(uow, before, operations, by)
    review = Review(
        id=uow.new_id("review"),
        project=wanted.project,
        environment=wanted.environment,
        change=change.id,
        person=actor.id,
        reason=wanted.reason,
        opened_at=uow.now,
        due_at=uow.now + DUE,
    )
    uow.reviews.add(review)
    detail = {"change": change.id, "flag": wanted.flag, "reason": wanted.reason, "reverse": msgspec.to_builtins(back)}
    uow.audit.append(_happening("review.open", review, actor, detail))
    watch_case(uow, wanted.case)
    return change, review


def _happening(action: str, review: Review, actor: Actor, detail: dict[str, object]) -> Happening:
    return Happening(
        action=action,
        subject=review.id,
        actor=actor.reference(),
        project=review.project,
        environment=review.environment,
        detail=detail,
    )
