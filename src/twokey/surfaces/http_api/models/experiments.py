"""Experiments: what is to be found out, and what has been."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from twokey.surfaces.http_api.models.evidence import VerdictView
from twokey.surfaces.shapes import Model


class PrimaryView(Model):
    """The one metric that decides."""

    metric: str
    kind: Literal["rate", "mean", "ratio", "tail"]
    better: Literal["higher", "lower"]
    limit: float
    title: str
    unit_label: str
    denominator: str = ""


class MarkView(Model):
    """Something fixed at the start that was edited while it ran."""

    at: datetime
    what: str
    change: str
    justification: str


class ExperimentView(Model):
    """One run of an experiment. `interval` is the candidate's figure relative to the baseline's (1: equal)."""

    key: str
    flag: str
    hypothesis: str
    candidate: str
    baseline: str
    rule: str | None
    audience: str
    split: str
    primary: PrimaryView
    ends: date | None
    began_at: datetime
    began_by: str
    ended_at: datetime | None
    finding: Literal["better", "worse", "undecided", "cannot_judge"]
    advice: Literal["continue", "pause", "roll_back", "inconclusive"]
    sentence: str
    because: str
    interval: list[float | None] | None
    alpha: float
    verdict: VerdictView
    guardrails: list[VerdictView]
    marks: list[MarkView]
