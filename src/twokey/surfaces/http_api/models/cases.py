"""Cases: signals, findings, timeline, decision."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from twokey.surfaces.http_api.models.evidence import CheckView, EvidenceView, GapView, Tile
from twokey.surfaces.http_api.models.proposals import ChangeView, ProposalRow
from twokey.surfaces.shapes import Model


class SignalView(Model):
    id: str
    name: str
    summary: str
    severity: str
    source: str
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: datetime
    received_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    seen: int
    url: str


class CitationView(Model):
    evidence: str
    path: str
    value: Any
    says: str
    supported: bool
    why_not: str


class SuspectView(Model):
    flag: str
    surface: str
    variation: str
    rule: str | None
    cohort: dict[str, list[str]]
    confidence: float
    because: str


class RunbookStepView(Model):
    """A step of the team's own runbook, as it stands in that file at that line; foreign text."""

    evidence: str
    runbook: str
    heading: str
    line: int
    text: str


class FindingView(Model):
    id: str
    author: str
    at: datetime
    summary: str
    recommendation: str
    reason: str
    confidence: float
    suspects: list[SuspectView]
    citations: list[CitationView]
    gaps: list[GapView]
    lower_rungs: list[str]
    warnings: list[str]
    steps: list[RunbookStepView]


class TimelineItem(Model):
    """Something that happened in a case, from the audit log. `step` is one of the loop's seven."""

    at: datetime
    step: Literal["signal", "triage", "proposal", "approval", "change", "evidence", "decision", "note"]
    actor: str
    actor_kind: str
    text: str
    outcome: Literal["done", "refused"]
    entry: int


class StepView(Model):
    """A step of the loop stepper."""

    key: Literal["signal", "triage", "proposal", "approval", "change", "evidence", "decision"]
    label: str
    status: Literal["done", "current", "ahead"]


class CaseRow(Model):
    id: str
    project: str
    environment: str
    title: str
    severity: str
    status: Literal["open", "triaged", "acting", "watching", "closed"]
    owner: str | None
    opened_at: datetime
    updated_at: datetime
    firing: int
    signals: int
    waiting_for: str
    flag: str | None


class NoteView(Model):
    at: datetime
    author: str
    text: str


class DecisionView(Model):
    choice: str
    rationale: str
    outcome: str
    owner: str
    review_date: date
    decided_by: str
    decided_at: datetime


class CaseView(CaseRow):
    """One case whole, ready for the page."""

    steps: list[StepView]
    signal_list: list[SignalView]
    finding: FindingView | None
    tiles: list[Tile]
    gaps: list[GapView]
    evidence: list[EvidenceView]
    proposals: list[ProposalRow]
    changes: list[ChangeView]
    checks: list[CheckView]
    notes: list[NoteView]
    timeline: list[TimelineItem]
    decision: DecisionView | None
    may_close: list[str]
    why_not_close: str


class CloseCase(Model):
    choice: Literal["expand", "continue", "pause", "roll_back", "clean_up", "no_action", "resolved_by_itself"]
    rationale: str = Field(min_length=1, max_length=4000)
    outcome: str = Field(min_length=1, max_length=4000)
    owner: str = Field(min_length=1, max_length=200)
    review_date: date


class NewNote(Model):
    text: str = Field(min_length=1, max_length=4000)
