"""Record that something was refused: who tried what, and why not. In a transaction of its own: the other is undone."""

from __future__ import annotations

import msgspec

from twokey.domain.audit import Happening, Outcome
from twokey.domain.case import Case
from twokey.domain.errors import Invalid, Refused
from twokey.domain.identity import Actor
from twokey.ports import Store, UnitOfWork

MAX_TEXT = 2000


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody tried: the action and its subject, as the door saw it."""

    actor: Actor | None
    action: str
    subject: str
    project: str = ""
    environment: str = ""


def record(store: Store, attempt: Attempt, error: Exception) -> None:
    """Add the refusal to the audit log."""
    detail: dict[str, object] = {"problem": str(error)[:MAX_TEXT], "kind": type(error).__name__}
    if isinstance(error, Invalid):
        detail["field"] = error.field[:MAX_TEXT]
    if isinstance(error, Refused) and error.gate is not None:
        detail["gate"] = error.gate.sentence
    actor = attempt.actor.reference() if attempt.actor else {"id": "anonymous", "kind": "unknown"}
    with store.begin() as uow:
        case = case_of(uow, attempt.subject)
        uow.audit.append(
            Happening(
                action=attempt.action,
                subject=attempt.subject[:MAX_TEXT],
                actor=actor,
                outcome=Outcome.REFUSED,
                project=attempt.project or (case.project if case else ""),
                environment=attempt.environment or (case.environment if case else ""),
                case=case.id if case else None,
                detail=detail,
            )
        )


def case_of(uow: UnitOfWork, subject: str) -> Case | None:
    """The case that a subject is, or belongs to: so that what is refused about it shows in the case's timeline."""
    case = _case_id(uow, subject)
    return uow.cases.find(case) if case is not None else None


def _case_id(uow: UnitOfWork, subject: str) -> str | None:
    match subject.partition("-")[0]:
        case "case":
            return subject
        case "proposal":
            return proposal.case if (proposal := uow.proposals.find(subject)) else None
        case "change":
            return change.case if (change := uow.changes.find(subject)) else None
        case "finding":
            return finding.case if (finding := uow.findings.find(subject)) else None
    return None
