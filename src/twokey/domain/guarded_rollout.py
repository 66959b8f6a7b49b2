"""A guarded rollout: a candidate's share grows by stages that were approved together, while its guardrails hold.

Rules kept here (each is a test):
- the whole plan is part of what is approved, and so is the way back; each stage's way back is proven before the first;
- a stage widens the plan's rule, or reaches out to another one; each rule's share only grows, between the candidate and
  the baseline alone, so nobody who has the candidate loses it on the way;
- `breached` rolls back at once, in every stage, also while paused; only `holding` opens a stage that asks verdicts;
- what cannot be judged pauses, and says why; so does a stage that is not decided in its time, and a flag that somebody
  else has moved;
- a person resumes, and only into the plan that was approved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from twokey.domain.control import Control
from twokey.domain.guardrail import Guardrail, GuardrailKind, Verdict, VerdictReason, VerdictStatus, Worse
from twokey.domain.machine import move
from twokey.domain.operation import SetWeights
from twokey.engine.errors import Invalid
from twokey.engine.flag import Serve

WHOLE = 100_000
MOST_STAGES = 20
MOST_MOVES = 200
"""Moves that are kept of one rollout."""
PATIENCE = 10
"""A stage that says nothing else may take so many times its shortest time, an hour at least."""


class Opens(StrEnum):
    """What opens the way out of a stage, once its time and its units are there."""

    VERDICT = "verdict"
    TIME = "time"
    APPROVAL = "approval"


class PlannedStage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One stage: the candidate's share in 1/100,000, and what must be so before the next one begins.

    `minutes` is its shortest time, `units` the units that the candidate must have met in it. `at_most` minutes after
    its beginning a stage that is not decided pauses. `rule` is the rule that it widens (nothing for `otherwise`), where
    that is another one than the plan's.
    """

    share: int
    rule: str | msgspec.UnsetType | None = msgspec.UNSET
    minutes: float = 60.0
    units: int = 100
    opens: Opens = Opens.VERDICT
    at_most: float | None = None

    @property
    def longest(self) -> float:
        """Minutes after which it pauses undecided."""
        return max(60.0, PATIENCE * self.minutes) if self.at_most is None else self.at_most


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The stages of a flag: of one rule (of `otherwise`, where `rule` is nothing), unless a stage names another."""

    flag: str
    rule: str | None = None
    candidate: str
    stages: tuple[PlannedStage, ...]

    def rule_of(self, stage: int) -> str | None:
        """The rule that a stage widens."""
        named = self.stages[stage].rule
        return self.rule if isinstance(named, msgspec.UnsetType) else named

    @property
    def rules(self) -> tuple[str | None, ...]:
        """Every rule that a stage widens, in the order in which they come."""
        return tuple(dict.fromkeys(self.rule_of(number) for number in range(len(self.stages))))


class RolloutStatus(StrEnum):
    """Where a guarded rollout stands."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    ROLLED_BACK = "rolled_back"
    STOPPED = "stopped"


