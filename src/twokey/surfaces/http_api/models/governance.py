"""Access: who may turn keys by which rules, and the proposals that change it. Break-glass, and its reviews."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from twokey.surfaces.shapes import GateView, Model, Proven


class NewAccessProposal(Proven):
    """Edits of access, why, and fresh proof."""

    edits: list[dict[str, Any]] = Field(min_length=1, max_length=20)
    reason: str = Field(min_length=1, max_length=2000)


class AccessAnswerView(Model):
    """One person's answer to an access proposal."""

    person: str
    answer: Literal["yes", "no"]
    at: datetime
    note: str


class AccessProposalView(Model):
    """An access proposal whole: what it says, what power it gives, who has answered."""

    id: str
    status: str
    author: str
    edits: list[dict[str, Any]]
    says: list[str]
    reason: str
    power: list[str]
    preview: list[str]
    required_roles: list[str]
    alone: bool
    created_at: datetime
    expires_at: datetime
    digest: str
    answers: list[AccessAnswerView]
    may: list[Literal["approve", "reject", "withdraw"]]


class PersonAccess(Model):
    """What one person holds."""

    person: str
    grants: list[str]


class EnvironmentAccess(Model):
    """How one environment is governed."""

    project: str
    key: str
    guarded: bool
    approvers: list[str]
    widening_approvers: list[str]
    proposal_hours: float
    approval_hours: float


class OrderView(Model):
    """A standing order in force, and what it says."""

    id: str
    project: str
    environment: str
    flags: list[str]
    guardrail: str
    per_hour: int
    says: str


class AccessView(Model):
    """Who may do what by which rules. `founded`: there are two who can agree to changes of it."""

    founded: bool
    people: list[PersonAccess]
    environments: list[EnvironmentAccess]
    orders: list[OrderView]
    policies: str


class BreakGlass(Proven):
    """A flag to its safe state, alone and now. `seen` is the flag's revision as the person saw it."""

    project: str
    environment: str
    flag: str
    seen: int = Field(ge=0, le=2**53)
    reason: str = Field(min_length=1, max_length=2000)
    change: str | None = None
    case: str | None = None


class Erase(Proven):
    """Why what is personal of somebody is erased, and fresh proof."""

    reason: str = Field(min_length=1, max_length=2000)


class Erased(Model):
    """How many values beside the log's entries are gone."""

    person: str
    values: int


class ReviewView(Model):
    """The look back at one use of break-glass."""

    id: str
    project: str
    environment: str
    change: str
    person: str
    reason: str
    opened_at: datetime
    due_at: datetime
    overdue: bool
    status: Literal["open", "closed"]
    closed_by: str | None
    closed_at: datetime | None
    found: Literal["justified", "avoidable", "abuse"] | None
    note: str


class CloseReview(Proven):
    """What a review found, and fresh proof."""

    found: Literal["justified", "avoidable", "abuse"]
    note: str = Field(min_length=1, max_length=4000)


class SupposedGate(Model):
    """The gate as it would be if these people approved now."""

    people: list[str]
    gate: GateView
