"""Whom a flag targets: rules and their order, listed units, prerequisites, the unit it is assigned by."""

from __future__ import annotations

from msgspec.structs import replace

from twokey.domain.control import State
from twokey.domain.operation.edits import (
    Law,
    Laws,
    control_of,
    edit_control,
    edit_flag,
    flag_field,
    flag_of,
    insert,
    kept,
    rule_of,
    without,
)
from twokey.domain.operation.kinds import (
    AddRule,
    AddTargets,
    MoveRule,
    Operation,
    RemoveRule,
    RemoveTargets,
    SetClauses,
    SetPrerequisites,
    SetUnit,
)
from twokey.domain.operation.serving import set_rule
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Target

# ------------------------------------------------------------- rules


def _add_rule(state: State, op: AddRule) -> State:
    control = control_of(state, op.flag)
    after = edit_flag(state, op.flag, rules=insert(control.flag.rules, op.rule, op.position))
    return edit_control(after, op.flag, upkeep=kept(control.upkeep, f"rule:{op.rule.id}", op.upkeep))


def _undo_add_rule(state: State, op: AddRule) -> tuple[Operation, ...]:
    return (RemoveRule(flag=op.flag, rule=op.rule.id),)


def _remove_rule(state: State, op: RemoveRule) -> State:
    control = control_of(state, op.flag)
    place, _ = rule_of(control.flag, op.rule)
    after = edit_flag(state, op.flag, rules=without(control.flag.rules, place))
    return edit_control(after, op.flag, upkeep=kept(control.upkeep, f"rule:{op.rule}", None))


def _undo_remove_rule(state: State, op: RemoveRule) -> tuple[Operation, ...]:
    control = control_of(state, op.flag)
    place, rule = rule_of(control.flag, op.rule)
    return (AddRule(flag=op.flag, rule=rule, position=place, upkeep=control.upkeep.get(f"rule:{op.rule}")),)


def _move_rule(state: State, op: MoveRule) -> State:
    flag = flag_of(state, op.flag)
    place, rule = rule_of(flag, op.rule)
    if not 0 <= op.position < len(flag.rules):
        raise Invalid("position", f"is `{op.position}`", f"0 to {len(flag.rules) - 1}")
    return edit_flag(state, op.flag, rules=insert(without(flag.rules, place), rule, op.position))


def _undo_move_rule(state: State, op: MoveRule) -> tuple[Operation, ...]:
    place, _ = rule_of(flag_of(state, op.flag), op.rule)
    return (MoveRule(flag=op.flag, rule=op.rule, position=place),)


def _set_clauses(state: State, op: SetClauses) -> State:
    return set_rule(state, op.flag, op.rule, clauses=op.clauses)


def _undo_clauses(state: State, op: SetClauses) -> tuple[Operation, ...]:
    _, rule = rule_of(flag_of(state, op.flag), op.rule)
    return (SetClauses(flag=op.flag, rule=op.rule, clauses=rule.clauses),)


# ------------------------------------------------------------- listed units


def _add_targets(state: State, op: AddTargets) -> State:
    flag = flag_of(state, op.flag)
    _check_units(op.units)
    place, target = _target(flag, op.variation)
    if target is None:
        new = Target(variation=op.variation, units=_spliced((), op))
        return edit_flag(state, op.flag, targets=insert(flag.targets, new, op.position))
    return _with_target(state, flag, place, replace(target, units=_spliced(target.units, op)))


def _undo_add_targets(state: State, op: AddTargets) -> tuple[Operation, ...]:
    _, target = _target(flag_of(state, op.flag), op.variation)
    keep = target is not None and not target.units
    return (RemoveTargets(flag=op.flag, variation=op.variation, units=op.units, keep_empty=keep),)


def _remove_targets(state: State, op: RemoveTargets) -> State:
    flag = flag_of(state, op.flag)
    place, target = _existing(flag, op)
    units = tuple(unit for unit in target.units if unit not in op.units)
    if units or op.keep_empty:
        return _with_target(state, flag, place, replace(target, units=units))
    return edit_flag(state, op.flag, targets=without(flag.targets, place))


def _undo_remove_targets(state: State, op: RemoveTargets) -> tuple[Operation, ...]:
    place, target = _existing(flag_of(state, op.flag), op)
    taken = [(index, unit) for index, unit in enumerate(target.units) if unit in op.units]
    return (
        AddTargets(
            flag=op.flag,
            variation=op.variation,
            units=tuple(unit for _, unit in taken),
            at=tuple(index for index, _ in taken),
            position=place,
        ),
    )


def _existing(flag: Flag, op: RemoveTargets) -> tuple[int, Target]:
    _check_units(op.units)
    place, target = _target(flag, op.variation)
    listed = () if target is None else target.units
    if target is None or (unknown := [unit for unit in op.units if unit not in listed]):
        missing = op.units[0] if target is None else unknown[0]
        raise Invalid("units", f"`{missing}` is not targeted with `{op.variation}`", "units that are listed there")
    return place, target


def _check_units(units: tuple[str, ...]) -> None:
    if not units or len(set(units)) != len(units):
        raise Invalid("units", "is empty" if not units else "lists a unit twice", "at least one unit, each once")


def _target(flag: Flag, variation: str) -> tuple[int, Target | None]:
    return next(((i, each) for i, each in enumerate(flag.targets) if each.variation == variation), (-1, None))


def _with_target(state: State, flag: Flag, place: int, target: Target) -> State:
    return edit_flag(state, flag.key, targets=(*flag.targets[:place], target, *flag.targets[place + 1 :]))


def _spliced(units: tuple[str, ...], op: AddTargets) -> tuple[str, ...]:
    if not op.at:
        return (*units, *op.units)
    if len(op.at) != len(op.units) or list(op.at) != sorted(set(op.at)):
        raise Invalid("at", f"`{list(op.at)}` does not place every unit", "one ascending position for each unit")
    result = units
    for place, unit in zip(op.at, op.units, strict=True):
        result = insert(result, unit, place)
    return result


LAWS: Laws = {
    AddRule: Law(_add_rule, _undo_add_rule),
    RemoveRule: Law(_remove_rule, _undo_remove_rule),
    MoveRule: Law(_move_rule, _undo_move_rule),
    SetClauses: Law(_set_clauses, _undo_clauses),
    AddTargets: Law(_add_targets, _undo_add_targets),
    RemoveTargets: Law(_remove_targets, _undo_remove_targets),
    SetPrerequisites: flag_field(SetPrerequisites, "prerequisites"),
    SetUnit: flag_field(SetUnit, "unit"),
}
