"""Triage a case: collect what is known about every control, let the analyst conclude, keep its finding and evidence.

Rules kept here:
- reading the telemetry takes time, so it happens outside every transaction; the finding is kept once, with evidence;
- every figure is read again before the finding is kept, and what is not supported is on record as such;
- a case that somebody moved on in the meantime is left alone;
- telemetry may lag behind an alert: where the analyst abstains it looks again for a while, and says so only if it then
  sees more.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from twokey.domain.audit import Happening
from twokey.domain.case import Case, CaseStatus
from twokey.domain.control import Control, State
from twokey.domain.finding import Finding, ground
from twokey.domain.guardrail import Guardrail, GuardrailKind, VerdictStatus, alpha_by_guardrail, judge
from twokey.domain.identity import ANALYST
from twokey.domain.job import JobKind
from twokey.domain.signal import Signal
from twokey.domain.stages import split_plans
from twokey.domain.telemetry import Scope, StagePlan, Telemetry, Window
from twokey.domain.triage import Analysis, Collected, Measurement, Observed, analyse
from twokey.ports import FlagVersion, Store, UnitOfWork

LOOK_BACK = timedelta(hours=24)
CONTEXTS = 500
"""So many recent contexts tell which attributes cohorts could be cut by."""
ATTRIBUTES = 12
VERSIONS = 1000
"""Edits of one flag that are looked back on."""
AGAIN, PATIENCE = timedelta(seconds=30), timedelta(minutes=30)


def triage(store: Store, telemetry: Telemetry, case_id: str) -> Finding | None:
    """The analyst's finding of a case; nothing where the case is not open any more. Raises NotFound."""
    with store.read() as uow:
        if not _undecided(uow, case_id):
            return None
        now, known = uow.now, _read(uow, case_id)
    collected = _Collector(telemetry, known, now).collect()
    with store.begin() as uow:
        if not _undecided(uow, case_id):
            return None
        analysis = analyse(collected, id=uow.new_id("finding"), now=now, new_id=uow.new_id)
        _look_again(uow, case_id, analysis)
        first = uow.cases.get(case_id).status is CaseStatus.OPEN
        return _keep(uow, analysis) if first or analysis.operations else None


def _undecided(uow: UnitOfWork, case_id: str) -> bool:
    """Whether the case still waits for a finding that recommends something."""
    case = uow.cases.get(case_id)
    if case.status is CaseStatus.OPEN:
        return True
    findings = uow.findings.where(case=case_id, limit=1)
    abstained = bool(findings) and not findings[0].operations
    return case.status is CaseStatus.TRIAGED and abstained and not uow.proposals.count(case=case_id)


def _look_again(uow: UnitOfWork, case_id: str, analysis: Analysis) -> None:
    if not analysis.operations and uow.now - uow.cases.get(case_id).opened_at < PATIENCE:
        uow.jobs.enqueue(JobKind.TRIAGE_CASE, case_id, uow.now + AGAIN, key=f"{case_id}:{uow.now.isoformat()}")


class _Known(NamedTuple):
    """What the control store says, read in one transaction."""

    case: Case
    signals: tuple[Signal, ...]
    state: State
    versions: dict[str, tuple[FlagVersion, ...]]
    internal_segment: str


def _read(uow: UnitOfWork, case_id: str) -> _Known:
    case = uow.cases.get(case_id)
    here = (case.project, case.environment)
    state = uow.flags.state(*here)
    live = [key for key, each in state.controls.items() if not each.archived]
    return _Known(
        case=case,
        signals=uow.signals.where(case=case_id),
        state=state,
        versions={key: uow.flags.versions(*here, key, limit=VERSIONS) for key in live},
        internal_segment=uow.flags.environment(*here).internal_segment,
    )


