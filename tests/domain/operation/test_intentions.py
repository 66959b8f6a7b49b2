"""Intentions: what people want in an incident becomes operations, each rung disturbing more than the last."""

import pytest

from tests.support.states import PROFILE, article_state, asks, boolean_flag, control, split, state_of
from twokey.domain import operation as op
from twokey.domain.control import State, Surface
from twokey.domain.operation import LADDER, Intention
from twokey.engine import Flag, FlagType, Invalid, Operator, Rule, Serve, Target, Variation, evaluate

KEY = "support_answer_profile"
STAFF_CONTEXT = {"targetingKey": "u-1", "plan": "pro"}


def served(state: State, done: tuple[op.Operation, ...], **context: str) -> set[str | None]:
    """What a thousand conversations with this context get afterwards."""
    snapshot = op.apply_all(state, done).snapshot()
    return {evaluate(snapshot, KEY, {**context, "conversation": f"c-{n}"}).variation for n in range(1000)}


def test_the_ladder_has_the_rungs_of_the_handbook_in_order() -> None:
    assert [each.place for each in LADDER] == list(range(9))
    assert [each.intention for each in LADDER] == list(Intention)
    assert op.rung(Intention.KILL_SWITCH).place == max(each.place for each in LADDER)
    assert op.rung(Intention.REDUCE_TO_INTERNAL).place == 0


def test_only_members_of_the_internal_segment_keep_the_candidate() -> None:
    before = article_state()
    done = op.reduce_to_internal_only(before, KEY, "internal-staff")
    assert done == (op.SetRuleServe(flag=KEY, rule="pro-10", serve=Serve(variation="baseline")),)
    assert served(before, (), plan="pro") == {"baseline", "reranker_v2"}
    assert served(before, done, plan="pro") == {"baseline"}
    assert served(before, done, targetingKey="u-1") == {"reranker_v2"}


def test_reducing_to_internal_also_takes_what_everyone_else_gets() -> None:
    flag = Flag(**{name: getattr(PROFILE, name) for name in PROFILE.__struct_fields__} | {"otherwise": split(5_000)})
    before = article_state(**{KEY: control(flag)})
    assert served(before, op.reduce_to_internal_only(before, KEY), plan="free") == {"baseline"}


def test_nothing_to_keep_or_nothing_to_reduce_is_said() -> None:
    before = article_state()
    with pytest.raises(Invalid, match="asks for `other-staff`"):
        op.reduce_to_internal_only(before, KEY, "other-staff")
    with pytest.raises(Invalid, match="asks for a segment"):
        op.reduce_to_internal_only(before, "support_assistant")
    reduced = op.apply_all(before, op.reduce_to_internal_only(before, KEY))
    with pytest.raises(Invalid, match="only the baseline outside"):
        op.reduce_to_internal_only(reduced, KEY)


def test_a_lower_percentage_gives_what_it_takes_to_the_baseline_and_keeps_everyone_else() -> None:
    before = article_state()
    (done,) = op.reduce_percentage(before, KEY, "pro-10", "reranker_v2", 2_500)
    assert done == op.SetWeights(flag=KEY, rule="pro-10", weights=(("reranker_v2", 2_500), ("baseline", 97_500)))
    for weight in (10_000, -1):
        with pytest.raises(Invalid, match="less than it has"):
            op.reduce_percentage(before, KEY, "pro-10", "reranker_v2", weight)
    with pytest.raises(Invalid, match="less than it has"):
        op.reduce_percentage(before, KEY, None, "reranker_v2", 1)


def test_excluded_accounts_get_the_baseline_before_any_other_rule() -> None:
    before = article_state()
    done = op.exclude(before, KEY, "account id", ("acme",))
    assert served(before, done, **{"account id": "acme", "targetingKey": "u-1"}) == {"baseline"}
    assert served(before, done, targetingKey="u-1") == {"reranker_v2"}
    again = op.apply_all(before, done)
    (second,) = op.exclude(again, KEY, "account id", ("other",))
    assert isinstance(second, op.AddRule)
    assert second.rule.id == "exclude-account-id-2"
    assert op.apply(again, second)


def test_a_pause_needs_no_operation_because_nothing_moves_by_itself() -> None:
    assert op.pause(article_state(), KEY) == ()
    with pytest.raises(Invalid, match="nope"):
        op.pause(article_state(), "nope")


def test_a_cohort_moves_to_the_baseline_alone() -> None:
    before = article_state()
    assert served(before, op.move_cohort_to_baseline(before, KEY, "internal"), targetingKey="u-1") == {"baseline"}
    with pytest.raises(Invalid, match="already"):
        op.move_cohort_to_baseline(before, KEY, None)
    with pytest.raises(Invalid, match="no rule `nope`"):
        op.move_cohort_to_baseline(before, KEY, "nope")


def test_rolling_back_leaves_nobody_on_the_candidate_and_the_flag_enabled() -> None:
    flag = boolean_flag(
        "f",
        targets=(Target(variation="on", units=("u",)), Target(variation="off", units=("v",))),
        rules=(Rule(id="r", clauses=(asks("x", Operator.EXISTS),), serve=split(5, of="on", rest="off")),),
    )
    before = state_of(flag)
    after = op.apply_all(before, op.roll_back_to_baseline(before, "f"))
    assert after.controls["f"].flag.enabled
    assert all(evaluate(after.snapshot(), "f", {"targetingKey": f"n{n}", "x": 1}).value is False for n in range(500))
    assert evaluate(after.snapshot(), "f", {"targetingKey": "u"}).value is False
    with pytest.raises(Invalid, match="only the baseline already"):
        op.roll_back_to_baseline(after, "f")


def test_a_kill_switch_is_thrown_once_and_a_tool_is_only_a_tool() -> None:
    before = article_state(refunds=control(boolean_flag("refunds"), surface=Surface.TOOL))
    killed = op.apply_all(before, op.kill_switch(before, KEY))
    assert evaluate(killed.snapshot(), KEY, STAFF_CONTEXT).variation == "baseline"
    with pytest.raises(Invalid, match="disabled already"):
        op.kill_switch(killed, KEY)
    assert op.disable_tool(before, "refunds") == (op.SetEnabled(flag="refunds", enabled=False),)
    with pytest.raises(Invalid, match="controls a retrieval"):
        op.disable_tool(before, KEY)


def test_a_stricter_mode_replaces_what_is_served() -> None:
    modes = tuple(Variation(key=key, value=key) for key in ("off", "read_only", "full"))
    full = Serve(variation="full")
    rule = Rule(id="r", clauses=(asks("x", Operator.EXISTS),), serve=full)
    flag = boolean_flag("f", type=FlagType.STRING, variations=modes, rules=(rule,), otherwise=full)
    before = state_of(control(flag, caution=("off", "read_only", "full")))
    done = op.stricter_mode(before, "f", "read_only")
    after = op.apply_all(before, done)
    assert op.effect(before, after).effect is op.Effect.NARROWS
    with pytest.raises(Invalid, match="serves `read_only` already"):
        op.stricter_mode(after, "f", "read_only")
    with pytest.raises(Invalid, match="no `nope`"):
        op.stricter_mode(before, "f", "nope")


def test_nothing_is_wanted_of_an_archived_flag() -> None:
    before = state_of(control(boolean_flag("f"), archived=True))
    for intention in (op.kill_switch, op.roll_back_to_baseline, op.pause):
        with pytest.raises(Invalid, match="archived"):
            intention(before, "f")
