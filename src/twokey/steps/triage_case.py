"""Triage a case: collect what is known about the controls, let the analyst conclude, keep its finding and evidence.

Rules kept here:
- reading the telemetry takes time, so it happens outside every transaction; the finding is kept once, with evidence;
- every figure is read again before the finding is kept, and what is not supported is on record as such;
- a case that somebody moved on in the meantime is left alone;
- telemetry may lag behind an alert: where the analyst abstains it looks again for a while, and says so only if it then
  sees more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from twokey.domain.audit import Entry, Happening
from twokey.domain.case import Case, CaseStatus
from twokey.domain.control import Control, State
from twokey.domain.finding import Finding, ground
from twokey.domain.guarded_rollout import GuardedRollout, RolloutStatus
from twokey.domain.guardrail import Guardrail, alpha_by_guardrail, judge
from twokey.domain.identity import ANALYST, ActorKind
from twokey.domain.job import JobKind
from twokey.domain.signal import Signal
from twokey.domain.stages import split_plans
from twokey.domain.telemetry import MetricPresence, Scope, StagePlan, Telemetry, Window
from twokey.domain.triage import (
    FEW,
    Analysis,
    Came,
    Collected,
    Measurement,
    Mix,
    Observed,
    Shortlist,
    Version,
    analyse,
    asked,
    compare,
    comparing,
    edits,
    last_before,
    past_bar,
    separates,
    shortlist,
    started,
)
from twokey.ports import FlagVersion, Runbooks, Store, UnitOfWork

LOOK_BACK = timedelta(hours=24)
CONTEXTS = 500
"""A sample of so many units tells which attributes cohorts could be cut by."""
ATTRIBUTES = 12
REPLAYED = 2_000
"""Recorded contexts of a suspected flag that its way out is tried on."""
SUSPECTS, RIVALS = 4, 3
"""So many breached flags are looked at more closely, each beside the others and so many that were edited last."""
HOUR = timedelta(hours=1)
ROLLOUTS = 100
AGAIN, PATIENCE = timedelta(seconds=30), timedelta(minutes=30)


def triage(store: Store, telemetry: Telemetry, case_id: str, runbooks: Runbooks | None = None) -> Finding | None:
    """The analyst's finding of a case; nothing where the case is not open any more. Raises NotFound."""
    with store.read() as uow:
        if not _undecided(uow, case_id):
            return None
        now, known = uow.now, _read(uow, case_id)
    collected = msgspec.structs.replace(
        _Collector(store, telemetry, known, now).collect(), runbooks=runbooks.read() if runbooks else ()
    )
    with store.begin() as uow:
        if not _undecided(uow, case_id):
            return None
        analysis = analyse(collected, id=uow.new_id("finding"), now=now, new_id=uow.new_id)
        _look_again(uow, case_id, analysis)
        first = not uow.findings.count(case=case_id, author=ANALYST.id)
        return _keep(uow, analysis) if first or analysis.operations else None


def _undecided(uow: UnitOfWork, case_id: str) -> bool:
    """Whether the case still waits for a finding that recommends something. What other assistants did is no matter."""
    case = uow.cases.get(case_id)
    if case.status is CaseStatus.OPEN:
        return True
    own = uow.findings.where(case=case_id, author=ANALYST.id, limit=1)
    if case.status not in (CaseStatus.TRIAGED, CaseStatus.ACTING) or (own and own[0].operations):
        return False
    return all(each.author.kind is ActorKind.AGENT for each in uow.proposals.where(case=case_id))


def _look_again(uow: UnitOfWork, case_id: str, analysis: Analysis) -> None:
    if not analysis.operations and uow.now - uow.cases.get(case_id).opened_at < PATIENCE:
        uow.jobs.enqueue(JobKind.TRIAGE_CASE, case_id, uow.now + AGAIN, key=f"{case_id}:{uow.now.isoformat()}")


class _Known(NamedTuple):
    """What the control store says, read in one transaction."""

    case: Case
    signals: tuple[Signal, ...]
    state: State
    edited: dict[str, datetime]
    internal_segment: str
    rollouts: tuple[GuardedRollout, ...]


