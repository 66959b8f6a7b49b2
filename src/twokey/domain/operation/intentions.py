"""What people and assistants want in an incident, as operations; and the ladder on which these wants stand.

Rules kept here:
- an intention returns operations of the closed set and nothing else; what they do is computed like for any others;
- an intention that cannot be had raises Invalid and says which one could be;
- the ladder orders intentions by how much they disturb, the least first. Whoever proposes a rung says why a lower one
  would not do.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from twokey.domain.control import State, Surface
from twokey.domain.operation.edits import control_of, listed, rule_of
from twokey.domain.operation.kinds import (
    AddRule,
    Operation,
    RemoveTargets,
    SetEnabled,
    SetOtherwise,
    SetRuleServe,
    SetWeights,
)
from twokey.engine.errors import Invalid
from twokey.engine.flag import WEIGHT_TOTAL, Clause, Flag, Operator, Rule, Scalar, Serve


class Intention(StrEnum):
    """What somebody wants, in the words of the control ladder."""

    REDUCE_TO_INTERNAL = "reduce_to_internal"
    EXCLUDE = "exclude"
    REDUCE_PERCENTAGE = "reduce_percentage"
    PAUSE = "pause"
    MOVE_TO_BASELINE = "move_to_baseline"
    STRICTER_MODE = "stricter_mode"
    DISABLE_TOOL = "disable_tool"
    ROLL_BACK = "roll_back"
    KILL_SWITCH = "kill_switch"


class Rung(NamedTuple):
    """One rung of the control ladder: its place (0 disturbs least), the intention, and what it does in words."""

    place: int
    intention: Intention
    says: str


LADDER: tuple[Rung, ...] = tuple(
    Rung(place, intention, says)
    for place, (intention, says) in enumerate(
        (
            (Intention.REDUCE_TO_INTERNAL, "narrow to internal users or one segment"),
            (Intention.EXCLUDE, "exclude one account, region, plan or workflow"),
            (Intention.REDUCE_PERCENTAGE, "reduce the percentage"),
            (Intention.PAUSE, "pause: freeze the rollout where it is"),
            (Intention.MOVE_TO_BASELINE, "move a cohort to the baseline or a fallback variation"),
            (Intention.STRICTER_MODE, "switch to a stricter mode: a variation that is earlier in the order of caution"),
            (Intention.DISABLE_TOOL, "disable one tool"),
            (Intention.ROLL_BACK, "roll back to the baseline for everyone"),
            (Intention.KILL_SWITCH, "kill switch"),
        )
    )
)
"""The control ladder, least disruptive first."""


def rung(intention: Intention) -> Rung:
    """Where an intention stands on the ladder."""
    return next(each for each in LADDER if each.intention is intention)


def reduce_to_internal_only(state: State, flag: str, internal_segment: str | None = None) -> tuple[Operation, ...]:
    """Everything but the baseline only for members of the internal segment, or of any segment where none is named.

    Rules that ask for that segment (and individual targets) stay; what other rules and `otherwise` give goes to the
    baseline. Raises Invalid where nothing would be left to reduce, or no such rule stays.
    """
    found = control_of(state, flag).flag
    staying = [rule.id for rule in found.rules if _is_internal(rule, internal_segment)]
    if not staying:
        wanted = f"asks for `{internal_segment}`" if internal_segment else "asks for a segment"
        raise Invalid("flag", f"no rule of `{flag}` {wanted}", "roll_back_to_baseline, which keeps nobody")
    operations = _to_baseline(found, [rule for rule in found.rules if rule.id not in staying])
    return _something(operations, f"`{flag}` gives only the baseline outside the segment already")


def reduce_percentage(state: State, flag: str, rule: str | None, variation: str, weight: int) -> tuple[Operation, ...]:
    """Lower the share of a variation in a rollout (of a rule, or of `otherwise`) to `weight` (in 1/100,000).

    What it loses goes to the baseline. Nobody else moves where the baseline's range follows the variation's; else
    shares in between shift, and the computed effect says whether that widens.
    """
    found = control_of(state, flag).flag
    serve = found.otherwise if rule is None else rule_of(found, rule)[1].serve
    weights = dict(serve.rollout.weights) if serve.rollout is not None else {}
    if variation == found.baseline or weights.get(variation, 0) <= weight or weight < 0:
        has = weights.get(variation, 0)
        raise Invalid("weight", f"is `{weight}`, and `{variation}` has {has} there", "less than it has, from 0")
    lowered = {**weights, variation: weight}
    lowered[found.baseline] = WEIGHT_TOTAL - sum(each for key, each in lowered.items() if key != found.baseline)
    return (SetWeights(flag=flag, rule=rule, weights=tuple(lowered.items())),)


def exclude(state: State, flag: str, attribute: str, values: tuple[Scalar, ...]) -> tuple[Operation, ...]:
    """The baseline for whoever has one of these values, asked before all other rules. Individual targets stay."""
    found = control_of(state, flag).flag
    clause = Clause(attribute=attribute, operator=Operator.IN, values=values)
    rule = Rule(id=_free_id(found, attribute), clauses=(clause,), serve=Serve(variation=found.baseline))
    return (AddRule(flag=flag, rule=rule, position=0),)


def pause(state: State, flag: str) -> tuple[Operation, ...]:
    """Freeze the rollout where it is. Shares move only by approved changes, so no operation is needed: empty."""
    control_of(state, flag)
    return ()


def move_cohort_to_baseline(state: State, flag: str, rule: str | None) -> tuple[Operation, ...]:
    """The baseline for whoever this rule matches; without `rule`, for those whom no rule matches."""
    found = control_of(state, flag).flag
    if rule is None:
        operations = _to_baseline(found, [])
    else:
        place, _ = rule_of(found, rule)
        operations = _rules_to_baseline(found, [found.rules[place]])
    return _something(operations, "that cohort gets the baseline already")


def stricter_mode(state: State, flag: str, variation: str) -> tuple[Operation, ...]:
    """This variation for everyone who is enabled: it must stand earlier in the order of caution than what is served."""
    found = control_of(state, flag).flag
    if variation not in {each.key for each in found.variations}:
        raise Invalid("variation", f"`{flag}` has no `{variation}`", listed(each.key for each in found.variations))
    serve = Serve(variation=variation)
    rules = (SetRuleServe(flag=flag, rule=rule.id, serve=serve) for rule in found.rules if rule.serve != serve)
    otherwise = () if found.otherwise == serve else (SetOtherwise(flag=flag, serve=serve),)
    return _something((*rules, *otherwise), f"`{flag}` serves `{variation}` already")


def roll_back_to_baseline(state: State, flag: str) -> tuple[Operation, ...]:
    """The baseline for everyone: rules and `otherwise` serve it, individual targets of anything else go."""
    found = control_of(state, flag).flag
    targets = (
        RemoveTargets(flag=flag, variation=target.variation, units=target.units)
        for target in found.targets
        if target.variation != found.baseline and target.units
    )
    return _something((*targets, *_to_baseline(found, list(found.rules))), f"`{flag}` gives only the baseline already")


def kill_switch(state: State, flag: str) -> tuple[Operation, ...]:
    """Disable the flag: everyone gets its baseline at once."""
    if not control_of(state, flag).flag.enabled:
        raise Invalid("flag", f"`{flag}` is disabled already", "an enabled flag")
    return (SetEnabled(flag=flag, enabled=False),)


def disable_tool(state: State, flag: str) -> tuple[Operation, ...]:
    """Disable one tool of an agent. Raises Invalid where the flag does not control a tool."""
    surface = control_of(state, flag).surface
    if surface is not Surface.TOOL:
        raise Invalid("flag", f"`{flag}` controls a {surface}", "a flag whose surface is `tool`; else kill_switch")
    return kill_switch(state, flag)


def _is_internal(rule: Rule, segment: str | None) -> bool:
    return any(
        clause.operator is Operator.IN_SEGMENT
        and not clause.negate
        and (segment is None or set(clause.values) == {segment})
        for clause in rule.clauses
    )


def _to_baseline(flag: Flag, rules: list[Rule]) -> tuple[Operation, ...]:
    """These rules and `otherwise` serve the baseline."""
    serve = Serve(variation=flag.baseline)
    otherwise = (SetOtherwise(flag=flag.key, serve=serve),) if _gives_more(flag, flag.otherwise) else ()
    return (*_rules_to_baseline(flag, rules), *otherwise)


def _rules_to_baseline(flag: Flag, rules: list[Rule]) -> tuple[Operation, ...]:
    serve = Serve(variation=flag.baseline)
    return tuple(
        SetRuleServe(flag=flag.key, rule=each.id, serve=serve) for each in rules if _gives_more(flag, each.serve)
    )


def _gives_more(flag: Flag, serve: Serve) -> bool:
    """Whether anyone can get something other than the baseline here."""
    if serve.rollout is None:
        return serve.variation != flag.baseline
    return any(weight for variation, weight in serve.rollout.weights if variation != flag.baseline)


def _something(operations: tuple[Operation, ...], otherwise: str) -> tuple[Operation, ...]:
    if not operations:
        raise Invalid("flag", otherwise, "a flag on which this changes something")
    return operations


def _free_id(flag: Flag, attribute: str) -> str:
    stem = "exclude-" + "".join(each if each.isascii() and each.isalnum() else "-" for each in attribute)[:80]
    taken = {rule.id for rule in flag.rules}
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)
