"""What a change does is computed, never declared: named cases, buckets, implications, common intentions."""

import pytest

from tests.support.states import (
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
    Serve,
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
