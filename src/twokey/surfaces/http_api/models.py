"""The shapes of the JSON API under `/api/v1`: what people's pages, the CLI and other tools read and send.

Every shape is closed: an unknown field in a request is refused by name. Times are RFC 3339 in UTC.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from twokey.surfaces.shapes import GateView, Model

# --- people and tokens


class SignIn(Model):
    username: str = Field(max_length=256)
    password: str = Field(max_length=1024)


class SessionView(Model):
    """Who is signed in. `csrf` must be sent back as `X-CSRF-Token` with every change."""

    username: str
    name: str
    roles: list[str]
    csrf: str
    expires_at: datetime


class NewUser(Model):
    username: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")
    name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=12, max_length=1024)
    roles: list[str] = []


class UserView(Model):
    username: str
    name: str
    roles: list[str]
    disabled: bool
    created_at: datetime


class NewToken(Model):
    name: str = Field(min_length=1, max_length=200)
    kind: Literal["service", "agent"]
    scopes: list[str] = Field(min_length=1)
    project: str
    environment: str
    expires_in_days: int | None = Field(default=90, ge=1, le=3650)
    on_behalf_of: str | None = None


class TokenView(Model):
    id: str
    name: str
    kind: str
    scopes: list[str]
    project: str
    environment: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    on_behalf_of: str | None


class CreatedToken(TokenView):
    """A token with its secret, which is shown this once."""

    secret: str


# --- environments and flags


class EnvironmentView(Model):
    project: str
    key: str
    revision: int
    guarded: bool
    approvers: list[str]
    flags: int
    open_cases: int


class LineView(Model):
    """One line of a flag's targeting in words. `marker` is `same`, `removed` or `added`."""

    marker: Literal["same", "removed", "added"]
    text: str


class GuardrailView(Model):
    key: str
    metric: str
    kind: str
    limit: float
    unit_label: str
    margin: float


class FlagRow(Model):
    """A flag in a list. `reach` says in words who gets something other than the baseline."""

    key: str
    type: str
    enabled: bool
    surface: str
    kind: str
    owner: str
    purpose: str
    baseline: str
    revision: int
    archived: bool
    review_date: date | None
    overdue: bool
    reach: str
    changed_at: datetime | None


class VersionView(Model):
    revision: int
    environment_revision: int
    at: datetime
    change: str
    summary: str
    applied_by: str


class FlagView(FlagRow):
    """One flag whole: its published document, how it is governed, its targeting in words, its history."""

    document: dict[str, Any]
    lines: list[LineView]
    approvers: list[str]
    guardrails: list[GuardrailView]
    caution: list[str]
    workflow: str
    cleanup_condition: str
    permanent_because: str
    history: list[VersionView]
    exposures: list[ExposureCount]


class ExposureCount(Model):
    """Distinct units by rule, assigned and served over the last hour."""

    rule: str | None
    assigned: str
    served: str
    units: int


class ExplainRequest(Model):
    context: dict[str, Any]


class ExplainView(Model):
    """The resolution, and the tree of why."""

    value: Any
    variation: str | None
    reason: str
    rule: str | None
    revision: int | None
    error: str | None
    sentences: list[str]
    tree: dict[str, Any]


# --- the loop


class Tile(Model):
    """One guardrail's figure for the case page. `state` is harm, safe, unknown or gap, never told by colour alone."""

    guardrail: str
    metric: str
    value: float | None
    text: str
    limit_text: str
    change_text: str
    state: Literal["harm", "safe", "unknown", "gap"]


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


class EvidenceView(Model):
    id: str
    kind: str
    title: str
    at: datetime
    sha256: str
    body: dict[str, Any]


class GapView(Model):
    id: str
    kind: str
    sentence: str
    what_to_do: str


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


class KeyView(Model):
    """One required role: who turned this key, or that it waits. `yours` when the signed-in person may turn it."""

    role: str
    status: Literal["approved", "waiting"]
    person: str | None
    name: str | None
    at: datetime | None
    yours: bool


class TransitionView(Model):
    flag: str
    before: str
    after: str
    units: int
    share: float


class BlastRadiusView(Model):
    """Replay of recorded contexts before and after. Shares are 0 to 1 of the sampled units."""

    sampled_units: int
    since: datetime | None
    until: datetime | None
    changed_units: int
    share_before: float
    share_after: float
    transitions: list[TransitionView]
    by_attribute: dict[str, dict[str, int]]


class FlagDiff(Model):
    """One flag's targeting now and if approved, in rows."""

    flag: str
    revision: int
    now: list[LineView]
    then: list[LineView]


class WayView(Model):
    """A way back: in words, with its computed effect; `approved_with_it` when it needs no approval of its own."""

    sentences: list[str]
    effect: str
    approved_with_it: bool


class ProposalRow(Model):
    id: str
    case: str | None
    project: str
    environment: str
    title: str
    status: str
    action: str
    effect: str
    author: str
    author_kind: str
    on_behalf_of: str | None
    created_at: datetime
    expires_at: datetime
    digest: str
    approved: int
    required: int


