"""The decision that closes a case: what was chosen, why, what came of it, who owns it, when to look again.

Rules kept here:
- a case cannot close without decision, rationale, outcome, owner and review date;
- before anything was done it can only close as *no action* or *resolved by itself*.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

import msgspec

from twokey.domain.case import Case, CaseStatus
from twokey.domain.errors import Conflict
from twokey.engine.errors import Invalid


class Choice(StrEnum):
    """How a case ends."""

    EXPAND = "expand"
    CONTINUE = "continue"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"
    CLEAN_UP = "clean_up"
    NO_ACTION = "no_action"
    RESOLVED_BY_ITSELF = "resolved_by_itself"


WITHOUT_ACTION = frozenset({Choice.NO_ACTION, Choice.RESOLVED_BY_ITSELF})


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The closing decision of a case."""

    case: str
    choice: Choice
    rationale: str
    outcome: str
    owner: str
    review_date: date
    decided_by: str
    decided_at: datetime
    verdicts: tuple[str, ...] = ()


def check(case: Case, decision: Decision, open_proposals: int) -> Decision:
    """Return the decision if it may close this case.

    Raises Invalid for an empty field, Conflict where the case's state forbids this choice.
    """
    for field in ("rationale", "outcome", "owner"):
        if not getattr(decision, field).strip():
            raise Invalid(field, "is empty", "a few words that somebody can rely on later")
    if decision.review_date < decision.decided_at.date():
        raise Invalid("review_date", f"`{decision.review_date}` is in the past", "today or later")
    if open_proposals:
        raise Conflict("a proposal of this case is still open", remedy="approve, reject or withdraw it first")
    _check_choice(case, decision.choice)
    return decision


def _check_choice(case: Case, choice: Choice) -> None:
    if case.status is CaseStatus.CLOSED:
        raise Conflict("the case is closed already")
    acted = case.status is CaseStatus.WATCHING
    if not acted and choice not in WITHOUT_ACTION:
        raise Conflict(
            f"nothing was changed in this case, so it cannot close as `{choice}`",
            remedy="close it as `no_action` or `resolved_by_itself`, with the reason",
        )
    if acted and choice in WITHOUT_ACTION:
        raise Conflict(
            f"a change of this case is live, so it cannot close as `{choice}`", remedy="say what was decided"
        )
