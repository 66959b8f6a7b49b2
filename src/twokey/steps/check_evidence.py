"""Check what the telemetry says about a case's flag, before or after a change of the case is live.

Rules kept here:
- arms by assignment within rule and stage, from the first exposure on, so that no look restarts a test;
- without a control arm the comparison is before and after, and says so;
- what cannot be judged is a gap, never a pass;
- a check is kept when it says something new, or a minute after the last one.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from twokey.domain.audit import Happening
from twokey.domain.case import Case, CaseStatus
from twokey.domain.change import Change
from twokey.domain.check import Check, Phase
from twokey.domain.control import Control
from twokey.domain.errors import Conflict
from twokey.domain.guardrail import (
    EvidenceGap,
    Guardrail,
    GuardrailKind,
    Verdict,
    VerdictReason,
    alpha_by_guardrail,
    judge_before_after,
    presence_gap,
    verdict_gap,
)
from twokey.domain.identity import ANALYST, SYSTEM, Actor
from twokey.domain.job import JobKind
from twokey.domain.stages import split_plans
from twokey.domain.telemetry import Scope, StagePlan, Telemetry, Window
from twokey.ports import FlagVersion, Store, UnitOfWork
from twokey.steps.see_guardrails import ask, see

LOOK_BACK = timedelta(hours=24)
SOON, LATER = timedelta(seconds=10), timedelta(minutes=1)
VERSIONS = 1000
"""Edits of one flag that are looked back on, for the stage that each unit first met."""
UNSETTLED = frozenset({"inconclusive", "cannot_judge"})


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is checked: one flag of a case, with the change to look behind, if one is live."""

    case: Case
    control: Control
    versions: tuple[FlagVersion, ...]
    change: Change | None
    now: datetime

    @property
    def scope(self) -> Scope:
        """The flag in its environment."""
        return Scope(project=self.case.project, environment=self.case.environment, flag=self.control.key)


def check(store: Store, telemetry: Telemetry, case_id: str, actor: Actor = SYSTEM) -> Check:
    """Check the guardrails of the case's flag now, and keep what is new.

    Raises NotFound, and Conflict where the case names no flag that could be checked.
    """
    with store.read() as uow:
        subject = _subject(uow, uow.cases.get(case_id))
    with telemetry.first():
        verdicts = _verdicts(telemetry, subject)
        gaps = _gaps(telemetry, subject, verdicts)
    with store.begin() as uow:
        found = _make(uow, subject, verdicts, gaps)
        _keep(uow, found, actor)
        _look_again(uow, case_id, verdicts)
        return found


def _subject(uow: UnitOfWork, case: Case) -> Subject:
    changes = uow.changes.where(case=case.id, limit=1)
    key = _flag_of(uow, case, changes[0] if changes else None)
    if key is None:
        raise Conflict("no flag is suspected in this case, so there is nothing to check yet")
    return Subject(
        case=case,
        control=uow.flags.state(case.project, case.environment).control(key),
        versions=uow.flags.versions(case.project, case.environment, key, limit=VERSIONS),
        change=changes[0] if changes else None,
        now=uow.now,
    )


def _flag_of(uow: UnitOfWork, case: Case, change: Change | None) -> str | None:
    if change is not None and change.flags:
        return change.flags[0]
    for finding in uow.findings.where(case=case.id, author=ANALYST.id):
        if finding.suspects:
            return finding.suspects[0].flag
    return None


def _plans(subject: Subject) -> tuple[StagePlan, ...]:
    """Every stage that had both arms. All are asked for, so that a unit counts in the stage of its first exposure."""
    versions = [(each.revision, each.control) for each in subject.versions]
    return split_plans(versions, subject.control.flag.baseline)


def _verdicts(telemetry: Telemetry, subject: Subject) -> tuple[Verdict, ...]:
    """One verdict a guardrail, the built-in one on fallbacks included where arms can be compared."""
    plans, guardrails = _plans(subject), subject.control.guardrails
    judged = [index for index, plan in enumerate(plans) if subject.change is None or plan.last_revision is None]
    if not judged:
        return tuple(_judge_before_after(telemetry, subject, each) for each in guardrails)
    seen = see(telemetry, subject.scope, subject.control, plans, since=_since(subject), now=subject.now)
    return seen.verdicts(judged)


