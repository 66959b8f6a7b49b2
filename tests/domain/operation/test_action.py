"""What a change is called comes from what it does, never from what somebody calls it."""

import pytest

from tests.support.states import article_state, asks, boolean_flag, control, running, split, state, state_of
from twokey.domain import operation as op
from twokey.domain.control import State, Surface
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.domain.operation import Action
from twokey.engine import Invalid, Operator, Prerequisite, Rule, Segment, Serve, Target

KEY = "support_answer_profile"
A = Action


def action(before: State, *done: op.Operation) -> Action:
    return op.action_of(before, op.apply_all(before, done), done)


BASELINE = Serve(variation="baseline")


@pytest.mark.parametrize(
    ("wanted", "done"),
    [
        (A.REDUCE_ROLLOUT, op.reduce_to_internal_only(article_state(), KEY, "internal-staff")),
        (A.REDUCE_ROLLOUT, op.reduce_percentage(article_state(), KEY, "pro-10", "reranker_v2", 1)),
        (A.EXCLUDE_COHORT, op.exclude(article_state(), KEY, "account", ("acme",))),
        (A.EXCLUDE_COHORT, (op.SetClauses(flag=KEY, rule="pro-10", clauses=(asks("plan", Operator.IN, "pro"),)),)),
        (A.EXCLUDE_COHORT, (op.EditSegment(segment="internal-staff", included=()),)),
        (A.MOVE_TO_BASELINE, op.move_cohort_to_baseline(article_state(), KEY, "internal")),
        (A.ROLL_BACK, op.roll_back_to_baseline(article_state(), KEY)),
        (A.KILL_SWITCH, op.kill_switch(article_state(), KEY)),
        (A.KILL_SWITCH, op.kill_switch(article_state(), "support_assistant")),
        (A.EXPAND_ROLLOUT, (op.SetWeights(flag=KEY, rule="pro-10", weights=split(11_000).rollout.weights),)),
        (
            A.EXPAND_ROLLOUT,
            (
                *op.kill_switch(article_state(), KEY),
                op.SetUnit(flag="support_assistant", unit="x"),
                op.SetOtherwise(flag="support_assistant", serve=split(1, of="on", rest="off")),
                op.SetEnabled(flag=KEY, enabled=True),
                op.SetOtherwise(flag=KEY, serve=split(5)),
            ),
        ),
        (A.EDIT_CONTROL, (op.EditControl(flag=KEY, owner="bob"),)),
        (A.EDIT_CONTROL, (op.SetCaution(flag=KEY, caution=("baseline", "reranker_v2")),)),
        (A.ARCHIVE, (op.ArchiveFlag(flag=KEY),)),
        (A.ARCHIVE, (*op.kill_switch(article_state(), KEY), op.ArchiveFlag(flag=KEY))),
        (A.CREATE_FLAG, (op.CreateFlag(control=control(boolean_flag("fresh", enabled=False))),)),
        (
            A.EXPAND_ROLLOUT,
            (
                op.CreateFlag(control=control(boolean_flag("fresh", enabled=False))),
                op.SetEnabled(flag="fresh", enabled=True),
            ),
        ),
        (A.NOTHING, (op.SetEnabled(flag=KEY, enabled=True),)),
        (A.NOTHING, ()),
    ],
    ids=lambda each: str(each) if isinstance(each, Action) else "+".join(map(op.name_of, each)),
)
def test_a_change_is_named_by_what_it_does(wanted: Action, done: tuple[op.Operation, ...]) -> None:
    assert action(article_state(), *done) is wanted


def test_disabling_a_tool_is_that_whichever_way_it_is_written() -> None:
    tool = control(boolean_flag("refunds"), surface=Surface.TOOL)
    for done in (op.disable_tool(state_of(tool), "refunds"), op.roll_back_to_baseline(state_of(tool), "refunds")):
        assert action(state_of(tool), *done) is A.DISABLE_TOOL


def test_deleting_what_was_just_created_is_a_deletion() -> None:
    before = state_of(boolean_flag("f", enabled=False))
    assert action(before, op.DeleteFlag(flag="f")) is A.DELETE


def test_metrics_of_a_running_experiment_are_a_matter_of_their_own() -> None:
    before = state_of(control(boolean_flag("f"), experiment=running()), boolean_flag("g"))
    assert action(before, op.SetExperiment(flag="f", experiment=running("solved"))) is A.CHANGE_METRICS
    assert (
        action(
            before,
            op.EditControl(
                flag="f", guardrails=(Guardrail(key="p95", metric="latency", kind=GuardrailKind.TAIL, limit=1),)
            ),
        )
        is A.CHANGE_METRICS
    )
    assert action(before, op.SetExperiment(flag="f", experiment=None)) is A.EDIT_CONTROL
    assert action(before, op.SetExperiment(flag="g", experiment=running())) is A.EDIT_CONTROL


def test_a_kill_that_exposes_somebody_else_is_an_expansion() -> None:
    waits = boolean_flag("b", prerequisites=(Prerequisite(flag="a", variations=("off",)),))
    assert action(state_of(boolean_flag("a"), waits), op.SetEnabled(flag="a", enabled=False)) is A.EXPAND_ROLLOUT


def test_of_several_narrower_things_the_most_disruptive_names_the_whole() -> None:
    before = article_state(other=control(boolean_flag("other")))
    done = (*op.exclude(before, KEY, "account", ("a",)), *op.kill_switch(before, "other"))
    assert action(before, *done) is A.KILL_SWITCH


@pytest.mark.parametrize(
    "smuggled",
    [
        (op.ArchiveFlag(flag="old"), op.SetOtherwise(flag=KEY, serve=split(50_000))),
        (op.SetExperiment(flag="old", experiment=running("solved")), op.SetOtherwise(flag=KEY, serve=split(50_000))),
        (op.SetExperiment(flag="old", experiment=running("solved")), op.EditControl(flag="old", owner="eve")),
        (op.SetExperiment(flag="old", experiment=running("solved")), op.ArchiveFlag(flag=KEY)),
        (op.ArchiveFlag(flag="old"), op.EditSegment(segment="internal-staff", included=("u-1", "eve"))),
    ],
    ids=lambda each: "+".join(map(op.name_of, each)),
)
def test_an_expansion_cannot_hide_behind_an_archive_or_a_change_of_metrics(
    smuggled: tuple[op.Operation, ...],
) -> None:
    before = article_state(old=control(boolean_flag("old"), experiment=running()))
    with pytest.raises(Invalid, match="proposal of its own"):
        action(before, *smuggled)


def test_taking_listed_units_out_excludes_them() -> None:
    flag = boolean_flag("f", targets=(Target(variation="on", units=("u",)),), otherwise=split(5, of="on", rest="off"))
    assert action(state_of(flag), op.RemoveTargets(flag="f", variation="on", units=("u",))) is A.EXCLUDE_COHORT


def test_a_segment_that_nobody_uses_is_no_exposure() -> None:
    assert action(state(), op.CreateSegment(segment=Segment(key="s"))) is A.EDIT_CONTROL


def test_a_rule_for_nobody_s_harm_is_an_exclusion_only_where_it_moves_somebody() -> None:
    rule = Rule(id="r", clauses=(asks("x", Operator.EXISTS),), serve=Serve(variation="off"))
    before = state_of(boolean_flag("f", otherwise=Serve(variation="off")))
    assert action(before, op.AddRule(flag="f", rule=rule)) is A.EDIT_CONTROL
