"""From one environment to another: the operations that make flags there what they are here.

Rules kept here:
- all that is kept of a flag is copied: what is published, who answers for it, and the segments it needs;
- flags and segments that were not asked for stay as they are, also those that only the target has;
- what no operation can express is refused by name: another type, bucketing or salt of a flag that the target has, a
  prerequisite that the target lacks;
- nothing is written: the operations are drafted, approved and published like any others, and have their reverse.

Dependencies come first, in the order of the source, so that no step closes a circle; what falls away goes last, when
nothing leans on it any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from twokey.domain.control import Control, State
from twokey.domain.operation import (
    AddRule,
    AddTargets,
    AddVariation,
    CreateFlag,
    CreateSegment,
    EditControl,
    EditSegment,
    EditVariation,
    MoveRule,
    Operation,
    RemoveRule,
    RemoveTargets,
    RemoveVariation,
    RestoreFlag,
    SetBaseline,
    SetCaution,
    SetClauses,
    SetClientVisible,
    SetEnabled,
    SetOtherwise,
    SetPrerequisites,
    SetRuleServe,
    SetSchema,
    SetUnit,
    SetWeights,
    apply,
    content_digest,
)
from twokey.domain.operation.content import whole
from twokey.domain.operation.uses import all_segments_of, prerequisites_of, segments_of_flag
from twokey.engine.canonical import digest
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Rule, Serve, Target, Variation

MOST_OPERATIONS = 200
"""In one copy, so that somebody can still read what they approve."""
_FIXED = ("type", "bucketing", "salt")
_KEPT = ("owner", "purpose", "surface", "kind", "workflow", "approvers", "review_date", "cleanup_condition",
         "permanent_because", "guardrails", "upkeep")  # fmt: skip


def copy_flags(source: State, target: State, keys: Sequence[str] = ()) -> tuple[Operation, ...]:
    """What makes these flags in `target` (none named: all that `source` publishes) what they are in `source`.

    Raises Invalid, which names the flag, where something cannot be expressed, and where nothing differs.
    """
    wanted = _in_order(source, _chosen(source, target, keys))
    segments = _segments_needed(source, wanted)
    plan = _Plan(target)
    for key in segments:
        plan.follow(key, _segment(plan, source, key))
    for key in _in_order(target, [key for key in wanted if key in target.controls]):
        plan.follow(key, _restored(plan, key))
    for step in (_stripped, _begun, _edited, _finished):
        for key in wanted:
            plan.follow(key, step(plan, source.controls[key], wanted))
    _check_same(source, plan.state, wanted, segments)
    if not plan.operations:
        raise Invalid("flags", f"are in `{target.environment}` what they are in `{source.environment}`", "a difference")
    if len(plan.operations) > MOST_OPERATIONS:
        raise Invalid("flags", f"take {len(plan.operations)} operations", f"at most {MOST_OPERATIONS}: fewer flags")
    return tuple(plan.operations)


class _Plan:
    """Operations so far, and the target's state after them."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.operations: list[Operation] = []

    def follow(self, key: str, steps: Iterator[Operation]) -> None:
        """Take the steps, each on the state that the one before it left."""
        for each in steps:
            try:
                self.state = apply(self.state, each)
            except Invalid as error:
                raise Invalid(
                    "flags", f"`{key}` cannot be copied: {error.field}: {error.problem}", error.accepted
                ) from None
            self.operations.append(each)

    def control(self, key: str) -> Control:
        """The control as it stands."""
        return self.state.controls[key]

    def flag(self, key: str) -> Flag:
        """The flag as it stands."""
        return self.state.controls[key].flag


# ------------------------------------------------------------- what is copied


