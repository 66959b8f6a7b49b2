"""How a state is changed: whole new values, everything that is not named left as it was.

Rules kept here:
- a flag or segment whose content is set anew keeps its revision and loses its digest; publishing stamps both;
- an archived flag is not edited: it is restored first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from twokey.domain.control import Control, State, Upkeep
from twokey.domain.operation.kinds import Operation
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Rule, Segment


class Law(NamedTuple):
    """What one kind of operation does to a state, and the operations that undo exactly that."""

    apply: Callable[[State, Any], State]
    reverse: Callable[[State, Any], tuple[Operation, ...]]


Laws = Mapping[type[Any], Law]


def control_of(state: State, key: str) -> Control:
    """The control that an operation edits; raises Invalid when there is none, or it is archived."""
    control = state.control(key)
    if control.archived:
        raise Invalid("flag", f"`{key}` is archived", "a flag that is not archived; restore it first")
    return control


def flag_of(state: State, key: str) -> Flag:
    """The flag that an operation edits."""
    return control_of(state, key).flag


def with_control(state: State, control: Control) -> State:
    """The state with this control in place of the one with its key."""
    return replace(state, controls={**state.controls, control.key: control})


def edit_control(state: State, key: str, **changes: Any) -> State:
    """The state with fields of one control set anew."""
    return with_control(state, replace(control_of(state, key), **changes))


def edit_flag(state: State, key: str, **changes: Any) -> State:
    """The state with fields of one flag set anew."""
    control = control_of(state, key)
    return with_control(state, replace(control, flag=replace(control.flag, digest=None, **changes)))


def flag_field(kind: type[Any], field: str, given: str | None = None) -> Law:
    """The law of a kind that sets one field of a flag anew; `given` is the operation's own name for it."""
    return _field(kind, field, given or field, edit_flag, flag_of)


def control_field(kind: type[Any], field: str) -> Law:
    """The law of a kind that sets one field of a control anew."""
    return _field(kind, field, field, edit_control, control_of)


def _field(
    kind: type[Any], field: str, given: str, edit: Callable[..., State], held: Callable[[State, str], object]
) -> Law:
    def apply(state: State, op: Any) -> State:
        return edit(state, op.flag, **{field: getattr(op, given)})

    def reverse(state: State, op: Any) -> tuple[Operation, ...]:
        return (kind(flag=op.flag, **{given: getattr(held(state, op.flag), field)}),)

    return Law(apply, reverse)


def segment_of(state: State, key: str) -> Segment:
    """The segment of that key; raises Invalid when there is none."""
    if key not in state.segments:
        raise Invalid("segment", f"there is no segment `{key}`", listed(state.segments))
    return state.segments[key]


def rule_of(flag: Flag, rule: str) -> tuple[int, Rule]:
    """The place and the rule of that id; raises Invalid when there is none."""
    for index, each in enumerate(flag.rules):
        if each.id == rule:
            return index, each
    raise Invalid("rule", f"flag `{flag.key}` has no rule `{rule}`", listed(each.id for each in flag.rules))


def listed(names: Any) -> str:
    """The names that would be accepted, the first twenty of them."""
    names = sorted(names)
    more = ", ..." if len(names) > 20 else ""
    return (", ".join(f"`{name}`" for name in names[:20]) + more) or "none: there are none yet"


def insert(items: tuple[Any, ...], item: Any, position: int | None) -> tuple[Any, ...]:
    """The items with one more, so that it stands at `position`; last where none is given."""
    place = len(items) if position is None else position
    if not 0 <= place <= len(items):
        raise Invalid("position", f"is `{place}`", f"0 to {len(items)}")
    return (*items[:place], item, *items[place:])


def without(items: tuple[Any, ...], place: int) -> tuple[Any, ...]:
    """The items without the one at `place`."""
    return items[:place] + items[place + 1 :]


def kept(upkeep: dict[str, Upkeep], name: str, value: Upkeep | None) -> dict[str, Upkeep]:
    """The upkeep with one entry set, or taken away."""
    rest = {key: each for key, each in upkeep.items() if key != name}
    return rest if value is None else {**rest, name: value}
