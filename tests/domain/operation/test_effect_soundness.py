"""Sound for any state, any operation and any context: nothing contradicts *narrows* or *neither*."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.states import aimed_contexts, cases, operations
from twokey.domain import operation as op
from twokey.domain.control import State
from twokey.domain.operation import Effect
from twokey.engine import Flag, Snapshot, evaluate
from twokey.engine.canonical import canonical

NARROWS, NEITHER, WIDENS = Effect.NARROWS, Effect.NEITHER, Effect.WIDENS
LENIENT = settings(suppress_health_check=list(HealthCheck))


def narrower(flag: Flag, caution: tuple[str, ...], before: Any, after: Any) -> bool:
    """The definition, once more and plainly: equal, the baseline, or earlier in the order of caution."""
    if canonical(before.value) == canonical(after.value):
        return True
    if canonical(after.value) == canonical(flag.value_of(flag.baseline)):
        return True
    known = [each for each in (before.variation, after.variation) if each in caution]
    return len(known) == 2 and caution.index(after.variation) < caution.index(before.variation)


def contradictions(before: State, after: State, found: Effect, contexts: list[dict[str, Any]]) -> list[str]:
    one, other = before.snapshot(), after.snapshot()
    return [
        f"{key} gave {_given(one, key, context)}, gives {_given(other, key, context)} to {context}"
        for key in {**one.flags, **other.flags}
        for context in contexts
        if not _agrees(before, one, other, key, context, found)
    ]


def _given(snapshot: Snapshot, key: str, context: dict[str, Any]) -> str | None:
    return evaluate(snapshot, key, context).variation


def _agrees(before: State, one: Snapshot, other: Snapshot, key: str, context: dict[str, Any], found: Effect) -> bool:
    was, is_now = evaluate(one, key, context), evaluate(other, key, context)
    if found is NEITHER:
        return canonical(was.value) == canonical(is_now.value) and (was.error is None) == (is_now.error is None)
    held = before.controls.get(key)
    return held is not None and is_now.error is None and narrower(held.flag, held.caution, was, is_now)


# The kinds whose effect depends on who is reached; the others are decided field by field.
REACHING = tuple(
    "set_enabled set_otherwise set_rule_serve set_weights add_rule remove_rule move_rule set_clauses add_targets "
    "remove_targets edit_segment set_prerequisites set_unit edit_variation restore_flag archive_flag".split()
)


@pytest.mark.parametrize("kind", REACHING)
@settings(LENIENT, max_examples=12)
@given(data=st.data())
def test_no_context_contradicts_the_effect_of_one_operation(kind: str, data: st.DataObject) -> None:
    before, operation = data.draw(cases((kind,)))
    after = op.apply(before, operation)
    found = op.effect(before, after).effect
    if found is not WIDENS:
        contexts = list(aimed_contexts(data.draw(st.integers(0, 2**32)), 60, before, after))
        assert contradictions(before, after, found, contexts) == []


@settings(LENIENT, max_examples=40)
@given(data=st.data())
def test_no_context_contradicts_the_effect_of_several_operations(data: st.DataObject) -> None:
    before, first = data.draw(cases(REACHING))
    after = op.apply(before, first)
    for _ in range(2):
        after = op.apply(after, data.draw(operations(after, REACHING)))
    found = op.effect(before, after).effect
    if found is not WIDENS:
        contexts = list(aimed_contexts(data.draw(st.integers(0, 2**32)), 60, before, after))
        assert contradictions(before, after, found, contexts) == []


@settings(LENIENT, max_examples=12)
@given(data=st.data())
def test_changing_nothing_is_neither_and_comparing_is_repeatable(data: st.DataObject) -> None:
    before, operation = data.draw(cases())
    assert op.effect(before, before).effect is NEITHER
    after = op.apply(before, operation)
    assert op.effect(before, after) == op.effect(before, after)
    again = op.apply_all(after, op.reverse(before, operation))
    assert op.effect(before, again).effect is NEITHER
