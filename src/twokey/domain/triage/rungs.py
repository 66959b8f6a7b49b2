"""The rungs of the control ladder for one suspected control: each is operations, or why it would not do.

Rules kept here:
- one cohort is excluded only where the harm is confined to it; a share is only reduced where the agreed limit is still
  kept, and not where few units have all of the harm (those of two flags that do it together);
- a more cautious variation is served only where it is measured and does no harm;
- otherwise the suspected rules go to the baseline, which is *internal only* where just the internal rule remains;
- the same units get something else, and nobody else is moved.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from twokey.domain.control import State, Surface, Upkeep
from twokey.domain.finding import Recommendation
from twokey.domain.guardrail import GuardrailKind, Verdict, VerdictStatus, Worse
from twokey.domain.operation import (
    AddRule,
    Operation,
    SetEnabled,
    SetOtherwise,
    SetRuleServe,
    SetWeights,
)
from twokey.domain.triage import timing
from twokey.domain.triage.cohorts import Confined, attributes
from twokey.domain.triage.notebook import named, plain
from twokey.domain.triage.replay import Replay
from twokey.domain.triage.suspicion import Suspicion
from twokey.engine.flag import WEIGHT_TOTAL, Clause, Flag, Operator, Rule, Scalar, Serve

EXCLUSION_REVIEW = timedelta(days=14)
"""When somebody looks again at a rule that excludes a cohort."""


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One rung: either operations, or why it would not do. `to` is what the harmed units would get."""

    recommendation: Recommendation
    operations: tuple[Operation, ...] = ()
    title: str = ""
    why_not: str = ""
    confined: Confined | None = None
    keeps_internal: bool = False
    to: str = ""


def is_harmful(flag: Flag, serve: Serve) -> bool:
    """Whether that serves anybody something other than the baseline."""
    return any(key != flag.baseline for key in timing.shares(serve))


# ---------------------------------------------------------------- exclude one cohort


def exclude(suspicion: Suspicion, found: Confined | None, replay: Replay, today: date) -> Rung:
    if found is None:
        return Rung(recommendation=Recommendation.EXCLUDE, why_not=_why_not_exclude(suspicion, replay))
    flag, cohort = suspicion.control.flag, plain(found.value, "one value")
    return Rung(
        recommendation=Recommendation.EXCLUDE,
        operations=tuple(
            _exclusion(suspicion, rule, found, today, above) for above, rule in enumerate(_in_order(suspicion))
        ),
        title=f"exclude {named(found.attribute)} {cohort} from {flag.key}",
        confined=found,
        to=flag.baseline,
    )


def _why_not_exclude(suspicion: Suspicion, replay: Replay) -> str:
    names = attributes(suspicion.breached)
    if not names:
        return "excluding one cohort: no cohort can be told apart, since exposures carry no context attributes"
    listed = ", ".join(dict.fromkeys(named(name) for name in names))
    why = f"excluding one cohort: the harm is not confined to one value of {listed}"
    most = replay.most(names)
    if most is None:
        return why
    name, value = most
    return f"{why}; {named(name)} {plain(value, 'one value')} alone holds the most of the harmed units, and not all"


def _in_order(suspicion: Suspicion) -> tuple[str | None, ...]:
    return tuple(rule for rule, _ in timing.serves(suspicion.control.flag) if rule in suspicion.rules)


def _exclusion(suspicion: Suspicion, rule_id: str | None, found: Confined, today: date, added: int) -> AddRule:
    """A rule right before the suspected one; `added` rules were inserted above it already."""
    flag = suspicion.control.flag
    rule = flag.rule(rule_id) if rule_id else None
    cohort = Clause(attribute=found.attribute, operator=Operator.IN, values=_readings(found.value))
    return AddRule(
        flag=flag.key,
        rule=Rule(
            id=_free_id(flag, f"exclude-{found.attribute}-{found.value}", rule_id, suspicion.rules),
            clauses=(*(rule.clauses if rule else ()), cohort),
            serve=Serve(variation=flag.baseline),
        ),
        position=flag.rules.index(rule) + added if rule else None,
        upkeep=Upkeep(owner=suspicion.control.owner, review_date=today + EXCLUSION_REVIEW),
    )


def _readings(value: str) -> tuple[Scalar, ...]:
    """What a recorded attribute value may have been: telemetry keeps it as text."""
    truth: dict[str, Scalar] = {"true": True, "false": False}
    if value in truth:
        return value, truth[value]
    try:
        number = float(value)
    except ValueError:
        return (value,)
    return (value, int(number) if number.is_integer() else number) if abs(number) < 2**53 else (value,)