R = RolloutStatus
TRANSITIONS: Mapping[RolloutStatus, frozenset[RolloutStatus]] = {
    R.RUNNING: frozenset({R.PAUSED, R.COMPLETED, R.ROLLED_BACK, R.STOPPED}),
    R.PAUSED: frozenset({R.RUNNING, R.ROLLED_BACK, R.STOPPED}),
    R.COMPLETED: frozenset(),
    R.ROLLED_BACK: frozenset(),
    R.STOPPED: frozenset(),
}
LIVE = (R.RUNNING, R.PAUSED)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a rollout, and why."""

    at: datetime
    what: str
    sentence: str
    by: str


class GuardedRollout(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A plan on its way. `revision` is the flag's as the rollout left it, `first_revision` that of its first stage.

    `agreed` says that a person has opened the way out of the present stage. `verdicts` are those of the last look.
    """

    id: str
    project: str
    environment: str
    flag: str
    proposal: str
    plan: Plan
    status: RolloutStatus
    stage: int
    first_revision: int
    revision: int
    started_at: datetime
    entered_at: datetime
    agreed: bool = False
    because: str = ""
    looked_at: datetime | None = None
    units: int = 0
    verdicts: tuple[Verdict, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def here(self) -> PlannedStage:
        """The present stage."""
        return self.plan.stages[self.stage]

    @property
    def is_last(self) -> bool:
        """Whether no stage comes after this one."""
        return self.stage == len(self.plan.stages) - 1

    def to(self, status: RolloutStatus, sentence: str, by: str, now: datetime) -> GuardedRollout:
        """The rollout in another status; raises Conflict where the table has no such transition."""
        moved = replace(self, status=move(TRANSITIONS, "guarded rollout", self.status, status), because=sentence)
        return moved.noting(str(status), sentence, by, now)

    def noting(self, what: str, sentence: str, by: str, now: datetime) -> GuardedRollout:
        """With one more step on record."""
        step = Step(at=now, what=what, sentence=sentence, by=by)
        return replace(self, steps=(*self.steps[-MOST_MOVES + 1 :], step))


# ---------------------------------------------------------------- the plan


def check_plan(plan: Plan, control: Control) -> None:
    """Raise Invalid unless this plan can be carried out on the flag as it is."""
    flag = control.flag
    if control.archived or not flag.enabled:
        raise Invalid("plan: flag", f"`{flag.key}` is {'archived' if control.archived else 'off'}", "a flag that is on")
    if not 1 <= len(plan.stages) <= MOST_STAGES:
        raise Invalid("plan: stages", f"are {len(plan.stages)}", f"1 to {MOST_STAGES}")
    present = {rule: _share_of(plan, rule, control) for rule in plan.rules}
    if not control.guardrails:
        raise Invalid("plan: flag", f"`{flag.key}` has no guardrail", "a flag with a guardrail: nothing would guard it")
    _check_stages(plan, present)


def _share_of(plan: Plan, rule: str | None, control: Control) -> int:
    """The candidate's share of a rule as it is. Raises Invalid unless it splits the candidate from the baseline."""
    rollout, baseline = serve_of(plan, rule, control).rollout, control.flag.baseline
    if rollout is None or {name for name, _ in rollout.weights} != {plan.candidate, baseline}:
        accepted = f"a rule that splits traffic between `{baseline}` (the baseline) and one candidate"
        raise Invalid("plan: rule", f"does not split `{plan.candidate}` from `{baseline}` alone", accepted)
    return dict(rollout.weights)[plan.candidate]


def _check_stages(plan: Plan, present: dict[str | None, int]) -> None:
    shares = dict(present)
    for number, each in enumerate(plan.stages):
        where, rule = f"plan: stages[{number}]", plan.rule_of(number)
        before = shares[rule]
        if not before < each.share <= WHOLE:
            accepted = f"more than {before} (what it has before), at most {WHOLE}"
            raise Invalid(f"{where}.share", f"is {each.share}", accepted)
        if not 0 < each.minutes <= 60 * 24 * 30:
            raise Invalid(f"{where}.minutes", f"is {each.minutes}", "more than 0, at most 30 days")
        if each.units < 1:
            raise Invalid(f"{where}.units", f"is {each.units}", "1 or more")
        if each.at_most is not None and each.at_most <= each.minutes:
            raise Invalid(f"{where}.at_most", f"is {each.at_most}", f"more than `minutes` ({each.minutes})")
        if each.share == WHOLE and each.opens is Opens.VERDICT:
            raise Invalid(f"{where}.opens", "is `verdict`", "time or approval: at 100 % no control arm is left")
        shares[rule] = each.share


def serve_of(plan: Plan, rule: str | None, control: Control) -> Serve:
    """What a rule of the plan serves. Raises Invalid where the flag has no such rule."""
    if rule is None:
        return control.flag.otherwise
    found = control.flag.rule(rule)
    if found is None:
        raise Invalid("plan: rule", f"`{plan.flag}` has no rule `{rule}`", "the id of one of its rules")
    return found.serve


def operation_of(plan: Plan, stage: int, control: Control) -> SetWeights:
    """The edit that begins a stage: the candidate's share, the rest for the baseline, in the order that stands."""
    rule, share = plan.rule_of(stage), plan.stages[stage].share
    rollout = serve_of(plan, rule, control).rollout
    if rollout is None:
        raise Invalid("plan: rule", "no longer splits traffic", "a rule with a rollout")
    weights = tuple((name, share if name == plan.candidate else WHOLE - share) for name, _ in rollout.weights)
    return SetWeights(flag=plan.flag, rule=rule, weights=weights)


def describe_plan(plan: Plan) -> tuple[str, ...]:
    """A sentence for each stage."""
    opens = {
        Opens.VERDICT: "every guardrail holds",
        Opens.TIME: "nothing speaks against it",
        Opens.APPROVAL: "a person agrees",
    }
    return tuple(
        f"stage {number}: {each.share / 1000:g} % {plan.candidate}{_where(plan, number - 1)}, for at least "
        f"{each.minutes:g} minutes and {each.units:,} units; then on once {opens[each.opens]}"
        for number, each in enumerate(plan.stages, start=1)
    )


def _where(plan: Plan, stage: int) -> str:
    """Of which rule, where the stages are of several."""
    if len(plan.rules) == 1:
        return ""
    rule = plan.rule_of(stage)
    return " of what everybody else gets" if rule is None else f" of rule `{rule}`"


# ---------------------------------------------------------------- what to do now


class Act(StrEnum):
    """What a look at a rollout comes to."""

    WAIT = "wait"
    ADVANCE = "advance"
    COMPLETE = "complete"
    PAUSE = "pause"
    ROLL_BACK = "roll_back"


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen: verdicts over the whole rollout, those of its present stage alone, the candidate's units in it.

    `leaning` names guardrails whose figures of the present stage lie beyond the margin, too few as they may be for a
    verdict. `moved` says why the flag is no longer as the rollout left it.
    """

    verdicts: Sequence[Verdict] = ()
    here: Sequence[Verdict] = ()
    leaning: Sequence[str] = ()
    units: int = 0
    moved: str = ""


class Decided(NamedTuple):
    """What to do, and why."""

    act: Act
    sentence: str


BLIND = frozenset(
    {
        VerdictReason.NO_DATA,
        VerdictReason.NO_CONTROL,
        VerdictReason.NO_DENOMINATOR,
        VerdictReason.COVERAGE,
        VerdictReason.UNEVEN_COVERAGE,
        VerdictReason.SAMPLE_RATIO,
        VerdictReason.FALLBACK,
    }
)
"""Why a verdict cannot be given, beside that it is too early."""


def leans(guardrail: Guardrail, verdict: Verdict) -> bool:
    """Whether the candidate's figure is worse than the margin allows, whatever that proves."""
    ours, theirs = verdict.candidate_value, verdict.baseline_value
    if ours is None:
        return False
    if guardrail.kind in (GuardrailKind.FALLBACK, GuardrailKind.QUERY):
        return ours < guardrail.limit if guardrail.worse is Worse.LOWER else ours > guardrail.limit
    if theirs is None:
        return False
    slack = abs(theirs) * guardrail.margin
    return ours < theirs - slack if guardrail.worse is Worse.LOWER else ours > theirs + slack


def decide(rollout: GuardedRollout, sight: Sight, now: datetime) -> Decided:
    """What to do with a rollout that is running or paused."""
    breached = [each.sentence for each in sight.verdicts if each.status is VerdictStatus.BREACHED]
    if breached:
        return Decided(Act.ROLL_BACK, "; ".join(breached))
    if rollout.status is RolloutStatus.PAUSED:
        return Decided(Act.WAIT, rollout.because)
    if sight.moved:
        return Decided(Act.PAUSE, sight.moved)
    stage, spent = rollout.here, now - rollout.entered_at
    if spent < timedelta(minutes=stage.minutes):
        return Decided(Act.WAIT, f"{stage.minutes:g} minutes at least")
    overdue = spent > timedelta(minutes=stage.longest)
    if stage.share < WHOLE and (blind := _blind(stage, sight)):
        return Decided(Act.PAUSE, blind)
    if sight.units < stage.units:
        return _undecided(f"{sight.units:,} of {stage.units:,} units met the candidate in this stage", overdue=overdue)
    return _opened(rollout, sight, overdue=overdue)


def _blind(stage: PlannedStage, sight: Sight) -> str:
    """Why nothing can be judged here; nothing while it may only be too early."""
    if not sight.units:
        return "nobody is known to have met the candidate in this stage: is its telemetry sent?"
    if sight.units < stage.units:
        return ""
    return "; ".join(each.sentence for each in sight.here if each.reason in BLIND)


def _opened(rollout: GuardedRollout, sight: Sight, *, overdue: bool) -> Decided:
    on = Decided(Act.COMPLETE, "the plan is done") if rollout.is_last else Decided(Act.ADVANCE, "")
    match rollout.here.opens:
        case Opens.TIME:
            return on._replace(sentence=on.sentence or "its time has come, and nothing speaks against it")
        case Opens.APPROVAL if rollout.agreed:
            return on._replace(sentence=on.sentence or "a person agreed")
        case Opens.APPROVAL:
            return Decided(Act.WAIT, "a person has to agree to the next stage")
        case Opens.VERDICT:
            open_yet = [each.sentence for each in sight.verdicts if each.status is not VerdictStatus.HOLDING]
            if open_yet or not sight.verdicts:
                return _undecided("; ".join(open_yet) or "no guardrail is judged", overdue=overdue)
            if sight.leaning:
                return _undecided(f"in this stage {', '.join(sight.leaning)} lean to harm", overdue=overdue)
            return on._replace(sentence=on.sentence or "every guardrail holds")


def _undecided(sentence: str, *, overdue: bool) -> Decided:
    if overdue:
        return Decided(Act.PAUSE, f"this stage is not decided in its time: {sentence}")
    return Decided(Act.WAIT, sentence)