def _chosen(source: State, target: State, keys: Sequence[str]) -> list[str]:
    if (source.project, source.environment) == (target.project, target.environment):
        raise Invalid("from_environment", f"`{source.environment}` is the target itself", "another environment")
    chosen = list(dict.fromkeys(keys)) or [each.key for each in source.controls.values() if not each.archived]
    if not chosen:
        raise Invalid("from_environment", f"`{source.environment}` has no flags", "an environment with flags")
    for key in chosen:
        if source.control(key).archived:
            raise Invalid("flags", f"`{key}` is archived in `{source.environment}`", "flags that are not archived")
        _check_fixed(source.control(key).flag, target)
        _check_prerequisites(source.control(key).flag, target, chosen)
    return chosen


def _check_fixed(flag: Flag, target: State) -> None:
    """What a flag is bucketed by cannot change under those who are in."""
    if flag.key not in target.controls:
        return
    there = target.controls[flag.key].flag
    for field in _FIXED:
        one, other = getattr(flag, field), getattr(there, field)
        if one != other:
            says = f"`{flag.key}` has the {field} `{other}` in `{target.environment}`, and `{one}` in the source"
            raise Invalid("flags", says, f"the same {field} in both: no operation changes it")


def _check_prerequisites(flag: Flag, target: State, chosen: Sequence[str]) -> None:
    for each in flag.prerequisites:
        there = target.controls.get(each.flag)
        if each.flag not in chosen and (there is None or there.archived):
            says = f"`{flag.key}` waits for `{each.flag}`, which `{target.environment}` does not have"
            raise Invalid("flags", says, f"`{each.flag}` copied as well")


def _in_order(state: State, keys: Sequence[str]) -> list[str]:
    """A flag after all that it waits for."""
    return sorted(keys, key=lambda key: (len(prerequisites_of(state, (key,))), key))


def _segments_needed(source: State, keys: Sequence[str]) -> list[str]:
    """A segment after all that it leans on."""
    named = {each for key in keys for each in segments_of_flag(source.controls[key].flag)}
    needed = all_segments_of(source, named)
    return sorted(needed, key=lambda key: (len(all_segments_of(source, (key,))), key))


def _check_same(source: State, after: State, keys: Sequence[str], segments: Sequence[str]) -> None:
    for key in keys:
        made = after.controls[key]
        if content_digest(made) != content_digest(replace(source.controls[key], experiment=made.experiment)):
            raise Invalid("flags", f"`{key}` cannot be expressed in operations", "a proposal written by hand")
    for key in segments:
        if content_digest(after.segments[key]) != content_digest(source.segments[key]):
            raise Invalid("flags", f"the segment `{key}` cannot be expressed in operations", "one written by hand")


def _same(one: Any, other: Any) -> bool:
    """Whether two parts are the same as JSON; to `==`, True would equal 1."""
    return digest(whole(one)) == digest(whole(other))


# ------------------------------------------------------------- the steps


def _segment(plan: _Plan, source: State, key: str) -> Iterator[Operation]:
    wanted = source.segments[key]
    there = plan.state.segments.get(key)
    if there is None:
        yield CreateSegment(segment=wanted)
        return
    changes = {
        name: getattr(wanted, name)
        for name in ("included", "excluded", "rules")
        if not _same(getattr(wanted, name), getattr(there, name))
    }
    if changes:
        yield EditSegment(segment=key, **changes)


def _restored(plan: _Plan, key: str) -> Iterator[Operation]:
    if plan.control(key).archived:
        yield RestoreFlag(flag=key)


def _stripped(plan: _Plan, wanted: Control, keys: Sequence[str]) -> Iterator[Operation]:
    """Take a flag down to one variation where those that stay stand in another order: only adding places them."""
    key = wanted.key
    if key not in plan.state.controls or _ordered_alike(plan.flag(key), wanted.flag):
        return
    for other in keys:
        if other in plan.state.controls and any(each.flag == key for each in plan.flag(other).prerequisites):
            kept = tuple(each for each in plan.flag(other).prerequisites if each.flag != key)
            yield SetPrerequisites(flag=other, prerequisites=kept)
    yield from _bared(plan, wanted)