def _free_id(flag: Flag, wish: str, rule: str | None, rules: Sequence[str | None]) -> str:
    base = re.sub(r"[^a-zA-Z0-9]+", "-", wish).strip("-")[:60]
    base = base if len(rules) == 1 else f"{base}-{rule or 'otherwise'}"
    taken = {each.id for each in flag.rules}
    return next(name for name in (base, *(f"{base}-{number}" for number in range(2, 1000))) if name not in taken)


# ---------------------------------------------------------------- reduce the share


def reduce(suspicion: Suspicion) -> Rung:
    """Back to the share before, which helps only where the figures are worse than the baseline's but within limits."""
    past = [each.guardrail.name for each in suspicion.breached if not within_limit(each.verdict, each.guardrail.worse)]
    if past:
        why = f"pausing, or a smaller share: {_listed(past)} past the agreed limit for whoever would still get it"
        return Rung(recommendation=Recommendation.REDUCE_PERCENTAGE, why_not=why)
    if suspicion.together:
        why = f"a smaller share: whoever still got it beside {_listed(suspicion.together)} would have all of the harm"
        return Rung(recommendation=Recommendation.REDUCE_PERCENTAGE, why_not=why)
    operations = tuple(found for rule in suspicion.rules if (found := _step_back(suspicion, rule)) is not None)
    if len(operations) != len(suspicion.rules):
        why = "a smaller share: there is no earlier, smaller share on record to go back to"
        return Rung(recommendation=Recommendation.REDUCE_PERCENTAGE, why_not=why)
    return Rung(
        recommendation=Recommendation.REDUCE_PERCENTAGE,
        operations=operations,
        title=f"reduce {suspicion.control.key} to the share before",
    )


def within_limit(verdict: Verdict, worse: Worse) -> bool:
    """Whether the candidate's own figure still keeps the agreed limit."""
    if verdict.candidate_value is None or verdict.kind is GuardrailKind.FALLBACK:
        return False
    lower_is_worse = worse is Worse.LOWER and verdict.kind is not GuardrailKind.RATE
    return verdict.candidate_value >= verdict.limit if lower_is_worse else verdict.candidate_value <= verdict.limit


def _step_back(suspicion: Suspicion, rule_id: str | None) -> SetWeights | None:
    flag = suspicion.control.flag
    now = _weights(flag, rule_id)
    for edit in reversed(timing.edits(suspicion.observed.versions)):
        before = _weights(edit.before.flag, rule_id) if edit.before else None
        if now and before and {*before} == {*now} and 0 < _candidate(flag, before) < _candidate(flag, now):
            return SetWeights(flag=flag.key, rule=rule_id, weights=tuple((key, before[key]) for key in now))
    return None


def _weights(flag: Flag, rule_id: str | None) -> dict[str, int]:
    serve = next((serve for rule, serve in timing.serves(flag) if rule == rule_id), None)
    return dict(serve.rollout.weights) if serve is not None and serve.rollout is not None else {}


def _candidate(flag: Flag, weights: dict[str, int]) -> int:
    return WEIGHT_TOTAL - weights.get(flag.baseline, 0)


# ---------------------------------------------------------------- one of several variations


def stricter(suspicion: Suspicion) -> Rung:
    """A more cautious variation, which is measured and does no harm, in place of the harmful one."""
    control, harmful = suspicion.control, suspicion.variation
    order = control.caution
    if harmful not in order:
        return Rung(recommendation=Recommendation.STRICTER_MODE)
    earlier = [each for each in order[: order.index(harmful)] if each != control.flag.baseline]
    proven = [each for each in earlier if _harmless(suspicion, each)]
    if not proven:
        why = "a stricter mode: no more cautious variation is known to do no harm" if earlier else ""
        return Rung(recommendation=Recommendation.STRICTER_MODE, why_not=why)
    return Rung(
        recommendation=Recommendation.STRICTER_MODE,
        operations=_instead(suspicion, proven[-1]),
        title=f"serve `{proven[-1]}` instead of `{harmful}` of {control.key}",
        to=proven[-1],
    )


def _harmless(suspicion: Suspicion, variation: str) -> bool:
    """Whether harm by this variation is excluded on every guardrail that is breached."""
    measured = [each for each in suspicion.observed.by_variation if each.variation == variation]
    holding = {each.guardrail.key for each in measured if each.verdict.status is VerdictStatus.HOLDING}
    return {each.guardrail.key for each in suspicion.breached} <= holding


def without(suspicion: Suspicion) -> Rung:
    """The baseline in place of the harmful one alone, where others are served beside it."""
    flag, harmful = suspicion.control.flag, suspicion.variation
    measured = {each.variation for each in suspicion.observed.by_variation}
    others = {
        key
        for rule, serve in timing.serves(flag)
        if rule in suspicion.rules
        for key in timing.shares(serve)
        if key not in (harmful, flag.baseline)
    }
    if harmful not in measured or not others:
        return Rung(recommendation=Recommendation.MOVE_TO_BASELINE)
    return Rung(
        recommendation=Recommendation.MOVE_TO_BASELINE,
        operations=_instead(suspicion, flag.baseline),
        title=f"move `{harmful}` of {flag.key} to the baseline",
        to=flag.baseline,
    )