class _Collector:
    def __init__(self, telemetry: Telemetry, known: _Known, now: datetime) -> None:
        self.telemetry, self.known = telemetry, known
        self.window = Window(since=now - LOOK_BACK, until=now)
        self.ever = Window(until=now)

    def collect(self) -> Collected:
        known = self.known
        return Collected(
            case=known.case.id,
            signals=known.signals,
            state=known.state,
            controls=tuple(self._observe(known.state.controls[key]) for key in known.versions),
            changes=self.telemetry.change_events(self._scope(None), window=self.window),
            internal_segment=known.internal_segment,
        )

    def _scope(self, flag: str | None) -> Scope:
        return Scope(project=self.known.case.project, environment=self.known.case.environment, flag=flag)

    def _observe(self, control: Control) -> Observed:
        versions = self.known.versions[control.key]
        plans = split_plans([(each.revision, each.control) for each in versions], control.flag.baseline)
        return Observed(
            flag=control.key,
            versions=versions,
            measurements=self._measurements(control, plans, versions),
            exposures=self.telemetry.exposure_counts(self._scope(control.key), window=self.window),
        )

    def _measurements(
        self, control: Control, plans: tuple[StagePlan, ...], versions: tuple[FlagVersion, ...]
    ) -> tuple[Measurement, ...]:
        compared = [each for each in control.guardrails if each.kind is not GuardrailKind.QUERY]
        if not versions or not compared:
            return ()  # a query sees everybody: it cannot tell one flag's doing from another's
        attributes = self._attributes(control) if plans else ()
        return tuple(self._measure(control, each, plans, attributes) for each in compared)

    def _measure(
        self, control: Control, guardrail: Guardrail, plans: tuple[StagePlan, ...], attributes: tuple[str, ...]
    ) -> Measurement:
        scope, baseline = self._scope(control.key), control.flag.baseline
        arms = self.telemetry.arms(scope, guardrail, plans, baseline=baseline, window=self.ever)
        verdict = judge(guardrail, arms, alpha=alpha_by_guardrail(control.guardrails)[guardrail.key])
        harmed = verdict.status is VerdictStatus.BREACHED
        cohorts = (
            self.telemetry.cohort_contrasts(scope, guardrail, plans, attributes, baseline=baseline, window=self.ever)
            if harmed and attributes
            else ()
        )
        return Measurement(
            guardrail=guardrail,
            verdict=verdict,
            presence=self.telemetry.metric_presence(scope, guardrail.metric, window=self.window),
            cohorts=cohorts,
        )

    def _attributes(self, control: Control) -> tuple[str, ...]:
        """Context attributes that cohorts could be cut by: all but the ids that units are assigned by."""
        recorded = self.telemetry.contexts(self._scope(control.key), window=self.window, limit=CONTEXTS)
        units = {"targetingKey", control.flag.unit}
        names = sorted({name for each in recorded for name in each.context if name not in units})
        return tuple(names[:ATTRIBUTES])


def _keep(uow: UnitOfWork, analysis: Analysis) -> Finding:
    for each in analysis.evidence:
        uow.evidence.add(each)
    finding = msgspec.structs.replace(analysis.finding, operations=analysis.operations, title=analysis.title)
    uow.findings.add(finding)
    case = uow.cases.get(finding.case)
    if case.status is CaseStatus.OPEN:
        uow.cases.replace(case.to(CaseStatus.TRIAGED, uow.now))
    grounded = ground(finding, {each.id: each for each in analysis.evidence})
    uow.audit.append(
        Happening(
            action="case.triage",
            subject=finding.id,
            actor=ANALYST.reference(),
            project=case.project,
            environment=case.environment,
            case=case.id,
            detail={
                "summary": finding.summary,
                "recommendation": str(finding.recommendation),
                "confidence": finding.confidence,
                "evidence": {each.id: each.sha256 for each in analysis.evidence},
                "unsupported": [each.citation.says for each in grounded if not each.supported],
                "gaps": [each.id for each in finding.gaps],
            },
        )
    )
    if finding.suspects:
        uow.jobs.enqueue(JobKind.CHECK_EVIDENCE, case.id, uow.now)
    if finding.operations:
        uow.jobs.enqueue(JobKind.DRAFT_PROPOSAL, finding.id, uow.now)
    return finding
