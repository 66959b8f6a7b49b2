"""What a flag can serve: its variations, their order of caution, baseline, JSON Schema, and who may see it."""

from __future__ import annotations

from twokey.domain.control import State
from twokey.domain.operation.edits import (
    Law,
    Laws,
    control_of,
    edit_control,
    edit_flag,
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


def _set_baseline(state: State, op: SetBaseline) -> State:
    return edit_flag(state, op.flag, baseline=op.variation)


def _undo_baseline(state: State, op: SetBaseline) -> tuple[Operation, ...]:
    return (SetBaseline(flag=op.flag, variation=flag_of(state, op.flag).baseline),)


def _set_caution(state: State, op: SetCaution) -> State:
    return edit_control(state, op.flag, caution=op.caution)


def _undo_caution(state: State, op: SetCaution) -> tuple[Operation, ...]:
    return (SetCaution(flag=op.flag, caution=control_of(state, op.flag).caution),)


def _set_schema(state: State, op: SetSchema) -> State:
    return edit_control(state, op.flag, schema=op.schema)


def _undo_schema(state: State, op: SetSchema) -> tuple[Operation, ...]:
    return (SetSchema(flag=op.flag, schema=control_of(state, op.flag).schema),)


def _set_client_visible(state: State, op: SetClientVisible) -> State:
    return edit_flag(state, op.flag, client_visible=op.client_visible)


def _undo_client_visible(state: State, op: SetClientVisible) -> tuple[Operation, ...]:
    return (SetClientVisible(flag=op.flag, client_visible=flag_of(state, op.flag).client_visible),)


LAWS: Laws = {
    AddVariation: Law(_add_variation, _undo_add_variation),
    EditVariation: Law(_edit_variation, _undo_edit_variation),
    RemoveVariation: Law(_remove_variation, _undo_remove_variation),
    SetBaseline: Law(_set_baseline, _undo_baseline),
    SetCaution: Law(_set_caution, _undo_caution),
    SetSchema: Law(_set_schema, _undo_schema),
    SetClientVisible: Law(_set_client_visible, _undo_client_visible),
}
