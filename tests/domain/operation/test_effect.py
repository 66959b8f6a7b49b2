"""What a change does is computed, never declared: named cases, buckets, implications, common intentions."""

from typing import Any

import pytest

from tests.support.states import (
    STAFF,
    article_state,
    asks,
    boolean_flag,
    control,
    split,
    state_of,
)
from twokey.domain import operation as op
from twokey.domain.control import State
from twokey.domain.operation import Effect
from twokey.engine import (
    Flag,
    FlagType,
    Operator,
    Prerequisite,
    Rule,
    Segment,
    SegmentRule,
    Serve,
    Target,
    Variation,
    evaluate,
)

KEY = "support_answer_profile"
NARROWS, NEITHER, WIDENS = Effect.NARROWS, Effect.NEITHER, Effect.WIDENS
ON = {"of": "on", "rest": "off"}


def effect_of(before: State, *done: op.Operation) -> Effect:
    return op.effect(before, op.apply_all(before, done)).effect


def because(before: State, *done: op.Operation) -> str:
    return "; ".join(each.because for each in op.effect(before, op.apply_all(before, done)).flags)


# ------------------------------------------------------------- the named cases


def chain(*, wanted: str) -> State:
    """B gives its candidate to everyone while A serves `wanted`."""
    waits = boolean_flag("b", prerequisites=(Prerequisite(flag="a", variations=(wanted,)),))
    return state_of(boolean_flag("a"), waits)


def test_killing_a_flag_exposes_whoever_waits_for_its_baseline() -> None:
    before = chain(wanted="off")
    kill = op.SetEnabled(flag="a", enabled=False)
    after = op.apply(before, kill)
    assert (evaluate(before.snapshot(), "b", {}).variation, evaluate(after.snapshot(), "b", {}).variation) == (
        "off",
        "on",
    )
    report = op.effect(before, after)
    assert report.effect is WIDENS
    assert {each.flag: each.effect for each in report.flags} == {"a": NARROWS, "b": WIDENS}
    assert report.flags[0].because == "b: `off` becomes `on` (prerequisite not met, then `otherwise`)"


def test_killing_a_flag_only_narrows_whoever_waits_for_its_candidate() -> None:
    report = op.effect(before := chain(wanted="on"), op.apply(before, op.SetEnabled(flag="a", enabled=False)))
    assert {each.flag: each.effect for each in report.flags} == {"a": NARROWS, "b": NARROWS}


def test_the_exposure_is_seen_through_a_chain_of_flags() -> None:
    middle = boolean_flag("b", prerequisites=(Prerequisite(flag="a", variations=("on",)),))
    last = boolean_flag("c", prerequisites=(Prerequisite(flag="b", variations=("off",)),))
    before = state_of(boolean_flag("a"), middle, last)
    assert effect_of(before, op.SetEnabled(flag="a", enabled=False)) is WIDENS


def test_undoing_a_reduction_widens_and_undoing_an_expansion_narrows() -> None:
    before = article_state()
    for weight, effects in ((500, (NARROWS, WIDENS)), (50_000, (WIDENS, NARROWS))):
        change = op.SetWeights(flag=KEY, rule="pro-10", weights=split(weight).rollout.weights)
        after = op.apply(before, change)
        assert (op.effect(before, after).effect, op.effect(after, before).effect) == effects


