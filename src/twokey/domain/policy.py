"""The decision matrix as data, and the gate it makes for one proposal.

Rules kept here:
- the row is chosen by what the operations really do (effect, action), never by what somebody calls them;
- what widens needs at least the approvers of what narrows, and the environment's approvers for widening as well;
- default deny: a row that is not found refuses;
- the result is an explanation tree, so that a person sees what is missing and from whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from twokey.domain.approval import Answer, Approval, fill
from twokey.domain.control import Control
from twokey.domain.operation import Action, Effect
from twokey.domain.proposal import Proposal, ProposalStatus, is_sealed
from twokey.engine.canonical import digest


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


class Environment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one environment is governed. Environments start guarded."""

    project: str
    key: str
    guarded: bool = True
    approvers: tuple[str, ...] = ("release_manager",)
    widening_approvers: tuple[str, ...] = ("release_manager",)
    proposal_hours: float = 4.0
    approval_hours: float = 4.0
    internal_segment: str = "internal-staff"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the decision matrix: what an assistant may do, and what a person must."""

    key: str
    says: str
    ai_alone: bool
    ai_may_draft: bool
    approval: bool
    prompt_alone: bool = False
    needs: str = ""


MATRIX: tuple[Row, ...] = (
    Row(
        key="summarise",
        says="summarise alerts and recent flag changes",
        ai_alone=True,
        ai_may_draft=True,
        approval=False,
    ),
    Row(key="cohort", says="identify likely affected cohort", ai_alone=True, ai_may_draft=True, approval=False),
    Row(key="pause", says="recommend a rollout pause", ai_alone=False, ai_may_draft=True, approval=True),
    Row(key="reduce", says="reduce a rollout in production", ai_alone=False, ai_may_draft=True, approval=True),
    Row(key="disable_tool", says="disable one AI agent tool", ai_alone=False, ai_may_draft=True, approval=True),
    Row(key="kill", says="activate a global kill switch", ai_alone=False, ai_may_draft=True, approval=True),
    Row(
        key="change_metrics",
        says="change experiment metrics mid-test",
        ai_alone=False,
        ai_may_draft=False,
        approval=True,
        needs="justification",
    ),
    Row(
        key="archive",
        says="delete or archive a flag",
        ai_alone=False,
        ai_may_draft=True,
        approval=True,
        needs="code_reference_review",
    ),
    Row(
        key="expand",
        says="expand exposure, or what cannot be shown to narrow it",
        ai_alone=False,
        ai_may_draft=True,
        approval=True,
    ),
    Row(
        key="edit",
        says="edit a control without changing what anyone gets",
        ai_alone=False,
        ai_may_draft=True,
        approval=True,
    ),
    Row(
        key="authorization",
        says="change hard authorization or credentials",
        ai_alone=False,
        ai_may_draft=False,
        approval=False,
    ),
)
ROWS = {row.key: row for row in MATRIX}
POLICY_DIGEST = digest(msgspec.to_builtins(MATRIX))

_BY_ACTION = {
    Action.ARCHIVE: "archive",
    Action.DELETE: "archive",
    Action.CHANGE_METRICS: "change_metrics",
}
_NARROWING = {
    Action.PAUSE_ROLLOUT: "pause",
    Action.DISABLE_TOOL: "disable_tool",
    Action.KILL_SWITCH: "kill",
}


def row_for(effect: Effect, action: Action) -> Row:
    """The row of the matrix that a change with this computed effect and action falls under."""
    if action in _BY_ACTION:
        return ROWS[_BY_ACTION[action]]
    if effect is Effect.WIDENS:
        return ROWS["expand"]
    if effect is Effect.NEITHER:
        return ROWS[_NARROWING.get(action, "edit")]
    return ROWS[_NARROWING.get(action, "reduce")]


def required_roles(row: Row, controls: Iterable[Control], environment: Environment) -> tuple[str, ...]:
    """The roles that distinct people must fill: those the touched flags name, and the environment's.

    For a widening change (and one whose row says so) the environment's widening approvers are added.
    """
    roles: list[str] = []
    named = [role for control in controls for role in control.approvers]
    for role in [*named, *environment.approvers, *(environment.widening_approvers if row.key == "expand" else ())]:
        if role not in roles:
            roles.append(role)
    return tuple(roles)


def evaluate(proposal: Proposal, approvals: Sequence[Approval], row: Row, now: datetime) -> Gate:
    """The gate of one proposal at `now`: open only when nothing is missing and nothing forbids."""
    children = (
        _content(proposal),
        _clock(proposal, now),
        _draftable(proposal, row),
        _needs(proposal, row),
        _veto(proposal, approvals),
        _quorum(proposal, approvals, now),
    )
    return combine(children, opened="both keys are turned", row=row.key)


def combine(children: Sequence[Gate], *, opened: str, row: str) -> Gate:
    """All of the children must be open; the first that is not gives the sentence. No children refuse."""
    for status in (GateStatus.REFUSED, GateStatus.WAITING):
        for child in children:
            if child.status is status:
                return Gate(status=status, sentence=child.sentence, rule=row, children=tuple(children))
    if not children:
        return Gate(status=GateStatus.REFUSED, sentence="no rule permits this", rule=row)
    return Gate(status=GateStatus.OPEN, sentence=opened, rule=row, children=tuple(children))


def _node(good: bool, sentence: str, otherwise: str, rule: str, bad: GateStatus = GateStatus.REFUSED) -> Gate:
    return Gate(status=GateStatus.OPEN if good else bad, sentence=sentence if good else otherwise, rule=rule)


def _content(proposal: Proposal) -> Gate:
    return _node(is_sealed(proposal), "the content has its digest", "the content no longer has its digest", "digest")


def _clock(proposal: Proposal, now: datetime) -> Gate:
    alive = proposal.status in (ProposalStatus.PENDING, ProposalStatus.APPROVED) and now < proposal.expires_at
    until = f"valid until {proposal.expires_at:%Y-%m-%d %H:%M} UTC"
    return _node(
        alive, until, f"the proposal is {proposal.status if now < proposal.expires_at else 'expired'}", "expiry"
    )


def _draftable(proposal: Proposal, row: Row) -> Gate:
    by_agent = proposal.author.kind != "person"
    return _node(
        row.ai_may_draft or not by_agent,
        f"{proposal.author.kind} may draft: {row.says}",
        f"an assistant may only warn of this, not draft it: {row.says}",
        "draft",
    )


def _needs(proposal: Proposal, row: Row) -> Gate:
    if not row.needs:
        return Gate(status=GateStatus.OPEN, sentence="nothing further is needed", rule="needs")
    wanted = row.needs.replace("_", " ")
    return _node(bool(getattr(proposal, row.needs).strip()), f"{wanted} recorded", f"a {wanted} is missing", row.needs)


def _veto(proposal: Proposal, approvals: Sequence[Approval]) -> Gate:
    no = [each.person for each in approvals if each.answer is Answer.NO and each.digest == proposal.digest]
    return _node(not no, "nobody rejected it", f"rejected by {', '.join(no)}", "veto")


def _quorum(proposal: Proposal, approvals: Sequence[Approval], now: datetime) -> Gate:
    if not proposal.required_roles:
        return Gate(status=GateStatus.REFUSED, sentence="no approver role is named", rule="quorum")
    counted = [each for each in approvals if each.counts(proposal.digest, proposal.excluded(), now)]
    filled = fill(proposal.required_roles, counted)
    children = tuple(_role(role, filled.get(index)) for index, role in enumerate(proposal.required_roles))
    missing = [role for index, role in enumerate(proposal.required_roles) if index not in filled]
    status = GateStatus.WAITING if missing else GateStatus.OPEN
    sentence = f"waiting for {' and '.join(missing)}" if missing else "every required role has approved"
    return Gate(status=status, sentence=sentence, rule="quorum", children=children)


def _role(role: str, approval: Approval | None) -> Gate:
    if approval is None:
        return Gate(status=GateStatus.WAITING, sentence=f"{role}: waiting", rule=role)
    return Gate(status=GateStatus.OPEN, sentence=f"{role}: {approval.person} approved", rule=role)
