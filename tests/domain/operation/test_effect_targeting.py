"""Whom a change of targeting reaches: clauses, segments, listed units, missing units, prerequisites, many rules."""

from typing import Any

import pytest

from tests.support.states import (
    STAFF,
    asks,
    boolean_flag,
    split,
    state_of,
)
from twokey.domain import operation as op
from twokey.domain.control import State
from twokey.domain.operation import Effect
from twokey.engine import (
    Operator,
    Prerequisite,
    Rule,
    Segment,
    SegmentRule,
    Serve,
    Target,
    evaluate,
)

KEY = "support_answer_profile"
NARROWS, NEITHER, WIDENS = Effect.NARROWS, Effect.NEITHER, Effect.WIDENS
ON = {"of": "on", "rest": "off"}


def effect_of(before: State, *done: op.Operation) -> Effect:
    return op.effect(before, op.apply_all(before, done)).effect


def ruled(*clauses: Any) -> State:
    """`on` for whoever satisfies the clauses, `off` for everyone else."""
    rule = Rule(id="r", clauses=clauses, serve=Serve(variation="on"))
    return state_of(boolean_flag("f", rules=(rule,), otherwise=Serve(variation="off")), STAFF)


@pytest.mark.parametrize(
    ("wider", "stricter"),
    [
        (asks("plan", Operator.IN, "a", "b"), asks("plan", Operator.IN, "a")),
        (asks("plan", Operator.NOT_IN, "a"), asks("plan", Operator.NOT_IN, "a", "b")),
        (asks("plan", Operator.IN, "a", negate=True), asks("plan", Operator.IN, "a", "b", negate=True)),
        (asks("n", Operator.LT, 10), asks("n", Operator.LT, 5)),
        (asks("n", Operator.LTE, 10), asks("n", Operator.LT, 10)),
        (asks("n", Operator.LT, 10), asks("n", Operator.LTE, 9.5)),
        (asks("n", Operator.GTE, 1), asks("n", Operator.GT, 1)),
        (asks("n", Operator.LT, 5, negate=True), asks("n", Operator.LT, 10, negate=True)),
        (asks("s", Operator.STARTS_WITH, "ab"), asks("s", Operator.STARTS_WITH, "abc")),
        (asks("s", Operator.CONTAINS, "b"), asks("s", Operator.ENDS_WITH, "abc")),
        (asks("v", Operator.SEMVER_GTE, "1.0"), asks("v", Operator.SEMVER_GT, "1.0.0")),
        (asks("t", Operator.BEFORE, "2026-02-01T00:00:00Z"), asks("t", Operator.BEFORE, "2026-01-01T00:00:00+01:00")),
        (asks("ip", Operator.IN_CIDR, "10.0.0.0/8"), asks("ip", Operator.IN_CIDR, "10.1.0.0/16")),
        (asks("plan", Operator.EXISTS), asks("plan", Operator.MATCHES, "^a")),
        (asks("plan", Operator.EXISTS), asks("plan", Operator.IN, "a", negate=True)),
    ],
    ids=str,
)
def test_a_stricter_clause_narrows_and_its_reverse_widens(wider: Any, stricter: Any) -> None:
    before = ruled(wider)
    after = op.apply(before, op.SetClauses(flag="f", rule="r", clauses=(stricter,)))
    assert (op.effect(before, after).effect, op.effect(after, before).effect) == (NARROWS, WIDENS)


def test_one_clause_more_narrows() -> None:
    one, two = asks("plan", Operator.IN, "a"), asks("region", Operator.IN, "eu")
    assert effect_of(ruled(one), op.SetClauses(flag="f", rule="r", clauses=(two, one))) is NARROWS


def test_values_in_another_order_are_the_same_clause() -> None:
    before = ruled(asks("plan", Operator.IN, "a", "b"))
    reordered = op.SetClauses(flag="f", rule="r", clauses=(asks("plan", Operator.IN, "b", "a"),))
    assert effect_of(before, reordered) is NEITHER


