"""What a flag can serve: its variations, their order of caution, baseline, JSON Schema, and who may see it."""

from __future__ import annotations

from twokey.domain.control import State
from twokey.domain.operation.edits import (
    Law,
    Laws,
    control_field,
    control_of,
    edit_control,
    edit_flag,
    flag_field,
    flag_of,
    insert,
    kept,
    listed,
    without,
)
from twokey.domain.operation.kinds import (
    AddVariation,
    EditVariation,
    Operation,
    RemoveVariation,
    SetBaseline,
    SetCaution,
    SetClientVisible,
    SetSchema,
)
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Variation


def _place(flag: Flag, variation: str) -> int:
    for index, each in enumerate(flag.variations):
        if each.key == variation:
            return index
    accepted = listed(each.key for each in flag.variations)
    raise Invalid("variation", f"flag `{flag.key}` has no variation `{variation}`", accepted)


def _add_variation(state: State, op: AddVariation) -> State:
    control = control_of(state, op.flag)
    after = edit_flag(state, op.flag, variations=insert(control.flag.variations, op.variation, op.position))
    return edit_control(after, op.flag, upkeep=kept(control.upkeep, f"variation:{op.variation.key}", op.upkeep))


def _undo_add_variation(state: State, op: AddVariation) -> tuple[Operation, ...]:
    return (RemoveVariation(flag=op.flag, variation=op.variation.key),)


def _edit_variation(state: State, op: EditVariation) -> State:
    flag = flag_of(state, op.flag)
    place = _place(flag, op.variation)
    edited = Variation(key=op.variation, value=op.value)
    return edit_flag(state, op.flag, variations=(*flag.variations[:place], edited, *flag.variations[place + 1 :]))


def _undo_edit_variation(state: State, op: EditVariation) -> tuple[Operation, ...]:
    flag = flag_of(state, op.flag)
    value = flag.variations[_place(flag, op.variation)].value
    return (EditVariation(flag=op.flag, variation=op.variation, value=value),)


def _remove_variation(state: State, op: RemoveVariation) -> State:
    control = control_of(state, op.flag)
    variations = without(control.flag.variations, _place(control.flag, op.variation))
    after = edit_flag(state, op.flag, variations=variations)
    upkeep = kept(control.upkeep, f"variation:{op.variation}", None)
    caution = tuple(each for each in control.caution if each != op.variation)
    return edit_control(after, op.flag, upkeep=upkeep, caution=caution)


def _undo_remove_variation(state: State, op: RemoveVariation) -> tuple[Operation, ...]:
    control = control_of(state, op.flag)
    place = _place(control.flag, op.variation)
    upkeep = control.upkeep.get(f"variation:{op.variation}")
    variation = control.flag.variations[place]
    back = AddVariation(flag=op.flag, variation=variation, position=place, upkeep=upkeep)
    if op.variation not in control.caution:
        return (back,)
    return (back, SetCaution(flag=op.flag, caution=control.caution))


LAWS: Laws = {
    AddVariation: Law(_add_variation, _undo_add_variation),
    EditVariation: Law(_edit_variation, _undo_edit_variation),
    RemoveVariation: Law(_remove_variation, _undo_remove_variation),
    SetBaseline: flag_field(SetBaseline, "baseline", "variation"),
    SetCaution: control_field(SetCaution, "caution"),
    SetSchema: control_field(SetSchema, "schema"),
    SetClientVisible: flag_field(SetClientVisible, "client_visible"),
}
