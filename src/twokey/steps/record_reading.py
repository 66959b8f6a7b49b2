"""Record what an assistant read: an entry says by whose token, for whom, and which address."""

from __future__ import annotations

import msgspec

from twokey.domain.audit import Happening
from twokey.domain.identity import Actor
from twokey.ports import Store


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: the address below the API's, and the case it belongs to, where it names one."""

    actor: Actor
    path: str
    subject: str
    project: str = ""
    environment: str = ""


def record(store: Store, reading: Reading) -> None:
    """Add the reading to the audit log."""
    with store.begin() as uow:
        case = uow.cases.find(reading.subject)
        uow.audit.append(
            Happening(
                action="agent.read",
                subject=reading.subject,
                actor=reading.actor.reference(),
                project=reading.project,
                environment=reading.environment,
                case=case.id if case else None,
                detail={"path": reading.path},
            )
        )
