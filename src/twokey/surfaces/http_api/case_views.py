"""Cases as people read them: the loop's steps, what the signal says, the finding, the evidence, the timeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twokey.domain.audit import Entry
from twokey.domain.case import Case, CaseStatus
from twokey.domain.change import Change
from twokey.domain.check import Check
from twokey.domain.control import Control
from twokey.domain.decision import WITHOUT_ACTION, Choice, Decision
from twokey.domain.evidence import Evidence
from twokey.domain.guardrail import StageArms, Verdict
from twokey.domain.identity import ANALYST, Actor
from twokey.domain.proposal import WAITING, Proposal, ProposalStatus
from twokey.domain.signal import Signal
from twokey.ports import UnitOfWork
from twokey.surfaces.http_api.figures import tile
from twokey.surfaces.http_api.finding_views import finding_view, gap_view, opinions
from twokey.surfaces.http_api.models import (
    CaseRow,
    CaseView,
    ChangeView,
    CheckView,
    DecisionView,
    EvidenceView,
    GapView,
    NoteView,
    SignalView,
    StageView,
    StepView,
    Tile,
    TimelineItem,
    VerdictView,
)
from twokey.surfaces.http_api.proposal_views import proposal_row

STEPS = (
    ("signal", "Signal"),
    ("triage", "Triage"),
    ("proposal", "Proposal"),
    ("approval", "Approval"),
    ("change", "Change"),
    ("evidence", "Evidence"),
    ("decision", "Decision"),
)


class Loaded:
    """All that is on record about one case, read in one transaction."""

    def __init__(self, uow: UnitOfWork, case: Case) -> None:
        self.uow, self.case = uow, case
        self.signals = uow.signals.where(case=case.id, limit=500)
        findings = uow.findings.where(case=case.id, author=ANALYST.id, limit=1)
        self.finding = findings[0] if findings else None
        self.proposals = uow.proposals.where(case=case.id)
        self.changes = uow.changes.where(case=case.id)
        self.checks = uow.checks.where(case=case.id, limit=20)
        self.decision = uow.decisions.find(case.id)

    @property
    def flag(self) -> str | None:
        """The flag the case is about: what was changed, else what is suspected."""
        if self.changes and self.changes[-1].flags:
            return self.changes[-1].flags[0]
        return self.finding.suspects[0].flag if self.finding and self.finding.suspects else None

    @property
    def control(self) -> Control | None:
        """The control of that flag, if it still exists."""
        if self.flag is None:
            return None
        return self.uow.flags.state(self.case.project, self.case.environment).controls.get(self.flag)


def case_row(uow: UnitOfWork, case: Case) -> CaseRow:
    """A case in a list."""
    return CaseRow(**_row(Loaded(uow, case)))


def _row(loaded: Loaded) -> dict[str, Any]:
    case = loaded.case
    return {
        "id": case.id,
        "project": case.project,
        "environment": case.environment,
        "title": case.title,
        "severity": case.severity,
        "status": str(case.status),
        "owner": case.owner,
        "opened_at": case.opened_at,
        "updated_at": case.updated_at,
        "firing": sum(1 for each in loaded.signals if each.resolved_at is None),
        "signals": len(loaded.signals),
        "waiting_for": _waiting_for(loaded),
        "flag": loaded.flag,
    }


def _waiting_for(loaded: Loaded) -> str:
    match loaded.case.status:
        case CaseStatus.OPEN:
            return "triage"
        case CaseStatus.TRIAGED:
            return "a person to decide"
        case CaseStatus.WATCHING:
            return "evidence, then the decision"
        case CaseStatus.ACTING:
            return _waiting_keys(loaded)
        case _:
            return ""


def _waiting_keys(loaded: Loaded) -> str:
    waiting = next((each for each in loaded.proposals if each.status in WAITING), None)
    if waiting is None:
        return "a proposal"
    row = proposal_row(loaded.uow, waiting)
    return f"{row.required - row.approved} of {row.required} keys" if row.approved < row.required else "being applied"


def case_view(uow: UnitOfWork, case: Case, actor: Actor) -> CaseView:
    """One case whole."""
    loaded = Loaded(uow, case)
    choices, why_not = _may_close(loaded, actor)
    return CaseView(
        **_row(loaded),
        steps=steps(loaded),
        signal_list=[signal_view(each) for each in loaded.signals],
        finding=finding_view(uow, loaded.finding) if loaded.finding else None,
        opinions=opinions(uow, loaded.finding, case),
        tiles=_tiles(loaded),
        gaps=_gaps(loaded),
        evidence=[_evidence(each) for each in uow.evidence.where(case=case.id, limit=500)],
        proposals=[proposal_row(uow, each) for each in loaded.proposals],
        changes=[change_view(each, loaded.proposals) for each in loaded.changes],
        checks=[check_view(each) for each in loaded.checks],
        notes=[NoteView(at=each.at, author=each.author, text=each.text) for each in case.notes],
        timeline=[_item(each) for each in uow.audit.entries(case=case.id, limit=500)],
        decision=decision_view(loaded.decision),
        may_close=choices,
        why_not_close=why_not,
    )


def steps(loaded: Loaded) -> list[StepView]:
    """The stepper: what is done, where the case stands, what is ahead."""
    done = [
        bool(loaded.signals),
        loaded.finding is not None,
        bool(loaded.proposals),
        any(each.status in (ProposalStatus.APPLIED, ProposalStatus.REVERSED) for each in loaded.proposals),
        bool(loaded.changes),
        any(each.phase == "after" and _settled(each) for each in loaded.checks),
        loaded.decision is not None,
    ]
    current = done.index(False) if False in done else len(done)
    return [
        StepView(key=key, label=label, status=_step_status(done[index], index, current))  # type: ignore[arg-type]
        for index, (key, label) in enumerate(STEPS)
    ]


def _step_status(done: bool, index: int, current: int) -> Any:
    return "done" if done else "current" if index == current else "ahead"


def _settled(check: Check) -> bool:
    return any(str(each.status) in ("holding", "breached") for each in check.verdicts)


def _may_close(loaded: Loaded, actor: Actor) -> tuple[list[str], str]:
    if loaded.case.status is CaseStatus.CLOSED:
        return [], "the case is closed"
    if not actor.may_turn_key:
        return [], "only a person closes a case"
    if any(each.status in WAITING for each in loaded.proposals):
        return [], "a proposal of this case still waits"
    watching = loaded.case.status is CaseStatus.WATCHING
    return [str(each) for each in Choice if (each in WITHOUT_ACTION) is not watching], ""


def signal_view(signal: Signal) -> SignalView:
    """A signal with its alert."""
    alert = signal.alert
    return SignalView(
        id=signal.id,
        name=alert.name,
        summary=alert.summary,
        severity=alert.severity,
        source=alert.source,
        status="resolved" if signal.resolved_at else "firing",
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=alert.starts_at,
        received_at=signal.received_at,
        last_seen_at=signal.last_seen_at,
        resolved_at=signal.resolved_at,
        seen=signal.seen,
        url=alert.url,
    )


def _evidence(evidence: Evidence) -> EvidenceView:
    return EvidenceView(
        id=evidence.id,
        kind=str(evidence.kind),
        title=evidence.title,
        at=evidence.at,
        sha256=evidence.sha256,
        body=evidence.body,
    )


def _gaps(loaded: Loaded) -> list[GapView]:
    """What is missing: as the newest check says, else as the finding said."""
    if loaded.checks:
        return [gap_view(each) for each in loaded.checks[0].gaps]
    return [gap_view(each) for each in loaded.finding.gaps] if loaded.finding else []


def _tiles(loaded: Loaded) -> list[Tile]:
    """A tile a guardrail, from the newest check."""
    control = loaded.control
    if control is None:
        return []
    check = loaded.checks[0] if loaded.checks else None
    verdicts = {each.guardrail: each for each in check.verdicts} if check else {}
    gaps = {each.id for each in check.gaps} if check else set()
    return [tile(each, verdicts.get(each.key), gaps) for each in control.guardrails]


def check_view(check: Check) -> CheckView:
    """The verdicts of one moment."""
    return CheckView(
        id=check.id,
        flag=check.flag,
        phase=check.phase.value,
        change=check.change,
        at=check.at,
        since=check.since,
        until=check.until,
        verdicts=[verdict_view(each) for each in check.verdicts],
        gaps=[gap_view(each) for each in check.gaps],
    )


def verdict_view(verdict: Verdict) -> VerdictView:
    """A verdict with all it rests on."""
    return VerdictView(
        guardrail=verdict.guardrail,
        status=verdict.status.value,
        sentence=verdict.sentence,
        reason=str(verdict.reason or ""),
        observational=verdict.observational,
        e_value=verdict.e_value,
        interval=list(verdict.interval) if verdict.interval else None,
        alpha=verdict.alpha,
        margin=verdict.margin,
        candidate_value=verdict.candidate_value,
        baseline_value=verdict.baseline_value,
        candidate_units=verdict.candidate_units,
        baseline_units=verdict.baseline_units,
        fallback_share=verdict.fallback_share or 0.0,
        method=verdict.method,
        version=verdict.version,
        stages=[_stage(each) for each in verdict.stages],
    )


def _stage(arms: StageArms) -> StageView:
    return StageView(
        rule=arms.rule or "otherwise",
        stage=arms.stage,
        share=arms.share,
        candidate_units=arms.candidate.units,
        baseline_units=arms.baseline.units,
        candidate_failures=arms.candidate.failures,
        baseline_failures=arms.baseline.failures,
        candidate_mean=arms.candidate.mean,
        baseline_mean=arms.baseline.mean,
    )


def change_view(change: Change, proposals: Iterable[Proposal]) -> ChangeView:
    """An applied change; `may_reverse` while its proposal has a way back left."""
    applied = {each.id for each in proposals if each.status is ProposalStatus.APPLIED}
    return ChangeView(
        id=change.id,
        project=change.project,
        environment=change.environment,
        cause=str(change.cause),
        case=change.case,
        proposal=change.proposal,
        summary=change.summary,
        action=str(change.action),
        effect=str(change.effect),
        flags=list(change.flags),
        revision_before=change.revision_before,
        revision_after=change.revision_after,
        applied_by=change.applied_by,
        applied_at=change.applied_at,
        undoes=change.undoes,
        may_reverse=change.undoes is None and change.proposal in applied,
    )


def decision_view(decision: Decision | None) -> DecisionView | None:
    """The closing decision."""
    if decision is None:
        return None
    return DecisionView(
        choice=str(decision.choice),
        rationale=decision.rationale,
        outcome=decision.outcome,
        owner=decision.owner,
        review_date=decision.review_date,
        decided_by=decision.decided_by,
        decided_at=decision.decided_at,
    )


_STEP_OF = {
    "signal": "signal",
    "case.open": "signal",
    "finding": "triage",
    "case.triage": "triage",
    "proposal.draft": "proposal",
    "proposal.edit": "proposal",
    "proposal.withdraw": "proposal",
    "proposal": "approval",
    "change": "change",
    "evidence": "evidence",
    "case.close": "decision",
    "case": "note",
    "refused": "approval",
}


def _item(entry: Entry) -> TimelineItem:
    happening = entry.happening
    step = _STEP_OF.get(happening.action) or _STEP_OF.get(happening.action.partition(".")[0], "note")
    return TimelineItem(
        at=entry.at,
        step=step,  # type: ignore[arg-type]
        actor=happening.actor.get("name") or happening.actor.get("id", ""),
        actor_kind=happening.actor.get("kind", ""),
        text=told(entry),
        outcome=happening.outcome.value,
        entry=entry.index,
    )


def told(entry: Entry) -> str:
    """An entry of the log in a sentence."""
    detail = entry.happening.detail
    if isinstance(verdicts := detail.get("verdicts"), dict):
        return "; ".join(f"{guardrail} {status}".replace("_", " ") for guardrail, status in verdicts.items())
    said = next((detail[key] for key in ("problem", "summary", "title", "text", "name", "note") if detail.get(key)), "")
    said = str(detail["choice"]).replace("_", " ") if detail.get("choice") else said
    verb = entry.happening.action.replace(".", " ").replace("_", " ")
    return f"{verb}: {said}" if said else verb