def _read(uow: UnitOfWork, case_id: str) -> _Known:
    case = uow.cases.get(case_id)
    here, signals = (case.project, case.environment), uow.signals.where(case=case_id)
    moment = started(signals) if signals else uow.now
    return _Known(
        case=case,
        signals=signals,
        state=uow.flags.state(*here),
        edited=uow.flags.edited(*here, moment - LOOK_BACK, moment),
        internal_segment=uow.flags.environment(*here).internal_segment,
        rollouts=uow.rollouts.where(
            project=case.project, environment=case.environment, status=str(RolloutStatus.RUNNING), limit=ROLLOUTS
        ),
    )


class _Collector:
    def __init__(self, store: Store, telemetry: Telemetry, known: _Known, now: datetime) -> None:
        self.store, self.telemetry, self.known = store, telemetry, known
        self.window = Window(since=now - LOOK_BACK, until=now)
        self.ever = Window(until=now)
        self.now, self.moment = now, started(known.signals) if known.signals else now
        self.exposed = telemetry.exposed(self._scope(None), window=self.window)
        self.joining: set[tuple[str, str]] = set()

    def collect(self) -> Collected:
        known, found = self.known, self._shortlist()
        keys = (*found.flags, *(key for key in found.unwatched if key in self.exposed))
        with self.store.read() as uow:
            histories = uow.flags.histories(known.case.project, known.case.environment, keys)
        observed = [self._observe(known.state.controls[key], histories[key]) for key in keys]
        return Collected(
            case=known.case.id,
            signals=known.signals,
            state=known.state,
            controls=self._closer(observed, found),
            changes=self.telemetry.change_events(self._scope(None), window=self.window),
            internal_segment=known.internal_segment,
            shortlist=found,
            mix=self._mix(),
            rollouts=known.rollouts,
        )

    def _closer(self, observed: list[Observed], found: Shortlist) -> tuple[Observed, ...]:
        """The breached ones looked at more closely: by variation, by cohort, beside other flags, with contexts."""
        breached = sorted(
            (each for each in observed if any(separates(one) for one in each.measurements)),
            key=lambda each: -max(past_bar(one) for one in each.measurements if separates(one)),
        )[:SUSPECTS]
        rivals = [each.flag for each in breached]
        moved = sorted(found.flags, key=lambda key: -found.weight(key))[:RIVALS]
        closer = {each.flag: self._close(each, [*rivals, *moved]) for each in breached}
        return tuple(closer.get(each.flag, each) for each in observed)

    def _close(self, observed: Observed, rivals: Sequence[str]) -> Observed:
        control = self.known.state.controls[observed.flag]
        plans = _plans(control, observed.versions)
        waits_for = [each.flag for each in control.flag.prerequisites]
        beside = [key for key in dict.fromkeys((*waits_for, *rivals)) if key != observed.flag and key in self.exposed]
        attributes = self._attributes(control)
        return msgspec.structs.replace(
            observed,
            measurements=tuple(
                self._cut(control, each, plans, attributes, beside) if separates(each) else each
                for each in observed.measurements
            ),
            by_variation=self._by_variation(control, observed.measurements, plans),
            audited=self._audited(observed.versions),
            recorded=self.telemetry.contexts(self._scope(observed.flag), window=self.window, limit=REPLAYED),
        )

    def _audited(self, versions: Sequence[Version]) -> tuple[Entry, ...]:
        """What the audit log has about its last change before the trouble."""
        edit = last_before(edits(versions), self.moment)
        if edit is None:
            return ()
        with self.store.read() as uow:
            return uow.audit.entries(subject=edit.version.change, limit=1)

    def _cut(
        self,
        control: Control,
        measurement: Measurement,
        plans: tuple[StagePlan, ...],
        attributes: tuple[str, ...],
        beside: Sequence[str],
    ) -> Measurement:
        scope, guardrail, baseline = self._scope(control.key), measurement.guardrail, control.flag.baseline
        return msgspec.structs.replace(
            measurement,
            cohorts=self.telemetry.cohort_contrasts(
                scope, guardrail, plans, attributes, baseline=baseline, window=self.ever
            ),
            beside=self.telemetry.contrasts_by_flag(
                scope, guardrail, plans, beside, baseline=baseline, window=self.ever
            ),
        )

    def _by_variation(
        self, control: Control, measurements: Sequence[Measurement], plans: tuple[StagePlan, ...]
    ) -> tuple[Measurement, ...]:
        """The breached guardrails for each variation by itself, where there are several beside the baseline."""
        baseline = control.flag.baseline
        names = sorted({key for plan in plans for key, share in plan.shares.items() if share and key != baseline})
        breached = [each.guardrail for each in measurements if separates(each)]
        if len(names) < 2:
            return ()
        alphas, scope = alpha_by_guardrail(control.guardrails), self._scope(control.key)
        found = []
        for name in names:
            own = tuple(plan for plan in plans if plan.shares.get(name) and plan.shares.get(baseline))
            arms = self.telemetry.arms_of_all(scope, breached, own, baseline=baseline, candidate=name, window=self.ever)
            found += [
                Measurement(
                    guardrail=each, variation=name, verdict=judge(each, one, alpha=alphas[each.key] / len(names))
                )
                for each, one in zip(breached, arms, strict=True)
            ]
        return tuple(found)

    def _mix(self) -> Mix:
        """Who came in the hour before the trouble, and since."""
        here, moment = self._scope(None), self.moment
        came = [
            Came(
                since=since, until=until, traffic=self.telemetry.traffic(here, window=Window(since=since, until=until))
            )
            for since, until in ((moment - HOUR, moment), (moment, max(self.now, moment + timedelta(minutes=1))))
        ]
        return compare(*came)

    def _shortlist(self) -> Shortlist:
        """Few controls are all measured; of many, those that a rough look at all of them chooses."""
        known = self.known
        questions = asked(known.state, self.exposed)
        many = sum(bool(comparing(each)) for each in known.state.controls.values()) > FEW
        glances = self.telemetry.glances(self._scope(None), questions, window=self.window) if many else ()
        self.joining = {(each.flag, each.guardrail) for each in glances}
        return shortlist(known.state, known.signals, self.moment, known.edited, self.exposed, glances)

    def _scope(self, flag: str | None) -> Scope:
        return Scope(project=self.known.case.project, environment=self.known.case.environment, flag=flag)

    def _observe(self, control: Control, versions: tuple[FlagVersion, ...]) -> Observed:
        return Observed(
            flag=control.key,
            versions=versions,
            measurements=self._measurements(control, versions),
            exposures=self.exposed.get(control.key, ()),
        )

    def _measurements(self, control: Control, versions: tuple[FlagVersion, ...]) -> tuple[Measurement, ...]:
        compared = comparing(control)
        if not versions or not compared:
            return ()
        plans = _plans(control, versions)
        scope, baseline = self._scope(control.key), control.flag.baseline
        arms = self.telemetry.arms_of_all(scope, compared, plans, baseline=baseline, window=self.ever)
        alphas = alpha_by_guardrail(control.guardrails)
        verdicts = [judge(each, found, alpha=alphas[each.key]) for each, found in zip(compared, arms, strict=True)]
        return tuple(
            Measurement(guardrail=guardrail, verdict=verdict, presence=self._presence(control, guardrail))
            for guardrail, verdict in zip(compared, verdicts, strict=True)
        )

    def _presence(self, control: Control, guardrail: Guardrail) -> MetricPresence | None:
        """Whether the metric arrives, where the rough look has not seen it join."""
        if (control.key, guardrail.key) in self.joining:
            return None
        return self.telemetry.metric_presence(self._scope(control.key), guardrail.joined_by, window=self.window)

    def _attributes(self, control: Control) -> tuple[str, ...]:
        """Context attributes that cohorts could be cut by: all but the ids that units are assigned by.

        Of many, those that the flag's own rules ask for, then those that most units have: names that few units carry
        push nothing out.
        """
        recorded = self.telemetry.traffic(self._scope(control.key), window=self.window, sample=CONTEXTS)
        units = {"targetingKey", control.flag.unit}
        had = Counter(name for each in recorded.contexts for name in each if name not in units)
        own = {clause.attribute for rule in control.flag.rules for clause in rule.clauses}
        ranked = sorted(had, key=lambda name: (name not in own, -had[name], name))
        return tuple(sorted(ranked[:ATTRIBUTES]))


def _plans(control: Control, versions: Sequence[Version]) -> tuple[StagePlan, ...]:
    return split_plans([(each.revision, each.control) for each in versions], control.flag.baseline)


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
                "warnings": list(finding.warnings),
            },
        )
    )
    if finding.suspects:
        uow.jobs.enqueue(JobKind.CHECK_EVIDENCE, case.id, uow.now)
    if finding.operations:
        uow.jobs.enqueue(JobKind.DRAFT_PROPOSAL, finding.id, uow.now)
    return finding