def _ordered_alike(one: Flag, other: Flag) -> bool:
    names, others = [each.key for each in one.variations], [each.key for each in other.variations]
    return [each for each in names if each in others] == [each for each in others if each in names]


def _bared(plan: _Plan, wanted: Control) -> Iterator[Operation]:
    key, safe = wanted.key, wanted.flag.baseline
    yield from _open_schema(plan, wanted)
    yield from (RemoveRule(flag=key, rule=each.id) for each in plan.flag(key).rules)
    for each in plan.flag(key).targets:
        yield RemoveTargets(flag=key, variation=each.variation, units=each.units)
    if safe not in [each.key for each in plan.flag(key).variations]:
        yield AddVariation(flag=key, variation=_variation(wanted.flag, safe))
    if plan.flag(key).baseline != safe:
        yield SetBaseline(flag=key, variation=safe)
    if not _same(plan.flag(key).otherwise, Serve(variation=safe)):
        yield SetOtherwise(flag=key, serve=Serve(variation=safe))
    others = [each.key for each in plan.flag(key).variations if each.key != safe]
    yield from (RemoveVariation(flag=key, variation=each) for each in others)


def _open_schema(plan: _Plan, wanted: Control) -> Iterator[Operation]:
    """While variations change, another schema than the wanted one holds nothing up."""
    schema = plan.control(wanted.key).schema
    if schema is not None and not _same(schema, wanted.schema):
        yield SetSchema(flag=wanted.key, schema=None)


def _begun(plan: _Plan, wanted: Control, keys: Sequence[str]) -> Iterator[Operation]:
    """Every flag is there, and every variation that it shall have."""
    if wanted.key not in plan.state.controls:
        yield CreateFlag(control=_switched_off(wanted))
        return
    yield from _open_schema(plan, wanted)
    yield from _variations(plan, wanted.flag)


def _switched_off(control: Control) -> Control:
    """As it begins elsewhere: off, and without an experiment, which is its own environment's."""
    return replace(control, flag=replace(control.flag, enabled=False, revision=0, digest=None), experiment=None)


def _variations(plan: _Plan, wanted: Flag) -> Iterator[Operation]:
    for place, each in enumerate(wanted.variations):
        names = [one.key for one in plan.flag(wanted.key).variations]
        if each.key not in names:
            after = names.index(wanted.variations[place - 1].key) + 1 if place else 0
            yield AddVariation(flag=wanted.key, variation=each, position=after)
        elif not _same(each.value, plan.flag(wanted.key).value_of(each.key)):
            yield EditVariation(flag=wanted.key, variation=each.key, value=each.value)


def _variation(flag: Flag, key: str) -> Variation:
    return next(each for each in flag.variations if each.key == key)


def _edited(plan: _Plan, wanted: Control, keys: Sequence[str]) -> Iterator[Operation]:
    """What is served to whom."""
    key, flag = wanted.key, wanted.flag
    if not _same(plan.flag(key).prerequisites, flag.prerequisites):
        yield SetPrerequisites(flag=key, prerequisites=flag.prerequisites)
    if plan.flag(key).baseline != flag.baseline:
        yield SetBaseline(flag=key, variation=flag.baseline)
    if plan.flag(key).unit != flag.unit:
        yield SetUnit(flag=key, unit=flag.unit)
    yield from _targets(plan, flag)
    yield from _rules(plan, wanted)
    if not _same(plan.flag(key).otherwise, flag.otherwise):
        yield _served(flag, None, plan.flag(key).otherwise, flag.otherwise)
    if plan.flag(key).client_visible != flag.client_visible:
        yield SetClientVisible(flag=key, client_visible=flag.client_visible)