def _since(subject: Subject) -> datetime:
    return subject.change.applied_at if subject.change else subject.now - LOOK_BACK


def _judge_before_after(telemetry: Telemetry, subject: Subject, guardrail: Guardrail) -> Verdict:
    """Candidate units before the change against everyone after it; without a change there is nothing to compare."""
    if guardrail.kind is GuardrailKind.QUERY:
        return ask(telemetry, subject.scope, guardrail, _since(subject), subject.now)
    flag = subject.control.flag
    candidates = tuple(each.key for each in flag.variations if each.key != flag.baseline)
    moment = subject.change.applied_at if subject.change else subject.now
    before = telemetry.overall(
        subject.scope, guardrail, window=Window(since=moment - LOOK_BACK, until=moment), assigned=candidates
    )
    after = telemetry.overall(subject.scope, guardrail, window=Window(since=moment, until=subject.now))
    return judge_before_after(
        guardrail, before, after, alpha=alpha_by_guardrail(subject.control.guardrails)[guardrail.key]
    )


def _gaps(telemetry: Telemetry, subject: Subject, verdicts: tuple[Verdict, ...]) -> tuple[EvidenceGap, ...]:
    found: dict[str, EvidenceGap] = {}
    by_key = {each.guardrail: each for each in verdicts}
    for guardrail in subject.control.guardrails:
        verdict = by_key[guardrail.key]
        gap = _absence(telemetry, subject, guardrail) if verdict.reason is VerdictReason.NO_DATA else None
        gap = gap or verdict_gap(verdict)
        if gap is not None:
            found[gap.id] = gap
    return tuple(found.values())


def _absence(telemetry: Telemetry, subject: Subject, guardrail: Guardrail) -> EvidenceGap | None:
    """Why nothing of a metric was there to judge: it does not arrive, or joins nothing."""
    window = Window(since=subject.now - LOOK_BACK, until=subject.now)
    presence = telemetry.metric_presence(subject.scope, guardrail.joined_by, window=window)
    return presence_gap(
        guardrail, presence.events, presence.joined_events, unit_names=presence.unit_names, flag=subject.control.key
    )


def _make(uow: UnitOfWork, subject: Subject, verdicts: tuple[Verdict, ...], gaps: tuple[EvidenceGap, ...]) -> Check:
    return Check(
        id=uow.new_id("check"),
        case=subject.case.id,
        project=subject.case.project,
        environment=subject.case.environment,
        flag=subject.control.key,
        phase=Phase.AFTER if subject.change else Phase.BEFORE,
        change=subject.change.id if subject.change else None,
        at=uow.now,
        since=_since(subject),
        until=subject.now,
        verdicts=verdicts,
        gaps=gaps,
    )


def _keep(uow: UnitOfWork, found: Check, actor: Actor) -> None:
    last = uow.checks.where(case=found.case, limit=1)
    statuses = [(each.guardrail, str(each.status)) for each in found.verdicts]
    same = bool(last) and last[0].change == found.change
    if same and statuses == [(each.guardrail, str(each.status)) for each in last[0].verdicts]:
        if found.at - last[0].at < LATER:
            return
        uow.checks.add(found)
        return
    uow.checks.add(found)
    uow.audit.append(
        Happening(
            action="evidence.check",
            subject=found.id,
            actor=actor.reference(),
            project=found.project,
            environment=found.environment,
            case=found.case,
            detail={
                "flag": found.flag,
                "phase": str(found.phase),
                "verdicts": dict(statuses),
                "sentences": [each.sentence for each in found.verdicts],
                "gaps": [each.id for each in found.gaps],
            },
        )
    )


def _look_again(uow: UnitOfWork, case_id: str, verdicts: tuple[Verdict, ...]) -> None:
    if uow.cases.get(case_id).status is not CaseStatus.WATCHING:
        return
    unsettled = any(str(each.status) in UNSETTLED for each in verdicts)
    uow.jobs.enqueue(JobKind.CHECK_EVIDENCE, case_id, uow.now + (SOON if unsettled else LATER))