def test_a_list_attribute_may_satisfy_in_and_not_in_at_once() -> None:
    """So a rule on `not_in` below one on `in` of the same values is not out of reach."""
    first = Rule(id="in", clauses=(asks("tags", Operator.IN, "a"),), serve=Serve(variation="off"))
    second = Rule(id="not", clauses=(asks("tags", Operator.NOT_IN, "a"),), serve=Serve(variation="on"))
    before = state_of(boolean_flag("f", rules=(first, second), otherwise=Serve(variation="off")))
    assert (
        evaluate(op.apply(before, op.RemoveRule(flag="f", rule="in")).snapshot(), "f", {"tags": ["a", "b"]}).value
        is True
    )
    assert effect_of(before, op.RemoveRule(flag="f", rule="in")) is WIDENS


def test_a_negated_clause_does_exclude_its_own() -> None:
    first = Rule(id="in", clauses=(asks("tags", Operator.IN, "a"),), serve=Serve(variation="off"))
    second = Rule(id="not", clauses=(asks("tags", Operator.IN, "a", negate=True),), serve=Serve(variation="on"))
    before = state_of(boolean_flag("f", rules=(first, second), otherwise=Serve(variation="off")))
    assert effect_of(before, op.RemoveRule(flag="f", rule="in")) is NEITHER


def test_segments_that_lose_members_narrow_where_they_let_in_and_widen_where_they_keep_out() -> None:
    fewer = op.EditSegment(segment="internal-staff", included=())
    let_in = ruled(asks("targetingKey", Operator.IN_SEGMENT, "internal-staff"))
    keep_out = ruled(asks("targetingKey", Operator.NOT_IN_SEGMENT, "internal-staff"))
    assert (effect_of(let_in, fewer), effect_of(keep_out, fewer)) == (NARROWS, WIDENS)


def test_a_segment_within_a_segment_is_followed() -> None:
    member = asks("targetingKey", Operator.IN_SEGMENT, "internal-staff")
    outer = Segment(key="outer", rules=(SegmentRule(clauses=(member,)),))
    rule = Rule(id="r", clauses=(asks("targetingKey", Operator.IN_SEGMENT, "outer"),), serve=Serve(variation="on"))
    before = state_of(boolean_flag("f", rules=(rule,), otherwise=Serve(variation="off")), STAFF, outer)
    assert effect_of(before, op.EditSegment(segment="internal-staff", included=())) is NARROWS
    assert effect_of(before, op.EditSegment(segment="internal-staff", included=("u-1", "u-9"))) is WIDENS


def test_a_unit_moved_between_target_lists_is_seen_one_by_one() -> None:
    targets = (Target(variation="on", units=("a", "b")), Target(variation="off", units=("c",)))
    before = state_of(boolean_flag("f", targets=targets, otherwise=Serve(variation="off")))
    out = op.RemoveTargets(flag="f", variation="on", units=("a",))
    assert effect_of(before, out) is NARROWS
    assert effect_of(before, out, op.AddTargets(flag="f", variation="off", units=("a",))) is NARROWS
    assert (
        effect_of(
            before,
            op.RemoveTargets(flag="f", variation="off", units=("c",)),
            op.AddTargets(flag="f", variation="on", units=("c",)),
        )
        is WIDENS
    )


def test_what_cannot_be_enumerated_widens_and_says_so() -> None:
    rules = tuple(
        Rule(
            id=f"r{n}",
            clauses=(asks(f"a{n}", Operator.EXISTS), asks(f"b{n}", Operator.EXISTS)),
            serve=split(n, of="on", rest="off"),
        )
        for n in range(1, 330)
    )
    before = state_of(boolean_flag("f", rules=rules, otherwise=Serve(variation="off")))
    report = op.effect(before, op.apply(before, op.RemoveRule(flag="f", rule="r1")))
    assert report.effect is WIDENS
    assert "too many combinations" in report.flags[0].because


