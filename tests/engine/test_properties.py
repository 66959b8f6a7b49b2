"""What holds for every snapshot and every context that Hypothesis can think of."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.documents import DOCUMENT, clause, other
from tests.engine.strategies import clauses, context_values, contexts, snapshots
from twokey.engine import (
    Clause,
    ErrorCode,
    FlagType,
    Invalid,
    Operator,
    Patch,
    Reason,
    Snapshot,
    apply_patch,
    diff,
    evaluate,
    explain,
)
from twokey.engine.operators import holds
from twokey.engine.patch import successor


@settings(max_examples=60)
@given(snapshots(), contexts)
def test_every_flag_serves_one_of_its_variations_for_a_reason(snapshot: Snapshot, context: dict[str, Any]) -> None:
    for key, flag in snapshot.flags.items():
        resolution = evaluate(snapshot, key, context)
        assert resolution.error is None
        assert resolution.variation is not None
        assert resolution.value is flag.value_of(resolution.variation)
        assert resolution.revision == flag.revision
        assert flag.enabled or (resolution.reason, resolution.variation) == (Reason.DISABLED, flag.baseline)
        assert resolution.rule is None or flag.rule(resolution.rule) is not None
        if resolution.metadata:
            assert (resolution.variation, resolution.reason) == (flag.baseline, Reason.DEFAULT)


@settings(max_examples=60)
@given(snapshots(), contexts)
def test_the_explanation_ends_with_the_step_that_served(snapshot: Snapshot, context: dict[str, Any]) -> None:
    for key in snapshot.flags:
        explanation = explain(snapshot, key, context)
        resolution = evaluate(snapshot, key, context)
        assert explanation.resolution == resolution
        assert [step.decided for step in explanation.steps] == [False] * (len(explanation.steps) - 1) + [True]
        last = explanation.steps[-1]
        assert resolution.rule == (last.name if last.kind == "rule" else None)
        if resolution.reason is Reason.SPLIT:
            assert last.rollout is not None
            position = last.rollout.bucket
            assert position is not None
            assert [r.variation for r in last.rollout.ranges if r.start <= position < r.end] == [resolution.variation]
        assert msgspec.json.decode(msgspec.json.encode(explanation))["sentence"] in explanation.text()


@settings(max_examples=60)
@given(snapshots(), contexts)
def test_a_snapshot_survives_its_own_bytes(snapshot: Snapshot, context: dict[str, Any]) -> None:
    data = snapshot.to_json()
    for again in (Snapshot.from_json(data), Snapshot.from_json(data.decode()), Snapshot.from_json(json.loads(data))):
        assert again == snapshot
        assert again.to_json() == data
        assert dict(again.flags) == dict(snapshot.flags)
        assert all(evaluate(again, key, context) == evaluate(snapshot, key, context) for key in snapshot.flags)


@settings(max_examples=60)
@given(snapshots(), snapshots())
def test_a_difference_applied_gives_the_other_snapshot(old: Snapshot, new: Snapshot) -> None:
    patch = Patch.from_json(diff(old, new).to_json())
    result = apply_patch(old, patch)
    assert result == new
    assert result.to_json() == new.to_json()
    assert list(result.flags) == sorted(new.flags)


@settings(max_examples=60)
@given(snapshots(), snapshots(), st.data())
def test_a_successor_is_the_snapshot_of_its_parts_and_shares_what_stayed(
    old: Snapshot, new: Snapshot, data: st.DataObject
) -> None:
    stays = data.draw(st.booleans())
    flags = dict(new.flags) | {key: old.flags[key] for key in old.flags if stays and key in new.flags}
    edited = [replace(each, digest=None) if data.draw(st.booleans()) else each for each in flags.values()]
    try:
        built = Snapshot.build(new.project, new.environment, 7, edited, new.segments.values())
    except Invalid:
        with pytest.raises(Invalid):
            successor(old, 7, edited, new.segments.values())
        return
    result = successor(old, 7, edited, new.segments.values())
    assert result == built
    assert result.to_json() == built.to_json()
    same = [key for key, each in old.flags.items() if key in flags and each.digest == flags[key].digest]
    assert all(result.flags[key] is old.flags[key] for key in same if edited[list(flags).index(key)].digest)


@settings(max_examples=60)
@given(snapshots())
def test_no_difference_is_an_empty_patch_that_shares_everything(snapshot: Snapshot) -> None:
    result = apply_patch(snapshot, diff(snapshot, snapshot))
    assert result == snapshot
    assert all(result.flags[key] is snapshot.flags[key] for key in snapshot.flags)


@given(clauses(["s"]), context_values, st.booleans())
def test_a_clause_or_its_negation_holds_unless_nothing_is_usable(clause: Clause, value: object, member: bool) -> None:
    answers = {holds(replace(clause, negate=negate), value, lambda *_: member) for negate in (False, True)}
    assert answers == {True, False} or (answers == {False} and clause.operator is not Operator.EXISTS)
    if value is None and clause.operator is not Operator.EXISTS:
        assert answers == {False}


@given(clauses([]), st.lists(context_values, max_size=3))
def test_a_list_satisfies_a_clause_when_one_of_its_items_does(clause: Clause, items: list[object]) -> None:
    if clause.operator is Operator.EXISTS or clause.negate:
        return
    flat = [item for item in items if not isinstance(item, list | tuple | set | frozenset)]
    assert holds(clause, flat, pytest.fail) == any(holds(clause, item, pytest.fail) for item in flat)


HOSTILE = st.sampled_from(
    [
        None,
        5,
        "text",
        [("targetingKey", "u")],
        object(),
        {1: 2, None: 3, ("a",): 4},
        {"plan": float("nan"), "seats": float("-inf"), "version": "9" * 10_000, "ip": 5},
        {"plan": 10**5000, "seats": 10**5000, "targetingKey": 10**5000},
        {"plan": "\ud800", "targetingKey": "\udfff", "since": "\ud800"},
        {"plan": {"a": {"b": {}}}, "seats": [[[]]], "ip": [None, [None]]},
        {"plan": b"pro", "seats": 1j, "since": object(), "version": Exception("x")},
    ]
)


@settings(max_examples=60)
@given(snapshots(), HOSTILE)
def test_no_context_makes_evaluation_raise(snapshot: Snapshot, context: Any) -> None:
    for key in snapshot.flags:
        resolution = evaluate(snapshot, key, context)
        explanation = explain(snapshot, key, context)
        assert (resolution.error is None) == isinstance(context, dict)
        assert explanation.resolution == resolution
        if not isinstance(context, dict):
            assert resolution.error is not None
            assert resolution.error.code is ErrorCode.INVALID_CONTEXT


class Trap(Mapping[str, Any]):
    """A context whose own code fails."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("out of reach")

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("out of reach")

    def __len__(self) -> int:
        return 1


