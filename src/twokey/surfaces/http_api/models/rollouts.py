"""Guarded rollouts: the plan that is proposed, and how one stands on its way."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from twokey.surfaces.http_api.models.evidence import VerdictView
from twokey.surfaces.shapes import Model, Proven


class StageOfPlan(Model):
    """One stage: the candidate's share in 1/100,000, and what must be so before the next one begins."""

    share: int = Field(ge=1, le=100_000)
    minutes: float = Field(default=60.0, gt=0, le=43_200)
    units: int = Field(default=100, ge=1, le=10**9)
    opens: Literal["verdict", "time", "approval"] = "verdict"
    at_most: float | None = Field(default=None, gt=0, le=525_600)
    rule: str | None = None


class PlanOfRollout(Model):
    """The stages of one rule of a flag; of what everybody else gets, where `rule` is null.

    A stage that says `rule` itself widens that one (null for what everybody else gets).
    """

    flag: str
    rule: str | None = None
    candidate: str
    stages: list[StageOfPlan] = Field(min_length=1, max_length=20)


class NewRollout(Model):
    """A guarded rollout to be approved as a whole: its operations, ways back and digest are computed from the plan."""

    project: str
    environment: str
    plan: PlanOfRollout
    case: str | None = None
    title: str = Field(default="", max_length=200)
    reason: str = Field(min_length=1, max_length=4000)
    expected_effect: str = Field(default="", max_length=2000)


class PlannedStageView(Model):
    """One stage of a plan, everything said: `rule` is the one that it widens, null for what everybody else gets."""

    rule: str | None
    share: int
    minutes: float
    units: int
    opens: Literal["verdict", "time", "approval"]
    at_most: float | None


class PlanView(Model):
    """A plan, and a sentence for each of its stages."""

    flag: str
    rule: str | None
    candidate: str
    stages: list[PlannedStageView]
    says: list[str]


class RolloutStep(Model):
    """What happened to a rollout, and why."""

    at: datetime
    what: str
    sentence: str
    by: str


class RolloutView(Model):
    """A guarded rollout. `stage` counts from 0; `because` says what it waits for, or why it stands where it does."""

    id: str
    project: str
    environment: str
    flag: str
    proposal: str
    status: Literal["running", "paused", "completed", "rolled_back", "stopped"]
    plan: PlanView
    stage: int
    started_at: datetime
    entered_at: datetime
    looked_at: datetime | None
    because: str
    units: int
    verdicts: list[VerdictView]
    steps: list[RolloutStep]
    may: list[Literal["pause", "resume", "agree", "stop", "roll-back"]]


class MoveRollout(Proven):
    """Why, and fresh proof (which pausing alone does not need)."""

    note: str = Field(min_length=1, max_length=2000)


class PauseRollout(Model):
    """Why a rollout is to stay where it is."""

    note: str = Field(min_length=1, max_length=2000)
