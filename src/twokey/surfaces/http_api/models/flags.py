"""Environments, flags and explanations."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

from pydantic import Field

from twokey.surfaces.shapes import Model


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
    denominator: str = ""
    query: str = ""
    other_limits: list[float] = Field(default_factory=list)


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
