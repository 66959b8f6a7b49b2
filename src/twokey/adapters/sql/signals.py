"""Signals, and which open case an alert belongs to: asked of the whole store, never of its newest part."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, or_, select

from twokey.adapters.sql.kinds import SIGNALS
from twokey.adapters.sql.records import SqlRecords
from twokey.adapters.sql.stored import copy
from twokey.adapters.sql.tables import cases, signals
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.case import CaseStatus
from twokey.domain.signal import Alert, Signal, fingerprint

_OPEN = [str(each) for each in CaseStatus if each is not CaseStatus.CLOSED]


class SqlSignals(SqlRecords[Signal]):
    """The signals, inside one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(transaction, SIGNALS)

    def open_case(self, project: str, environment: str, alert: Alert) -> str | None:
        """The newest case, not closed, with a signal of this fingerprint; else of this workflow or name and service."""
        here = and_(cases.c.project == copy(project), cases.c.environment == copy(environment))
        for same in (signals.c.fingerprint == fingerprint(alert), _kin(alert)):
            found = exists().where(signals.c.case == cases.c.id, same)
            query = select(cases.c.id).where(here, cases.c.status.in_(_OPEN), found)
            row = self._transaction.first(query.order_by(cases.c.seq.desc()).limit(1))
            if row is not None:
                return str(row.id)
        return None


def _kin(alert: Alert) -> ColumnElement[bool]:
    named = and_(signals.c.name == copy(alert.name), signals.c.service == copy(alert.service))
    return or_(signals.c.workflow == copy(alert.workflow), named) if alert.workflow else named
