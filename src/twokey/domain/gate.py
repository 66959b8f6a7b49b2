"""The gate of one proposal: everything that must hold before it is applied, as a tree that says what is missing.

Rules kept here:
- open only when nothing is missing, nothing forbids, and the written policy allows what would then be done;
- the first that is not open gives the sentence; a tree without children refuses;
- the policy is asked with facts that were computed (effect, action, how many roles distinct people filled), and an
  answer that names a problem is a refusal;
- where an environment takes no keys, none are counted, and the policy alone decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from twokey.domain.approval import Answer, Approval, fill
from twokey.domain.identity import Actor, ActorKind
from twokey.domain.operation import Effect
from twokey.domain.permission import Ask, Question, Verb
from twokey.domain.policy import Row
from twokey.domain.proposal import Proposal, ProposalStatus, is_sealed


class GateStatus(StrEnum):
    """The gate's answer."""

    OPEN = "open"
    WAITING = "waiting"
    REFUSED = "refused"


class Gate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A node of the explanation: a status, a sentence and what it rests on."""

    status: GateStatus
    sentence: str
    rule: str = ""
    children: tuple[Gate, ...] = ()


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate is evaluated in: the time, who would apply, who wrote it as they stand now, and the policy to ask.

    `breached` says whether the guardrail that a standing order acts for is breached now. `altered` names what of the
    cited evidence, or the finding, is no longer what was signed.
    """

    now: datetime
    actor: Actor
    author: Actor
    guarded: bool
    ask: Ask
    breached: bool = False
    altered: tuple[str, ...] = ()


def evaluate(proposal: Proposal, approvals: Sequence[Approval], row: Row, found: Circumstances) -> Gate:
    """The gate of one proposal: open only when nothing is missing and nothing forbids."""
    quorum, filled = _quorum(proposal, approvals, found)
    children = [
        _content(proposal),
        *_evidence(proposal, found),
        _clock(proposal, found.now),
        _permitted(proposal, row, found, Verb.DRAFT, found.author, 0),
        _needs(proposal, row),
        _veto(proposal, approvals),
        quorum,
    ]
    if quorum.status is GateStatus.OPEN:
        children.append(_permitted(proposal, row, found, Verb.APPLY, found.actor, filled))
    opened = "both keys are turned" if found.guarded else "this environment takes no keys"
    return combine(children, opened=opened, row=row.key)


def combine(children: Sequence[Gate], *, opened: str, row: str) -> Gate:
    """All of the children must be open; the first that is not gives the sentence. No children refuse."""
    for status in (GateStatus.REFUSED, GateStatus.WAITING):
        for child in children:
            if child.status is status:
                return Gate(status=status, sentence=child.sentence, rule=row, children=tuple(children))
    if not children:
        return Gate(status=GateStatus.REFUSED, sentence="no rule permits this", rule=row)
    return Gate(status=GateStatus.OPEN, sentence=opened, rule=row, children=tuple(children))


def question(proposal: Proposal, row: Row, verb: Verb, actor: Actor, *, guarded: bool, filled: int = 0) -> Question:
    """What the policy is asked about a proposal: may this actor do this with it?"""
    return Question(
        actor=actor,
        verb=verb,
        project=proposal.project,
        environment=proposal.environment,
        guarded=guarded,
        change=row.key,
        effect=str(proposal.effect),
        action=str(proposal.action),
        surfaces=frozenset(proposal.surfaces),
        needed=len(proposal.required_roles),
        filled=filled,
        justified=bool(proposal.justification.strip()),
        reviewed=bool(proposal.code_reference_review.strip()),
        mid_test=row.key == "change_metrics",
    )


def _permitted(proposal: Proposal, row: Row, found: Circumstances, verb: Verb, actor: Actor, filled: int) -> Gate:
    asked = question(proposal, row, verb, actor, guarded=found.guarded, filled=filled)
    ruling = found.ask(msgspec.structs.replace(asked, breached=found.breached))
    what = "draft" if verb is Verb.DRAFT else "apply"
    if ruling.allowed and not ruling.problem:
        named = ", ".join(ruling.policies)
        return Gate(status=GateStatus.OPEN, sentence=f"{actor.kind} may {what}: {row.says}", rule=named or what)
    sentence = refusal(actor, verb, row, ruling.policies, ruling.problem)
    return Gate(status=GateStatus.REFUSED, sentence=sentence, rule=what)


