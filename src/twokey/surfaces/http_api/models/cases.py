"""Cases: signals, findings, timeline, decision."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt

from twokey.surfaces.http_api.models.evidence import CheckView, EvidenceView, GapView, Tile
from twokey.surfaces.http_api.models.proposals import ChangeView, ProposalRow
from twokey.surfaces.shapes import Model

ShortText = Annotated[str, Field(max_length=400)]
Recommended = Literal[
    "no_action",
    "continue",
    "pause",
    "reduce_to_internal",
    "reduce_percentage",
    "exclude",
    "move_to_baseline",
    "stricter_mode",
    "disable_tool",
    "roll_back",
    "kill_switch",
    "clean_up",
]


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


class ProvenanceView(Model):
    """What an outside assistant says of how it came to its finding; nobody has checked it."""

    provider: str
    model: str
    prompt: str
    answer: str
    requests: int
    input_tokens: int
    output_tokens: int
    seconds: float


class UnsupportedView(Model):
    """A figure in an assistant's words that no cited evidence has."""

    field: str
    text: str


class DifferenceView(Model):
    """One point on which the analyst and another assistant differ."""

    about: str
    analyst: str
    other: str


class OpinionView(Model):
    """Another assistant's finding beside the analyst's. No differences: both would do the same."""

    finding: FindingView
    provenance: ProvenanceView | None
    unsupported: list[UnsupportedView]
    compared: bool
    differences: list[DifferenceView]
    proposal: str | None


class NewProvenance(Model):
    """How an assistant came to what it submits: provider, model, digests of prompt and answer, what it took."""

    provider: str = Field(min_length=1, max_length=200)
    model: str = Field(min_length=1, max_length=200)
    prompt: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    answer: str = Field("", pattern=r"^(sha256:[0-9a-f]{64})?$")
    requests: int = Field(0, ge=0, le=10_000)
    input_tokens: int = Field(0, ge=0, le=10**12)
    output_tokens: int = Field(0, ge=0, le=10**12)
    seconds: float = Field(0.0, ge=0, le=86_400, allow_inf_nan=False)


class NewCitation(Model):
    """A cited figure: the evidence's id, a dotted path into its body, the value that stands there, in words."""

    evidence: str = Field(min_length=1, max_length=200)
    path: str = Field(min_length=1, max_length=400)
    value: StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)] | ShortText
    says: str = Field(min_length=1, max_length=400)


class NewSuspect(Model):
    """A control that an assistant suspects, who is affected, and its confidence from 0 to 1."""

    flag: str = Field(min_length=1, max_length=200)
    variation: str = Field(min_length=1, max_length=200)
    confidence: float = Field(ge=0, le=1)
    because: str = Field(min_length=1, max_length=1000)
    rule: str | None = Field(None, max_length=200)
    cohort: dict[ShortText, Annotated[list[ShortText], Field(max_length=50)]] = Field({}, max_length=10)


class NewFinding(Model):
    """What an assistant may say of a case. `operations` are what it would draft; none: it would change nothing."""

    summary: str = Field(min_length=1, max_length=2000)
    recommendation: Recommended
    reason: str = Field(min_length=1, max_length=4000)
    confidence: float = Field(ge=0, le=1)
    provenance: NewProvenance
    suspects: list[NewSuspect] = Field([], max_length=10)
    citations: list[NewCitation] = Field([], max_length=50)
    title: str = Field("", max_length=200)
    operations: list[dict[str, Any]] = Field([], max_length=20)
    expected_effect: str = Field("", max_length=2000)


class NewFailure(Model):
    """Word that an assistant has no finding of a case, and why."""

    why: Literal["timed_out", "over_budget", "provider", "malformed", "two_answers", "refused"]
    summary: str = Field(min_length=1, max_length=400)
    provenance: NewProvenance


class NewRun(Model):
    """Word that an assistant begins to look at a case, and which model it asks."""

    provider: str = Field(min_length=1, max_length=200)
    model: str = Field(min_length=1, max_length=200)


class ToldView(Model):
    """What a token has done on a case: runs that began, findings, and failures it told of."""

    runs: int
    findings: int
    failures: int


class SubmittedFinding(Model):
    """A finding that was kept, and the proposal that was drafted of it; `why_not_drafted` where none was."""

    id: str
    proposal: str | None
    why_not_drafted: str
    unsupported: list[UnsupportedView]
    differences: list[DifferenceView]


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
    opinions: list[OpinionView]
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