@pytest.mark.parametrize(
    ("wanted", "operations"),
    [
        (NARROWS, op.reduce_to_internal_only(article_state(), KEY, "internal-staff")),
        (NARROWS, op.reduce_percentage(article_state(), KEY, "pro-10", "reranker_v2", 500)),
        (NARROWS, op.exclude(article_state(), KEY, "account", ("acme",))),
        (NARROWS, op.move_cohort_to_baseline(article_state(), KEY, "pro-10")),
        (NARROWS, op.roll_back_to_baseline(article_state(), KEY)),
        (NARROWS, op.kill_switch(article_state(), KEY)),
        (NARROWS, op.kill_switch(article_state(), "support_assistant")),
        (NARROWS, (op.RemoveRule(flag=KEY, rule="internal"),)),
        (NARROWS, (op.SetClauses(flag=KEY, rule="pro-10", clauses=(asks("plan", Operator.IN, "pro"),)),)),
        (NARROWS, (op.EditSegment(segment="internal-staff", included=()),)),
        (NARROWS, (op.EditSegment(segment="internal-staff", excluded=("u-2",)),)),
        (NEITHER, (op.SetOtherwise(flag=KEY, serve=Serve(variation="baseline")),)),
        (NEITHER, (op.EditControl(flag=KEY, purpose="better words"),)),
        (NEITHER, (op.AddVariation(flag=KEY, variation=Variation(key="v3", value="v3")),)),
        (NEITHER, (op.CreateSegment(segment=Segment(key="fresh")),)),
        (
            NEITHER,
            (
                op.AddTargets(flag=KEY, variation="reranker_v2", units=("c-1",)),
                op.RemoveTargets(flag=KEY, variation="reranker_v2", units=("c-1",)),
            ),
        ),
        (WIDENS, (op.SetWeights(flag=KEY, rule="pro-10", weights=split(10_001).rollout.weights),)),
        (WIDENS, (op.SetOtherwise(flag=KEY, serve=split(1)),)),
        (WIDENS, (op.AddTargets(flag=KEY, variation="reranker_v2", units=("c-1",)),)),
        (WIDENS, (op.SetClauses(flag=KEY, rule="pro-10", clauses=()),)),
        (WIDENS, (op.SetUnit(flag=KEY, unit="account"),)),
        (WIDENS, (op.SetPrerequisites(flag=KEY, prerequisites=()),)),
        (WIDENS, (op.EditSegment(segment="internal-staff", included=("u-1", "u-2")),)),
        (WIDENS, (op.EditVariation(flag=KEY, variation="reranker_v2", value="reranker_v3"),)),
        (WIDENS, (op.EditVariation(flag=KEY, variation="baseline", value="other"),)),
        (WIDENS, (op.SetBaseline(flag=KEY, variation="reranker_v2"),)),
        (WIDENS, (op.ArchiveFlag(flag=KEY),)),
        (WIDENS, (op.SetClientVisible(flag=KEY, client_visible=True),)),
        (WIDENS, (op.EditControl(flag=KEY, owner="bob"),)),
    ],
    ids=lambda each: str(each) if isinstance(each, Effect) else "+".join(map(op.name_of, each)),
)
def test_common_intentions_on_the_article_s_example(wanted: Effect, operations: tuple[op.Operation, ...]) -> None:
    assert effect_of(article_state(), *operations) is wanted


def test_a_flag_that_is_new_widens_because_its_baseline_is_new_and_the_code_s_default_unknown() -> None:
    before = state_of()
    assert effect_of(before, op.CreateFlag(control=control(boolean_flag("f", enabled=False)))) is WIDENS


def test_restoring_a_flag_that_gives_only_its_known_baseline_narrows() -> None:
    before = state_of(
        control(boolean_flag("f", enabled=False), archived=True), control(boolean_flag("g"), archived=True)
    )
    assert effect_of(before, op.RestoreFlag(flag="f")) is NARROWS
    assert effect_of(before, op.RestoreFlag(flag="g")) is WIDENS


# ------------------------------------------------------------- buckets, exactly


def test_widening_the_first_range_moves_nobody_out_and_shrinking_it_lets_nobody_in() -> None:
    before = state_of(boolean_flag("f", otherwise=split(30_000, of="on", rest="off")))
    weights = split(29_999, of="on", rest="off").rollout.weights
    assert effect_of(before, op.SetWeights(flag="f", weights=weights)) is NARROWS
    assert "`on` becomes `off`" in because(before, op.SetWeights(flag="f", weights=weights))


def test_ranges_that_trade_places_widen_although_the_shares_shrink() -> None:
    before = state_of(boolean_flag("f", otherwise=split(30_000, of="on", rest="off")))
    assert effect_of(before, op.SetWeights(flag="f", weights=(("off", 80_000), ("on", 20_000)))) is WIDENS


