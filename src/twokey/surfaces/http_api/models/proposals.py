"""Proposals, keys, ways back and changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from twokey.surfaces.http_api.models.evidence import GapView
from twokey.surfaces.http_api.models.flags import LineView
from twokey.surfaces.http_api.models.rollouts import PlanView
from twokey.surfaces.shapes import GateView, Model, Proven


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


class RuleMoveView(Model):
    """Units that change, by what decides for them before and after: a rule, else the reason."""

    flag: str
    before: str
    after: str
    units: int


class BlastRadiusView(Model):
    """Replay of recorded contexts before and after. Shares are 0 to 1 of the sampled units."""

    sampled_units: int
    since: datetime | None
    until: datetime | None
    changed_units: int
    share_before: float
    share_after: float
    changed_traffic: float
    transitions: list[TransitionView]
    by_rule: list[RuleMoveView]
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


class JointView(Model):
    """What stands or falls together with a proposal, in another environment."""

    id: str
    environment: str
    digest: str
    action: str
    effect: str
    effect_because: list[str]
    sentences: list[str]
    diffs: list[FlagDiff]
    reverse: WayView
    rollback: WayView
    blast_radius: BlastRadiusView | None
    keys: list[KeyView]


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


class FootingView(Model):
    """One breach that a proposal rests on: distinct units of either arm; the cohort where it was cut by one."""

    evidence: str
    flag: str
    guardrail: str
    candidate_units: int
    baseline_units: int
    attribute: str
    value: str


class ProposalView(ProposalRow):
    """One proposal whole. `rests_on`: on how many distinct units its signal does; `footings`: the same in figures."""

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
    rests_on: str
    footings: list[FootingView]
    finding: str | None
    blast_radius: BlastRadiusView | None
    base_revision: int
    apply: str
    apply_at: datetime | None
    supersedes: str | None
    joint: list[JointView]
    plan: PlanView | None
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


class NewPreview(Model):
    """Operations whose consequences are asked for. Nothing is kept of them."""

    project: str
    environment: str
    operations: list[dict[str, Any]] = Field(min_length=1, max_length=50)


class PreviewView(Model):
    """What operations would come to on the present state, computed as for a proposal; nobody decides on it."""

    action: str
    effect: str
    effect_because: list[str]
    sentences: list[str]
    diffs: list[FlagDiff]
    reverse: WayView
    rollback: WayView
    required_roles: list[str]
    blast_radius: BlastRadiusView | None
    base_revision: int


class JointPart(Model):
    """What is to change in one of the environments; its case, where it has one there."""

    environment: str
    operations: list[dict[str, Any]] = Field(min_length=1, max_length=50)
    case: str | None = None


class NewJointProposal(Model):
    """Changes in several environments of a project that stand or fall together.

    Each gets a proposal of its own; the digest of each covers the content of all, and all are applied, or none.
    """

    project: str
    parts: list[JointPart] = Field(min_length=2, max_length=10)
    title: str = Field(default="", max_length=200)
    reason: str = Field(min_length=1, max_length=4000)
    expected_effect: str = Field(default="", max_length=2000)
    justification: str = Field(default="", max_length=4000)
    code_reference_review: str = Field(default="", max_length=2000)
    apply: Literal["when_open", "manual", "at"] = "when_open"
    apply_at: datetime | None = None


class CopyFlags(Model):
    """A draft that makes flags in one environment what they are in another, with the segments that they need.

    Without `flags`, all that the source publishes. Flags that were not asked for stay as they are.
    """

    project: str
    from_environment: str
    environment: str
    flags: list[str] = Field(default_factory=list, max_length=200)
    case: str | None = None
    reason: str = Field(min_length=1, max_length=4000)
    apply: Literal["when_open", "manual", "at"] = "when_open"
    apply_at: datetime | None = None


class EditProposal(Model):
    """An edit makes a new proposal with a new digest and no approvals."""

    digest: str
    operations: list[dict[str, Any]] | None = None
    reason: str | None = Field(default=None, max_length=4000)
    apply: Literal["when_open", "manual", "at"] | None = None
    apply_at: datetime | None = None


class Approve(Proven):
    """A key turned: the digest that was read, and fresh proof."""

    digest: str
    note: str = Field(default="", max_length=2000)


class Reject(Proven):
    digest: str
    note: str = Field(min_length=1, max_length=2000)


class Prove(Proven):
    """Fresh proof for a move that needs a person present."""

    note: str = Field(default="", max_length=2000)


class ReverseChange(Prove):
    """Undo a change: `reverse` restores what was, `rollback` goes to the baseline.

    A reverse that deletes a flag again needs a code-reference review by a person, as every deletion does.
    """

    way: Literal["reverse", "rollback"] = "reverse"
    code_reference_review: str = Field(default="", max_length=2000)


class ReverseResult(Model):
    """Either the change that undid it, or, where undoing widens, the proposal that now waits for its own keys.

    `together` are those of the other environments, where several were changed together.
    """

    change: str | None
    proposal: str | None
    together: list[str] = Field(default_factory=list)
    sentence: str


class VariationShareView(Model):
    variation: str
    predicted: float
    observed: float
    differs: bool


class ReachView(Model):
    """One flag after a change: what was predicted by replay, what those who met it since have got (0 to 1)."""

    flag: str
    since: datetime
    until: datetime
    predicted_units: int
    observed_units: int
    variations: list[VariationShareView]
    sentence: str


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