def refusal(actor: Actor, verb: Verb, row: Row, policies: Sequence[str], problem: str) -> str:
    """Why the policy does not allow it, in a sentence."""
    if problem:
        return f"the policy could not be asked, which refuses: {problem}"
    by = f" ({', '.join(policies)})" if policies else ""
    if verb is Verb.DRAFT and not actor.may_turn_key:
        return f"an assistant may warn of this but not draft it: {row.says}{by}"
    return f"the policy does not let this {actor.kind} {verb}: {row.says}{by}"


def _node(good: bool, sentence: str, otherwise: str, rule: str, bad: GateStatus = GateStatus.REFUSED) -> Gate:
    return Gate(status=GateStatus.OPEN if good else bad, sentence=sentence if good else otherwise, rule=rule)


def _content(proposal: Proposal) -> Gate:
    return _node(is_sealed(proposal), "the content has its digest", "the content no longer has its digest", "digest")


def _evidence(proposal: Proposal, found: Circumstances) -> list[Gate]:
    """The facts that are cited are those that were signed. Nothing where none are cited."""
    if not (proposal.evidence or proposal.finding_digest or found.altered):
        return []
    named = ", ".join(found.altered)
    otherwise = f"cited evidence is no longer what was signed: {named}"
    return [_node(not found.altered, "the cited evidence is what was signed", otherwise, "evidence")]


def _clock(proposal: Proposal, now: datetime) -> Gate:
    alive = proposal.status in (ProposalStatus.PENDING, ProposalStatus.APPROVED) and now < proposal.expires_at
    until = f"valid until {proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    return _node(
        alive, until, f"the proposal is {proposal.status if now < proposal.expires_at else 'expired'}", "expiry"
    )


def _needs(proposal: Proposal, row: Row) -> Gate:
    if not row.needs:
        return Gate(status=GateStatus.OPEN, sentence="nothing further is needed", rule="needs")
    wanted = row.needs.replace("_", " ")
    return _node(bool(getattr(proposal, row.needs).strip()), f"{wanted} recorded", f"a {wanted} is missing", row.needs)


def _veto(proposal: Proposal, approvals: Sequence[Approval]) -> Gate:
    no = [each.person for each in approvals if each.answer is Answer.NO and each.digest == proposal.digest]
    return _node(not no, "nobody rejected it", f"rejected by {', '.join(no)}", "veto")


def _quorum(proposal: Proposal, approvals: Sequence[Approval], found: Circumstances) -> tuple[Gate, int]:
    """The keys, and how many are turned."""
    if not found.guarded:
        return Gate(status=GateStatus.OPEN, sentence="this environment takes no keys", rule="quorum"), 0
    if found.actor.kind is ActorKind.POLICY:
        return _ordered(proposal, found), 0
    if not proposal.required_roles:
        return Gate(status=GateStatus.REFUSED, sentence="no approver role is named", rule="quorum"), 0
    counted = [each for each in approvals if each.counts(proposal.digest, proposal.excluded(), found.now)]
    filled = fill(proposal.required_roles, counted)
    children = tuple(_role(role, filled.get(index)) for index, role in enumerate(proposal.required_roles))
    missing = [role for index, role in enumerate(proposal.required_roles) if index not in filled]
    status = GateStatus.WAITING if missing else GateStatus.OPEN
    sentence = f"waiting for {' and '.join(missing)}" if missing else "every required role has approved"
    return Gate(status=status, sentence=sentence, rule="quorum", children=children), len(filled)


def _ordered(proposal: Proposal, found: Circumstances) -> Gate:
    """A standing order in the place of people's keys: only while its guardrail is breached, only for what narrows."""
    good = found.breached and proposal.effect is Effect.NARROWS
    return _node(
        good,
        f"the standing order {found.actor.id} agrees: its guardrail is breached, and this narrows",
        "a standing order agrees only to what narrows, while its guardrail is breached",
        found.actor.id,
    )


def _role(role: str, approval: Approval | None) -> Gate:
    if approval is None:
        return Gate(status=GateStatus.WAITING, sentence=f"{role}: waiting", rule=role)
    return Gate(status=GateStatus.OPEN, sentence=f"{role}: {approval.person} approved", rule=role)