def test_another_salt_reshuffles_and_so_widens_even_with_a_smaller_share() -> None:
    before = state_of(boolean_flag("f", otherwise=split(30_000, of="on", rest="off")))
    reshuffled = op.SetOtherwise(flag="f", serve=split(1_000, of="on", rest="off", salt="other"))
    assert effect_of(before, reshuffled) is WIDENS


def test_one_bucket_is_seen_across_rules() -> None:
    """Whoever leaves a rule at 20 percent falls to one at 10 percent of the same bucket: a subset, not a reshuffle."""
    pro = Rule(id="pro", clauses=(asks("plan", Operator.IN, "pro"),), serve=split(20_000, of="on", rest="off"))
    everyone = split(10_000, of="on", rest="off")
    before = state_of(boolean_flag("f", rules=(pro,), otherwise=everyone))
    assert effect_of(before, op.RemoveRule(flag="f", rule="pro")) is NARROWS


def moded(*names: str, gives: str) -> Flag:
    """A flag of modes, the first of them the baseline."""
    return boolean_flag(
        "mode",
        type=FlagType.STRING,
        variations=tuple(Variation(key=name, value=name) for name in names),
        baseline=names[0],
        otherwise=Serve(variation=gives),
    )


def test_the_order_of_caution_lets_a_stricter_mode_narrow() -> None:
    modes = tuple(Variation(key=key, value=key) for key in ("off", "read_only", "full"))
    mode = Flag(
        key="mode",
        type=FlagType.STRING,
        enabled=True,
        variations=modes,
        baseline="off",
        otherwise=Serve(variation="full"),
    )
    stricter = op.SetOtherwise(flag="mode", serve=Serve(variation="read_only"))
    assert effect_of(state_of(mode), stricter) is WIDENS
    ordered = state_of(control(mode, caution=("off", "read_only", "full")))
    assert effect_of(ordered, stricter) is NARROWS
    assert effect_of(op.apply(ordered, stricter), op.SetOtherwise(flag="mode", serve=Serve(variation="full"))) is WIDENS


def test_the_order_of_caution_cannot_be_changed_by_the_change_that_relies_on_it() -> None:
    modes = tuple(Variation(key=key, value=key) for key in ("off", "low", "high"))
    mode = Flag(
        key="mode",
        type=FlagType.STRING,
        enabled=True,
        variations=modes,
        baseline="off",
        otherwise=Serve(variation="low"),
    )
    before = state_of(control(mode, caution=("off", "low", "high")))
    trick = op.SetCaution(flag="mode", caution=("off", "high", "low"))
    assert effect_of(before, trick, op.SetOtherwise(flag="mode", serve=Serve(variation="high"))) is WIDENS


def test_a_known_name_cannot_carry_a_new_value() -> None:
    modes = tuple(Variation(key=key, value=key) for key in ("off", "low", "high"))
    mode = Flag(
        key="mode",
        type=FlagType.STRING,
        enabled=True,
        variations=modes,
        baseline="off",
        otherwise=Serve(variation="high"),
    )
    before = state_of(control(mode, caution=("off", "low", "high")))
    renamed = op.EditVariation(flag="mode", variation="low", value="anything")
    assert effect_of(before, renamed, op.SetOtherwise(flag="mode", serve=Serve(variation="low"))) is WIDENS


def test_true_and_one_are_different_values() -> None:
    objects = (Variation(key="off", value={"on": False}), Variation(key="on", value={"on": True}))
    before = state_of(boolean_flag("f", type=FlagType.OBJECT, variations=objects))
    assert effect_of(before, op.EditVariation(flag="f", variation="on", value={"on": 1})) is WIDENS
    rule = Rule(id="r", clauses=(asks("x", Operator.IN, 1),), serve=Serve(variation="on"))
    asked = state_of(boolean_flag("f", rules=(rule,), otherwise=Serve(variation="off")))
    assert effect_of(asked, op.SetClauses(flag="f", rule="r", clauses=(asks("x", Operator.IN, True),))) is WIDENS
    assert effect_of(asked, op.SetClauses(flag="f", rule="r", clauses=(asks("x", Operator.IN, 1.0),))) is NEITHER


# ------------------------------------------------------------- what follows from what


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
