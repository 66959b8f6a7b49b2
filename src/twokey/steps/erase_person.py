"""Erase what is personal of somebody, and keep that it was erased.

Rules kept here:
- only a person of the security role erases, with fresh proof, and not themselves: two people know of it;
- what goes is what tells of the person and decides nothing: what is kept beside the log's entries, the labels of their
  sessions, and, once they are shut out, their display name. Their username stands for them in the log, and stays;
- the log still verifies, for an erasure is on record after what it erased.
"""

from __future__ import annotations

from msgspec.structs import replace

from twokey.domain.approval import Proof
from twokey.domain.audit import Happening
from twokey.domain.beside import ERASE
from twokey.domain.errors import NotFound, Refused
from twokey.domain.identity import Actor, ActorKind, Role
from twokey.ports import Store, UnitOfWork
from twokey.steps.ask_gate import check_governs


def erase(store: Store, actor: Actor, person: str, proof: Proof | None, reason: str) -> int:
    """Erase what is personal of somebody; how many values of the log that were.

    Raises Refused for anyone but another person of the security role with fresh proof, NotFound.
    """
    if actor.kind is not ActorKind.PERSON or not actor.holds(Role.SECURITY):
        raise Refused("only a person of the security role erases")
    if actor.id == person:
        raise Refused("nobody erases what the log says of themselves: another person of the security role does")
    if proof is None:
        raise Refused("this needs fresh proof that you are here: your password, a code or a passkey")
    with store.begin() as uow:
        check_governs(uow, actor, "people")
        count = uow.audit.erase(person)
        _erase_records(uow, person)
        detail = {"values": count, "reason": reason, "proof": str(proof)}
        uow.audit.append(Happening(action=ERASE, subject=person, actor=actor.reference(), detail=detail))
        return count


def _erase_records(uow: UnitOfWork, person: str) -> None:
    found = uow.users.where(username=person, limit=1)
    if not found:
        raise NotFound("user", person)
    if found[0].disabled:
        uow.users.replace(replace(found[0], name=person, subject=""))
    for session in uow.sessions.where(user=person, limit=uow.sessions.count(user=person)):
        if session.label:
            uow.sessions.replace(replace(session, label=""))
