"""What must be true of the state that an operation leaves: only what it touched is checked again.

Rule: a state that was sound stays sound, or the operation is refused, naming the field.
"""

from __future__ import annotations

from twokey.domain.control import Control, State, check_control
from twokey.domain.operation.schema import check_schema, check_value
from twokey.engine.canonical import canonical
from twokey.engine.checks import check_flag, check_graph, check_segment
from twokey.engine.errors import Invalid


def check_touched(state: State, flags: frozenset[str], segments: frozenset[str]) -> None:
    """Raise Invalid unless these flags and segments, and what leans on what, are sound."""
    for key in sorted(segments & state.segments.keys()):
        check_segment(state.segments[key], state.segments)
        canonical(state.segments[key])
    controls = [state.controls[key] for key in sorted(flags & state.controls.keys())]
    live = {each.key: each.flag for each in state.controls.values() if not each.archived}
    for control in controls:
        check_flag(control.flag, None if control.archived else live, state.segments)
        _check_kept(control)
    check_graph(live, state.segments)


def _check_kept(control: Control) -> None:
    check_control(control)
    canonical(control)
    _check_distinct(control)
    _check_upkeep(control)
    _check_values(control)


def _check_distinct(control: Control) -> None:
    for field, names in (
        ("caution", control.caution),
        ("guardrails", tuple(each.key for each in control.guardrails)),
        ("approvers", control.approvers),
    ):
        if twice := [name for name in names if names.count(name) > 1]:
            raise Invalid(f"flag {control.key}: {field}", f"`{twice[0]}` is listed twice", "each once")


def _check_upkeep(control: Control) -> None:
    named = {f"rule:{each.id}" for each in control.flag.rules}
    named |= {f"variation:{each.key}" for each in control.flag.variations}
    if unknown := sorted(control.upkeep.keys() - named):
        accepted = "`rule:<id>` or `variation:<key>` of this flag"
        raise Invalid(f"flag {control.key}: upkeep", f"`{unknown[0]}` is nothing of this flag", accepted)


def _check_values(control: Control) -> None:
    if control.schema is None:
        return
    check_schema(control.schema, f"flag {control.key}: schema")
    for each in control.flag.variations:
        check_value(each.value, control.schema, f"flag {control.key}, variation {each.key}: value")
