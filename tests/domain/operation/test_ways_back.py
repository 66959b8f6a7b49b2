"""Two ways back of every change, computed by the control plane and proven before anybody approves."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.states import (
    aimed_contexts,
    article_state,
    asks,
    boolean_flag,
    cases,
    control,
    operations,
    state_of,
)
from twokey.domain import operation as op
from twokey.domain.exposure import RecordedContext
from twokey.domain.operation import Effect, contexts, ways
from twokey.engine import Operator, Prerequisite, Rule, Segment, Serve, evaluate

KEY = "support_answer_profile"
LENIENT = settings(suppress_health_check=list(HealthCheck))
AT = datetime(2026, 1, 1, tzinfo=UTC)


def recorded(unit: str, **context: str) -> RecordedContext:
    return RecordedContext(unit=unit, unit_name="conversation", context=context, weight=1, at=AT)


@settings(LENIENT, max_examples=25)
@given(data=st.data())
def test_both_ways_back_hold_for_any_change_and_any_context(data: st.DataObject) -> None:
    before, first = data.draw(cases())
    done = [first, data.draw(operations(op.apply(before, first)))]
    after = op.apply_all(before, done)
    proof = op.prove_ways_back(before, done, ())
    assert proof.ok, proof.reason
    assert op.same_content(op.apply_all(after, proof.reverse), before)
    safe = op.apply_all(after, proof.rollback)
    reached = op.reached(before, after, done)
    aimed = list(aimed_contexts(data.draw(st.integers(0, 2**32)), 25, before, after))
    for key in reached:
        known = before.controls.get(key) or safe.controls[key]
        for context in aimed:
            got = evaluate(safe.snapshot(), key, context)
            assert (got.variation, got.value) == (known.flag.baseline, known.flag.value_of(known.flag.baseline))


def test_the_rollback_of_a_reduction_is_the_baseline_for_everyone_and_needs_no_key_of_its_own() -> None:
    before = article_state()
    reduction = op.reduce_to_internal_only(before, KEY, "internal-staff")
    proof = op.prove_ways_back(before, reduction, (recorded("c-1", plan="pro"), recorded("c-2")))
    assert proof.rollback == (op.SetEnabled(flag=KEY, enabled=False),)
    assert (proof.reverse_effect, proof.rollback_effect) == (Effect.WIDENS, Effect.NARROWS)
    assert proof.contexts_replayed > 2


def test_the_way_back_of_an_expansion_is_approved_with_it() -> None:
    before = article_state()
    wider = op.SetWeights(flag=KEY, rule="pro-10", weights=(("reranker_v2", 25_000), ("baseline", 75_000)))
    proof = op.prove_ways_back(before, (wider,), ())
    assert (proof.reverse_effect, proof.rollback_effect) == (Effect.NARROWS, Effect.NARROWS)


def test_a_segment_s_edit_is_rolled_back_on_every_flag_that_uses_it() -> None:
    rule = Rule(id="r", clauses=(asks("targetingKey", Operator.IN_SEGMENT, "s"),), serve=Serve(variation="on"))
    off = Serve(variation="off")
    uses = [boolean_flag(key, rules=(rule,), otherwise=off) for key in ("a", "b")]
    before = state_of(*uses, boolean_flag("c"), Segment(key="s"))
    edit = op.EditSegment(segment="s", included=("u-1",))
    assert op.rollback(before, (edit,)) == tuple(op.SetEnabled(flag=key, enabled=False) for key in ("a", "b"))


def test_a_rollback_that_would_expose_another_flag_takes_that_one_along() -> None:
    waits = boolean_flag("b", prerequisites=(Prerequisite(flag="a", variations=("off",)),))
    before = state_of(boolean_flag("a"), waits)
    edit = op.SetOtherwise(flag="a", serve=Serve(variation="off"))
    assert op.effect(before, op.apply(before, edit)).effect is Effect.WIDENS
    change = op.AddRule(
        flag="a", rule=Rule(id="r", clauses=(asks("x", Operator.EXISTS),), serve=Serve(variation="off"))
    )
    disabled = {each.flag for each in op.rollback(before, (change,)) if isinstance(each, op.SetEnabled)}
    assert disabled == {"a", "b"}
    assert op.prove_ways_back(before, (change,), ()).rollback_effect is Effect.NARROWS


def test_rolling_back_an_archived_flag_publishes_it_again_with_its_baseline() -> None:
    before = state_of(boolean_flag("f"))
    proof = op.prove_ways_back(before, (op.ArchiveFlag(flag="f"),), ())
    assert proof.rollback == (op.RestoreFlag(flag="f"), op.SetEnabled(flag="f", enabled=False))
    assert (proof.ok, proof.rollback_effect) == (True, Effect.NARROWS)


def test_the_known_safe_state_is_the_one_known_before_the_change() -> None:
    """A change of the baseline itself, or of its value, is rolled back to the baseline as it was."""
    before = article_state()
    new = op.SetBaseline(flag=KEY, variation="reranker_v2")
    value = op.EditVariation(flag=KEY, variation="baseline", value="worse")
    for change in ((new,), (value,), (new, value)):
        safe = op.apply_all(op.apply_all(before, change), op.rollback(before, change))
        assert evaluate(safe.snapshot(), KEY, {"targetingKey": "u-1"}).value == "baseline"
        assert op.prove_ways_back(before, change, ()).ok


def test_what_reaches_nobody_s_value_is_rolled_back_by_its_reverse() -> None:
    edit = op.EditControl(flag=KEY, owner="bob")
    proof = op.prove_ways_back(article_state(), (edit,), (recorded("c-1"),))
    assert proof.rollback == proof.reverse == (op.EditControl(flag=KEY, owner="ann"),)
    assert proof.contexts_replayed == 0
    assert "nobody" in proof.reason


def test_a_way_back_that_does_not_lead_back_is_not_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    before = article_state()
    change = op.kill_switch(before, KEY)
    with monkeypatch.context() as patch:
        patch.setattr(ways, "reverse_all", lambda *_: ())
        assert op.prove_ways_back(before, change, ()).reason == "the reverse does not restore what was"
    with monkeypatch.context() as patch:
        patch.setattr(ways, "rollback", lambda *_: (op.SetEnabled(flag=KEY, enabled=True),))
        proof = op.prove_ways_back(before, change, ())
        assert not proof.ok
        assert "gives `reranker_v2` to the context" in proof.reason
    with monkeypatch.context() as patch:
        patch.setattr(ways, "rollback", lambda *_: (op.RestoreFlag(flag=KEY),))
        proof = op.prove_ways_back(before, change, ())
        assert (proof.ok, "does not apply" in proof.reason) == (False, True)


def test_a_recorded_context_that_would_not_get_the_baseline_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    before = article_state(other=control(boolean_flag("other")))
    narrow = op.SetRuleServe(flag=KEY, rule="internal", serve=Serve(variation="baseline"))
    monkeypatch.setattr(ways, "rollback", lambda *_: (narrow,))
    monkeypatch.setattr(ways, "made_up", lambda *_: ())
    seen = tuple(recorded(f"c-{number}", plan="pro") for number in range(50))
    proof = op.prove_ways_back(before, (op.SetUnit(flag=KEY, unit="conversation"), narrow), seen)
    assert not proof.ok
    assert "'plan': 'pro'" in proof.reason


def test_rolling_back_a_deletion_creates_the_flag_again_disabled() -> None:
    held = control(boolean_flag("f", enabled=False))
    proof = op.prove_ways_back(state_of(held), (op.DeleteFlag(flag="f"),), (recorded("c-1"),))
    assert proof.ok
    assert proof.rollback == (op.CreateFlag(control=held),)


def test_a_baseline_that_a_change_takes_away_comes_back_with_the_rollback() -> None:
    before = state_of(boolean_flag("f"))
    change = (op.SetBaseline(flag="f", variation="on"), op.RemoveVariation(flag="f", variation="off"))
    proof = op.prove_ways_back(before, change, ())
    assert proof.ok
    safe = op.apply_all(op.apply_all(before, change), proof.rollback)
    assert evaluate(safe.snapshot(), "f", {}).value is False
    assert proof.rollback_effect is Effect.WIDENS  # it changes the declared baseline, so it needs keys of its own


def test_the_same_contexts_are_made_up_for_the_same_state_and_meet_every_rule() -> None:
    rules = (
        Rule(
            id="r1", clauses=(asks("n", Operator.GT, 5), asks("beta", Operator.IN, True)), serve=Serve(variation="on")
        ),
        Rule(id="r2", clauses=(asks("plan", Operator.EXISTS),), serve=Serve(variation="on")),
    )
    known = state_of(boolean_flag("f", rules=rules, otherwise=Serve(variation="off")))
    assert contexts.made_up(known, "f") == contexts.made_up(known, "f")
    assert contexts.made_up(known, "nope") == ()
    found = [evaluate(known.snapshot(), "f", each).rule for each in contexts.made_up(known, "f")]
    assert set(found) >= {None, "r2"}
