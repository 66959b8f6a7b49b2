"""Evidence: tiles, gaps, verdicts, charts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from twokey.surfaces.shapes import Model


class Tile(Model):
    """One guardrail's figure for the case page. `state` is harm, safe, unknown or gap, never told by colour alone."""

    guardrail: str
    metric: str
    value: float | None
    text: str
    limit_text: str
    change_text: str
    state: Literal["harm", "safe", "unknown", "gap"]


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
