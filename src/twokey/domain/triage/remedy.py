"""The narrowest operation that helps, found by climbing the control ladder.

Rules kept here:
- rungs are tried least disruptive first, and each one that is passed over says why it would not do;
- one cohort is excluded only where the harm is confined to it; a share is only reduced where the agreed limit is still
  kept; otherwise the suspected rules go to the baseline, which is *internal only* where just the internal rule remains;
- a rung is taken only where its effect on the present state is computed to narrow. Where no rung narrows, the first one
  that helps is drafted all the same, and says that it needs the approvals of an expansion.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import msgspec

from twokey.domain.control import State, Surface, Upkeep
from twokey.domain.finding import Recommendation
from twokey.domain.guardrail import GuardrailKind, Verdict, Worse
from twokey.domain.operation import (
    AddRule,
    Effect,
    Operation,
    SetOtherwise,
    SetRuleServe,
    SetWeights,
    apply_all,
    effect,
)
from twokey.domain.triage import timing
from twokey.domain.triage.cohorts import Confined, attributes, confinement
from twokey.domain.triage.notebook import plain
from twokey.domain.triage.suspicion import Suspicion
from twokey.engine.errors import Invalid
from twokey.engine.flag import WEIGHT_TOTAL, Clause, Flag, Operator, Rule, Scalar, Serve

EXCLUSION_REVIEW = timedelta(days=14)
"""When somebody looks again at a rule that excludes a cohort."""


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """A rung of the ladder: what is recommended, by which operations, and why no lower rung would do."""

    recommendation: Recommendation
    operations: tuple[Operation, ...] = ()
    title: str = ""
    lower_rungs: tuple[str, ...] = ()
    confined: Confined | None = None
    keeps_internal: bool = False


class _Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One rung: either operations, or why it would not do."""

    recommendation: Recommendation
    operations: tuple[Operation, ...] = ()
    title: str = ""
    why_not: str = ""
    confined: Confined | None = None
    keeps_internal: bool = False


def remedy(suspicion: Suspicion, state: State, internal_segment: str, today: date) -> Remedy | None:
    """The lowest rung that helps; nothing where the suspected rules serve the candidate to nobody any more."""
    flag, rules = suspicion.control.flag, _still_serving(suspicion)
    if not rules:
        return None
    suspicion = msgspec.structs.replace(suspicion, rules=rules)
    passed: list[str] = []
    widening: list[_Rung] = []
    for rung in (
        _exclude(suspicion, today),
        _reduce(suspicion),
        _to_baseline(flag, suspicion, internal_segment),
    ):
        does = computed(state, rung.operations) if rung.operations else None
        if does is Effect.NARROWS:
            return _take(rung, passed)
        if does is Effect.WIDENS:
            widening.append(rung)
        passed.append(rung.why_not or f"{rung.title}: {_WHY_NOT[does]}")
    if not widening:
        return None
    return _take(widening[0], [*passed, "no rung only narrows: this one needs the approvals of an expansion"])


_WHY_NOT = {
    Effect.WIDENS: "on this state that does not only narrow exposure",
    Effect.NEITHER: "on this state that changes nothing for anyone",
    None: "it does not apply to this state",
}


def computed(state: State, operations: Sequence[Operation]) -> Effect | None:
    """What the operations would do to this state; nothing where they do not apply to it."""
    try:
        return effect(state, apply_all(state, operations)).effect
    except Invalid:
        return None


def _take(rung: _Rung, passed: Iterable[str]) -> Remedy:
    return Remedy(
        recommendation=rung.recommendation,
        operations=rung.operations,
        title=rung.title,
        lower_rungs=tuple(passed),
        confined=rung.confined,
        keeps_internal=rung.keeps_internal,
    )


def _still_serving(suspicion: Suspicion) -> tuple[str | None, ...]:
    """The suspected rules that are there and give somebody the candidate, the most suspected first."""
    flag = suspicion.control.flag
    if suspicion.control.archived or not flag.enabled:
        return ()
    live = {rule for rule, serve in timing.serves(flag) if _harmful(flag, serve)}
    return tuple(rule for rule in suspicion.rules if rule in live)


def _harmful(flag: Flag, serve: Serve) -> bool:
    return any(key != flag.baseline for key in timing.shares(serve))


# ---------------------------------------------------------------- exclude one cohort


def _exclude(suspicion: Suspicion, today: date) -> _Rung:
    found = confinement(suspicion.breached, suspicion.rules)
    if found is None:
        return _Rung(recommendation=Recommendation.EXCLUDE, why_not=_why_not_exclude(suspicion))
    flag, cohort = suspicion.control.flag, plain(found.value, "one value")
    return _Rung(
        recommendation=Recommendation.EXCLUDE,
        operations=tuple(
            _exclusion(suspicion, rule, found, today, above) for above, rule in enumerate(_in_order(suspicion))
        ),
        title=f"exclude `{found.attribute}` {cohort} from {flag.key}",
        confined=found,
    )


def _why_not_exclude(suspicion: Suspicion) -> str:
    names = attributes(suspicion.breached)
    if not names:
        return "excluding one cohort: no cohort can be told apart, since exposures carry no context attributes"
    listed = ", ".join(f"`{name}`" for name in names)
    return f"excluding one cohort: the harm is not confined to one value of {listed}"


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


def _reduce(suspicion: Suspicion) -> _Rung:
    """Back to the share before, which helps only where the figures are worse than the baseline's but within limits."""
    past = [each.guardrail.name for each in suspicion.breached if not within_limit(each.verdict, each.guardrail.worse)]
    if past:
        why = f"pausing, or a smaller share: {_listed(past)} past the agreed limit for whoever would still get it"
        return _Rung(recommendation=Recommendation.REDUCE_PERCENTAGE, why_not=why)
    operations = tuple(found for rule in suspicion.rules if (found := _step_back(suspicion, rule)) is not None)
    if len(operations) != len(suspicion.rules):
        why = "a smaller share: there is no earlier, smaller share on record to go back to"
        return _Rung(recommendation=Recommendation.REDUCE_PERCENTAGE, why_not=why)
    return _Rung(
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


# ---------------------------------------------------------------- the suspected rules to the baseline


def _to_baseline(flag: Flag, suspicion: Suspicion, internal_segment: str) -> _Rung:
    safe = Serve(variation=flag.baseline)
    operations: tuple[Operation, ...] = tuple(
        SetOtherwise(flag=flag.key, serve=safe) if rule is None else SetRuleServe(flag=flag.key, rule=rule, serve=safe)
        for rule in suspicion.rules
    )
    left = [rule for rule, serve in timing.serves(flag) if rule not in suspicion.rules and _harmful(flag, serve)]
    internal = [rule for rule in left if is_internal(flag, rule, internal_segment)]
    if internal and internal == left:
        return _Rung(
            recommendation=Recommendation.REDUCE_TO_INTERNAL,
            operations=operations,
            title=f"reduce {flag.key} to internal only",
            keeps_internal=True,
        )
    if left or flag.targets:
        cohort = _listed([f"rule {rule}" if rule else "everyone else" for rule in suspicion.rules])
        title = f"move {cohort} of {flag.key} to the baseline"
        return _Rung(recommendation=Recommendation.MOVE_TO_BASELINE, operations=operations, title=title)
    if suspicion.control.surface is Surface.TOOL:
        return _Rung(
            recommendation=Recommendation.DISABLE_TOOL,
            operations=operations,
            title=f"disable the tool behind {flag.key}",
        )
    return _Rung(
        recommendation=Recommendation.ROLL_BACK, operations=operations, title=f"roll {flag.key} back to the baseline"
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