@settings(max_examples=60)
@given(snapshots())
def test_a_context_whose_own_code_fails_is_an_error_value(snapshot: Snapshot) -> None:
    for key in snapshot.flags:
        resolution = evaluate(snapshot, key, Trap())
        if resolution.error is not None:
            assert resolution.error.code is ErrorCode.GENERAL
            assert "RuntimeError" in resolution.error.message
        assert explain(snapshot, key, Trap()).flag == key


class ReadOnce(dict[str, Any]):
    """A context that can be read for one evaluation (a unit, a clause) and not for its explanation."""

    reads = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.reads += 1
        if self.reads > 2:
            raise RuntimeError("gone")
        return default


def test_a_context_that_fails_on_a_second_reading_is_an_error_value() -> None:
    flag = {**other("f"), "rules": [{"id": "r", "clauses": [clause("exists")], "serve": {"variation": "a"}}]}
    snapshot = Snapshot.from_json({**DOCUMENT, "flags": [flag]})
    assert evaluate(snapshot, "f", ReadOnce()).error is None
    explanation = explain(snapshot, "f", ReadOnce())
    assert explanation.resolution.error is not None
    assert explanation.resolution.error.code is ErrorCode.GENERAL


@settings(max_examples=60)
@given(snapshots(), contexts, st.sampled_from(FlagType))
def test_the_type_that_is_asked_for_is_the_type_that_comes(
    snapshot: Snapshot, context: dict[str, Any], expect: FlagType
) -> None:
    for key, flag in snapshot.flags.items():
        resolution = evaluate(snapshot, key, context, expect)
        if expect is flag.type:
            assert resolution == evaluate(snapshot, key, context)
        elif (expect, flag.type) == (FlagType.NUMBER, FlagType.INTEGER):
            assert type(resolution.value) is float
        else:
            assert resolution.value is None
            assert resolution.error is not None
            assert resolution.error.code is ErrorCode.TYPE_MISMATCH
