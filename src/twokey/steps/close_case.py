"""Close a case with its decision; take notes and an owner while it is open."""

from __future__ import annotations

import msgspec

from twokey.domain import decision as deciding
from twokey.domain.audit import Happening
from twokey.domain.case import Case, CaseStatus, Note
from twokey.domain.decision import Decision
from twokey.domain.errors import Conflict, Refused
from twokey.domain.identity import Actor
from twokey.domain.proposal import WAITING
from twokey.ports import Store, UnitOfWork
from twokey.steps.publish import sign_soon


def close(store: Store, actor: Actor, decision: Decision) -> Decision:
    """Close a case. Raises Refused for anyone but a person, Invalid and Conflict as `domain.decision.check` says."""
    if not actor.may_turn_key:
        raise Refused(f"only a person closes a case; this is a token of kind `{actor.kind}`")
    with store.begin() as uow:
        case = uow.cases.get(decision.case)
        waiting = sum(uow.proposals.count(case=case.id, status=str(status)) for status in WAITING)
        last = uow.checks.where(case=case.id, limit=1)
        decision = msgspec.structs.replace(
            decision,
            decided_by=actor.id,
            decided_at=uow.now,
            verdicts=tuple(f"{each.guardrail}: {each.status}" for check in last for each in check.verdicts),
        )
        deciding.check(case, decision, waiting)
        uow.decisions.add(decision)
        closed = case.to(CaseStatus.CLOSED, uow.now)
        uow.cases.replace(msgspec.structs.replace(closed, closed_at=uow.now))
        uow.audit.append(_happening("case.close", case, actor, msgspec.to_builtins(decision)))
        sign_soon(uow)
        return decision


def add_note(store: Store, actor: Actor, case_id: str, text: str) -> Note:
    """Write a note on a case. Raises Conflict once it is closed."""
    with store.begin() as uow:
        case = _open(uow, case_id)
        note = Note(at=uow.now, author=actor.id, text=text)
        uow.cases.replace(msgspec.structs.replace(case, notes=(*case.notes, note), updated_at=uow.now))
        uow.audit.append(_happening("case.note", case, actor, {"text": text}))
        return note


def set_owner(store: Store, actor: Actor, case_id: str, owner: str) -> Case:
    """Name who owns the case. Raises Refused for anyone but a person."""
    if not actor.may_turn_key:
        raise Refused("only a person names the owner of a case")
    with store.begin() as uow:
        case = msgspec.structs.replace(_open(uow, case_id), owner=owner, updated_at=uow.now)
        uow.cases.replace(case)
        uow.audit.append(_happening("case.owner", case, actor, {"owner": owner}))
        return case


def _open(uow: UnitOfWork, case_id: str) -> Case:
    case = uow.cases.get(case_id)
    if case.status is CaseStatus.CLOSED:
        raise Conflict("the case is closed")
    return case


def _happening(action: str, case: Case, actor: Actor, detail: dict[str, object]) -> Happening:
    return Happening(
        action=action,
        subject=case.id,
        actor=actor.reference(),
        project=case.project,
        environment=case.environment,
        case=case.id,
        detail=detail,
    )