def _instead(suspicion: Suspicion, variation: str) -> tuple[Operation, ...]:
    """Another variation in place of the harmful one, for the same units and nobody else."""
    flag, harmful = suspicion.control.flag, suspicion.variation
    made: list[Operation] = []
    for rule, serve in timing.serves(flag):
        if rule not in suspicion.rules or not timing.shares(serve).get(harmful):
            continue
        if serve.rollout is None:
            whole = Serve(variation=variation)
            made.append(
                SetOtherwise(flag=flag.key, serve=whole)
                if rule is None
                else SetRuleServe(flag=flag.key, rule=rule, serve=whole)
            )
        else:
            shares = tuple((variation if key == harmful else key, weight) for key, weight in serve.rollout.weights)
            made.append(SetWeights(flag=flag.key, rule=rule, weights=_merged(shares)))
    return tuple(made)


def _merged(weights: Sequence[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """One weight for each variation, where it first stands."""
    found: dict[str, int] = {}
    for key, weight in weights:
        found[key] = found.get(key, 0) + weight
    return tuple(found.items())


def switch_off(flag: Flag) -> Rung:
    """The last rung: everybody gets the baseline, whatever rule or target says."""
    return Rung(
        recommendation=Recommendation.KILL_SWITCH,
        operations=(SetEnabled(flag=flag.key, enabled=False),),
        title=f"switch {flag.key} off",
        to=flag.baseline,
    )


def with_waiting(suspicion: Suspicion, state: State) -> Rung:
    """Switch it off together with what waits for its baseline, which nobody is to get in its place."""
    flag = suspicion.control.flag
    waiting = _waiting(state, flag)
    if not waiting:
        return Rung(recommendation=Recommendation.KILL_SWITCH)
    names = _listed(list(waiting))
    return Rung(
        recommendation=Recommendation.KILL_SWITCH,
        operations=tuple(SetEnabled(flag=key, enabled=False) for key in (flag.key, *waiting)),
        title=f"switch {flag.key} off, and {names}, which would be served in its place",
        to=flag.baseline,
    )


def _waiting(state: State, flag: Flag) -> tuple[str, ...]:
    """The flags that are on and served only beside the baseline of this one, and those that wait for them alike."""
    found, left = [], [(flag.key, flag.baseline)]
    while left:
        key, baseline = left.pop()
        for other in sorted(state.controls):
            one = state.controls[other]
            waits = any(each.flag == key and baseline in each.variations for each in one.flag.prerequisites)
            if waits and one.flag.enabled and not one.archived and other not in found:
                found.append(other)
                left.append((other, one.flag.baseline))
    return tuple(found)


# ---------------------------------------------------------------- the suspected rules to the baseline


def to_baseline(flag: Flag, suspicion: Suspicion, internal_segment: str) -> Rung:
    safe = Serve(variation=flag.baseline)
    operations: tuple[Operation, ...] = tuple(
        SetOtherwise(flag=flag.key, serve=safe) if rule is None else SetRuleServe(flag=flag.key, rule=rule, serve=safe)
        for rule in suspicion.rules
    )
    left = [rule for rule, serve in timing.serves(flag) if rule not in suspicion.rules and is_harmful(flag, serve)]
    internal = [rule for rule in left if is_internal(flag, rule, internal_segment)]
    if internal and internal == left:
        return Rung(
            recommendation=Recommendation.REDUCE_TO_INTERNAL,
            operations=operations,
            title=f"reduce {flag.key} to internal only",
            keeps_internal=True,
            to=flag.baseline,
        )
    if left or flag.targets:
        cohort = _listed([f"rule {rule}" if rule else "everyone else" for rule in suspicion.rules])
        title = f"move {cohort} of {flag.key} to the baseline"
        return Rung(
            recommendation=Recommendation.MOVE_TO_BASELINE, operations=operations, title=title, to=flag.baseline
        )
    if suspicion.control.surface is Surface.TOOL:
        return Rung(
            recommendation=Recommendation.DISABLE_TOOL,
            operations=operations,
            title=f"disable the tool behind {flag.key}",
            to=flag.baseline,
        )
    return Rung(
        recommendation=Recommendation.ROLL_BACK,
        operations=operations,
        title=f"roll {flag.key} back to the baseline",
        to=flag.baseline,
    )


def is_internal(flag: Flag, rule_id: str | None, segment: str) -> bool:
    """Whether a rule serves nobody but members of the internal segment."""
    rule = flag.rule(rule_id) if rule_id else None
    return rule is not None and any(
        clause.operator is Operator.IN_SEGMENT and clause.values == (segment,) and not clause.negate
        for clause in rule.clauses
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
