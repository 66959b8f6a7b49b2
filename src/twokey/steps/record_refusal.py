"""Record that something was refused: who tried what, and why not. In a transaction of its own: the other is undone."""

from __future__ import annotations

import msgspec

from twokey.domain.audit import Happening, Outcome
from twokey.domain.errors import Invalid, NotFound, Refused
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
        uow.audit.append(
            Happening(
                action=attempt.action,
                subject=attempt.subject[:MAX_TEXT],
                actor=actor,
                outcome=Outcome.REFUSED,
                project=attempt.project,
                environment=attempt.environment,
                case=_case_of(uow, attempt.subject),
                detail=detail,
            )
        )


def _case_of(uow: UnitOfWork, subject: str) -> str | None:
    """The case a refused attempt belongs to, so that it shows in the case's timeline."""
    try:
        return uow.cases.get(subject).id if subject.startswith("case-") else uow.proposals.get(subject).case
    except NotFound:
        return None
