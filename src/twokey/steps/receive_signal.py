"""Receive a foreign alert payload: each alert joins the case it belongs to, or opens one.

Rules kept here:
- the whole payload is one transaction: signals, case, audit entries and triage job stand together or not at all;
- a repeat of an alert is counted, not doubled; a resolved alert ends its signal and opens nothing;
- alerts of one group, and later alerts of the same name in the same environment, join the case that is open for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from twokey.domain.audit import Happening
from twokey.domain.case import Case, CaseStatus
from twokey.domain.identity import Actor
from twokey.domain.job import JobKind
from twokey.domain.signal import Alert, Signal, SignalStatus, fingerprint
from twokey.ports import Store, UnitOfWork


class Outcome(StrEnum):
    """What became of one alert."""

    OPENED = "opened"
    JOINED = "joined"
    REPEATED = "repeated"
    RESOLVED = "resolved"
    IGNORED = "ignored"


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One alert's fate."""

    fingerprint: str
    outcome: Outcome
    case: str | None = None
    signal: str | None = None


def receive(store: Store, actor: Actor, project: str, environment: str, alerts: Sequence[Alert]) -> tuple[Receipt, ...]:
    """Take in the alerts of one payload. Raises NotFound for an unknown environment."""
    with store.begin() as uow:
        uow.flags.environment(project, environment)
        return tuple(_Intake(uow, actor, project, environment).take(alert) for alert in alerts)


class _Intake:
    def __init__(self, uow: UnitOfWork, actor: Actor, project: str, environment: str) -> None:
        self.uow, self.actor, self.project, self.environment = uow, actor, project, environment

    def take(self, alert: Alert) -> Receipt:
        known = self._known(alert)
        if alert.status is SignalStatus.RESOLVED:
            return self._resolve(alert, known)
        if known is not None and known.resolved_at is None:
            return self._repeat(alert, known)
        return self._open_or_join(alert)

    def _known(self, alert: Alert) -> Signal | None:
        """The signal of this very firing: the same fingerprint and the same start."""
        found = self.uow.signals.where(
            project=self.project,
            environment=self.environment,
            fingerprint=fingerprint(alert),
            starts_at=alert.starts_at,
            limit=1,
        )
        return found[0] if found else None

    def _resolve(self, alert: Alert, known: Signal | None) -> Receipt:
        if known is None:
            return Receipt(fingerprint=alert.fingerprint, outcome=Outcome.IGNORED)
        if known.resolved_at is None:
            ended = msgspec.structs.replace(
                known, alert=alert, resolved_at=alert.ends_at or self.uow.now, last_seen_at=self.uow.now
            )
            self.uow.signals.replace(ended)
            self._record("signal.resolve", ended)
        return Receipt(fingerprint=alert.fingerprint, outcome=Outcome.RESOLVED, case=known.case, signal=known.id)

    def _repeat(self, alert: Alert, known: Signal) -> Receipt:
        self.uow.signals.replace(
            msgspec.structs.replace(known, alert=alert, seen=known.seen + 1, last_seen_at=self.uow.now)
        )
        return Receipt(fingerprint=alert.fingerprint, outcome=Outcome.REPEATED, case=known.case, signal=known.id)

    def _open_or_join(self, alert: Alert) -> Receipt:
        case = self._open_case(alert)
        outcome = Outcome.JOINED if case else Outcome.OPENED
        case = case or self._new_case(alert)
        signal = Signal(
            id=self.uow.new_id("signal"),
            case=case.id,
            project=self.project,
            environment=self.environment,
            alert=alert,
            received_at=self.uow.now,
            last_seen_at=self.uow.now,
        )
        self.uow.signals.add(signal)
        self._record("signal.receive", signal)
        return Receipt(fingerprint=alert.fingerprint, outcome=outcome, case=case.id, signal=signal.id)

    def _open_case(self, alert: Alert) -> Case | None:
        found = self.uow.signals.open_case(self.project, self.environment, alert)
        return self.uow.cases.get(found) if found else None

    def _new_case(self, alert: Alert) -> Case:
        case = Case(
            id=self.uow.new_id("case"),
            project=self.project,
            environment=self.environment,
            title=alert.summary or alert.name,
            severity=alert.severity,
            status=CaseStatus.OPEN,
            opened_at=self.uow.now,
            updated_at=self.uow.now,
        )
        self.uow.cases.add(case)
        self.uow.audit.append(self._happening("case.open", case.id, case.id, {"title": case.title}))
        self.uow.jobs.enqueue(JobKind.TRIAGE_CASE, case.id, self.uow.now)
        return case

    def _record(self, action: str, signal: Signal) -> None:
        alert = signal.alert
        detail: dict[str, object] = {
            "name": alert.name,
            "source": alert.source,
            "fingerprint": alert.fingerprint,
            "labels": alert.labels,
        }
        self.uow.audit.append(self._happening(action, signal.id, signal.case, detail))

    def _happening(self, action: str, subject: str, case: str, detail: dict[str, object]) -> Happening:
        return Happening(
            action=action,
            subject=subject,
            actor=self.actor.reference(),
            project=self.project,
            environment=self.environment,
            case=case,
            detail=detail,
        )