class ProposalView(ProposalRow):
    """One proposal whole."""

    reason: str
    expected_effect: str
    lower_rungs: list[str]
    effect_because: list[str]
    operations: list[dict[str, Any]]
    sentences: list[str]
    diffs: list[FlagDiff]
    reverse: WayView
    rollback: WayView
    gate: GateView
    keys: list[KeyView]
    gaps: list[GapView]
    evidence: dict[str, str]
    blast_radius: BlastRadiusView | None
    base_revision: int
    apply: str
    apply_at: datetime | None
    supersedes: str | None
    change: str | None
    may: list[Literal["approve", "reject", "edit", "apply", "withdraw"]]
    why_not: str


class NewProposal(Model):
    """A draft: operations of the closed set. Reverse, rollback, effect, blast radius and digest are computed here."""

    project: str
    environment: str
    case: str | None = None
    title: str = Field(default="", max_length=200)
    operations: list[dict[str, Any]] = Field(min_length=1, max_length=50)
    reason: str = Field(min_length=1, max_length=4000)
    expected_effect: str = Field(default="", max_length=2000)
    justification: str = Field(default="", max_length=4000)
    code_reference_review: str = Field(default="", max_length=2000)
    apply: Literal["when_open", "manual", "at"] = "when_open"
    apply_at: datetime | None = None


class EditProposal(Model):
    """An edit makes a new proposal with a new digest and no approvals."""

    digest: str
    operations: list[dict[str, Any]] | None = None
    reason: str | None = Field(default=None, max_length=4000)
    apply: Literal["when_open", "manual", "at"] | None = None
    apply_at: datetime | None = None


class Approve(Model):
    """A key turned: the digest that was read, and the password typed now."""

    digest: str
    password: str = Field(max_length=1024)
    note: str = Field(default="", max_length=2000)


class Reject(Model):
    digest: str
    password: str = Field(max_length=1024)
    note: str = Field(min_length=1, max_length=2000)


class Prove(Model):
    """Fresh proof for a move that needs a person present."""

    password: str = Field(max_length=1024)
    note: str = Field(default="", max_length=2000)


class ReverseChange(Prove):
    """Undo a change: `reverse` restores what was, `rollback` goes to the baseline."""

    way: Literal["reverse", "rollback"] = "reverse"


class ReverseResult(Model):
    """Either the change that undid it, or, where undoing widens, the proposal that now waits for its own keys."""

    change: str | None
    proposal: str | None
    sentence: str


class StageView(Model):
    rule: str
    stage: int
    share: float
    candidate_units: int
    baseline_units: int
    candidate_failures: int
    baseline_failures: int
    candidate_mean: float | None
    baseline_mean: float | None


class VerdictView(Model):
    guardrail: str
    status: Literal["holding", "breached", "inconclusive", "cannot_judge"]
    sentence: str
    reason: str
    observational: bool
    e_value: float | None
    interval: list[float | None] | None
    alpha: float
    margin: float
    candidate_value: float | None
    baseline_value: float | None
    candidate_units: int
    baseline_units: int
    fallback_share: float
    method: str
    version: str
    stages: list[StageView]


class CheckView(Model):
    id: str
    flag: str
    phase: Literal["before", "after"]
    change: str | None
    at: datetime
    since: datetime
    until: datetime
    verdicts: list[VerdictView]
    gaps: list[GapView]


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


class ChangeView(Model):
    id: str
    project: str
    environment: str
    cause: str
    case: str | None
    proposal: str | None
    summary: str
    action: str
    effect: str
    flags: list[str]
    revision_before: int
    revision_after: int
    applied_by: str
    applied_at: datetime
    undoes: str | None
    may_reverse: bool


class Point(Model):
    """One bucket of a series. `value` is null where nobody was measured."""

    at: datetime
    value: float | None
    units: int


class Line(Model):
    """One variation's series, by assignment."""

    variation: str
    points: list[Point]


class Marker(Model):
    """A change on the time axis."""

    at: datetime
    text: str
    kind: Literal["change", "change_event", "signal"]


class SeriesView(Model):
    """A guardrail metric over time by variation, with its limit and the changes. `kind` says what values mean."""

    guardrail: str
    metric: str
    kind: str
    title: str
    unit_label: str
    limit: float | None
    since: datetime
    until: datetime
    lines: list[Line]
    markers: list[Marker]


# --- audit and telemetry


class EntryView(Model):
    index: int
    at: datetime
    action: str
    subject: str
    actor: dict[str, str]
    outcome: Literal["done", "refused"]
    project: str
    environment: str
    case: str | None
    detail: dict[str, Any]
    previous: str
    hash: str


class VerificationView(Model):
    ok: bool
    entries: int
    head: str
    broken_at: int | None
    problem: str


class AcceptedView(Model):
    """What became of a telemetry batch: counts taken, and each refused record with its reason."""

    batch_id: str
    repeated: bool
    exposures: int
    metrics: int
    changes: int
    refused: list[RefusedRecord]


class RefusedRecord(Model):
    kind: str
    index: int
    problem: str