def test_forty_rules_are_no_trouble() -> None:
    rules = tuple(
        Rule(id=f"r{n}", clauses=(asks("account", Operator.IN, f"a{n}"),), serve=split(n * 100, of="on", rest="off"))
        for n in range(1, 41)
    )
    before = state_of(boolean_flag("f", rules=rules, otherwise=Serve(variation="off")))
    weights = split(50, of="on", rest="off").rollout.weights
    assert effect_of(before, op.SetWeights(flag="f", rule="r40", weights=weights)) is NARROWS
    assert effect_of(before, op.MoveRule(flag="f", rule="r40", position=0)) is WIDENS


def test_a_disabled_flag_is_edited_freely_until_it_is_enabled() -> None:
    before = state_of(boolean_flag("f", enabled=False, otherwise=Serve(variation="off")))
    serve = op.SetOtherwise(flag="f", serve=Serve(variation="on"))
    assert effect_of(before, serve) is NEITHER
    assert effect_of(op.apply(before, serve), op.SetEnabled(flag="f", enabled=True)) is WIDENS


def test_whoever_waits_for_a_flag_that_cannot_be_enumerated_is_judged_by_every_variation() -> None:
    rules = tuple(
        Rule(id=f"r{n}", clauses=(asks(f"a{n}", Operator.EXISTS), asks(f"b{n}", Operator.EXISTS)), serve=split(n, **ON))
        for n in range(1, 330)
    )
    waits = boolean_flag("b", prerequisites=(Prerequisite(flag="a", variations=("on",)),))
    before = state_of(boolean_flag("a", rules=rules), waits)
    report = op.effect(before, op.apply(before, op.RemoveRule(flag="a", rule="r1")))
    assert {each.flag: each.effect for each in report.flags} == {"a": WIDENS, "b": WIDENS}
    # Not reached by a change of its own, such a flag still serves one of its variations both times.
    quiet = op.AddTargets(flag="b", variation="off", units=("u",))
    assert effect_of(before, quiet) is NARROWS


def test_a_rollout_lets_those_without_its_unit_fall_through_to_the_next_rule() -> None:
    nobody = split(0, unit="conversation", **ON)
    rule = Rule(id="r", clauses=(asks("plan", Operator.IN, "pro"),), serve=Serve(variation="off"))
    before = state_of(boolean_flag("f", rules=(rule,)))
    after = op.apply(before, op.SetRuleServe(flag="f", rule="r", serve=nobody))
    assert [evaluate(each.snapshot(), "f", {"plan": "pro"}).value for each in (before, after)] == [False, True]
    assert (op.effect(before, after).effect, op.effect(after, before).effect) == (WIDENS, NARROWS)


def test_otherwise_gives_the_baseline_to_those_without_its_unit() -> None:
    before = state_of(boolean_flag("f"))
    after = op.apply(before, op.SetOtherwise(flag="f", serve=split(100_000, **ON)))
    assert (op.effect(before, after).effect, op.effect(after, before).effect) == (NARROWS, WIDENS)


def test_every_prerequisite_counts_not_only_the_last() -> None:
    wanted = (Prerequisite(flag="a1", variations=("off",)), Prerequisite(flag="a2", variations=("on",)))
    before = state_of(boolean_flag("a1"), boolean_flag("a2"), boolean_flag("b", prerequisites=wanted))
    assert effect_of(before, op.SetEnabled(flag="a1", enabled=False)) is WIDENS
    assert effect_of(before, op.SetEnabled(flag="a2", enabled=False)) is NARROWS
    both = (op.SetEnabled(flag="a1", enabled=False), op.SetEnabled(flag="a2", enabled=False))
    assert {each.flag for each in op.effect(before, op.apply_all(before, both)).flags} == {"a1", "a2"}