def _rules(plan: _Plan, wanted: Control) -> Iterator[Operation]:
    key, ids = wanted.key, {each.id for each in wanted.flag.rules}
    yield from (RemoveRule(flag=key, rule=each.id) for each in plan.flag(key).rules if each.id not in ids)
    for place, rule in enumerate(wanted.flag.rules):
        there = plan.flag(key).rule(rule.id)
        if there is None:
            yield AddRule(flag=key, rule=rule, position=place, upkeep=wanted.upkeep.get(f"rule:{rule.id}"))
        else:
            yield from _rule(plan, wanted.flag, place, rule, there)


def _rule(plan: _Plan, wanted: Flag, place: int, rule: Rule, there: Rule) -> Iterator[Operation]:
    if plan.flag(wanted.key).rules[place].id != rule.id:
        yield MoveRule(flag=wanted.key, rule=rule.id, position=place)
    if not _same(there.clauses, rule.clauses):
        yield SetClauses(flag=wanted.key, rule=rule.id, clauses=rule.clauses)
    if not _same(there.serve, rule.serve):
        yield _served(wanted, rule.id, there.serve, rule.serve)


def _served(flag: Flag, rule: str | None, was: Serve, wanted: Serve) -> Operation:
    """The narrowest operation that serves this: only shares, where only shares differ."""
    one, other = was.rollout, wanted.rollout
    if one is not None and other is not None and (one.unit, one.salt) == (other.unit, other.salt):
        return SetWeights(flag=flag.key, rule=rule, weights=other.weights)
    if rule is None:
        return SetOtherwise(flag=flag.key, serve=wanted)
    return SetRuleServe(flag=flag.key, rule=rule, serve=wanted)


def _targets(plan: _Plan, wanted: Flag) -> Iterator[Operation]:
    """First off every list that shall have them otherwise, then on: a unit stands in one list."""
    key, there = wanted.key, plan.flag(wanted.key).targets
    named = [each.variation for each in wanted.targets]
    in_order = [each.variation for each in there if each.variation in named]
    alike = in_order == [each for each in named if each in in_order]
    for target in there:
        yield from _off(key, target, _list(wanted, target.variation) if alike else None)
    for place, each in enumerate(wanted.targets):
        listed = _list(plan.flag(key), each.variation)
        units = each.units if listed is None else tuple(unit for unit in each.units if unit not in listed.units)
        if units:
            at = tuple(each.units.index(unit) for unit in units)
            yield AddTargets(flag=key, variation=each.variation, units=units, at=at, position=place)


def _off(key: str, there: Target, wanted: Target | None) -> Iterator[Operation]:
    """Units that go, or all of them where those that stay stand in another order."""
    gone = tuple(unit for unit in there.units if wanted is None or unit not in wanted.units)
    stay = [unit for unit in there.units if unit not in gone]
    if wanted is not None and stay != [unit for unit in wanted.units if unit in stay]:
        gone = there.units
    if gone:
        yield RemoveTargets(flag=key, variation=there.variation, units=gone, keep_empty=wanted is not None)


def _list(flag: Flag, variation: str) -> Target | None:
    return next((each for each in flag.targets if each.variation == variation), None)


def _finished(plan: _Plan, wanted: Control, keys: Sequence[str]) -> Iterator[Operation]:
    """What nothing leans on any more falls away; then all that is kept beside the published part; then it is on."""
    key, names = wanted.key, {each.key for each in wanted.flag.variations}
    gone = [each.key for each in plan.flag(key).variations if each.key not in names]
    yield from (RemoveVariation(flag=key, variation=each) for each in gone)
    there = plan.control(key)
    changes = {name: getattr(wanted, name) for name in _KEPT if not _same(getattr(wanted, name), getattr(there, name))}
    if changes:
        yield EditControl(flag=key, **changes)
    if plan.control(key).caution != wanted.caution:
        yield SetCaution(flag=key, caution=wanted.caution)
    if not _same(plan.control(key).schema, wanted.schema):
        yield SetSchema(flag=key, schema=wanted.schema)
    if plan.flag(key).enabled != wanted.flag.enabled:
        yield SetEnabled(flag=key, enabled=wanted.flag.enabled)
