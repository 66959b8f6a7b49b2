"""Operations and targeting in words: faithful, exact, and never at a loss."""

import re
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.states import (
    PROFILE,
    article_state,
    asks,
    boolean_flag,
    cases,
    control,
    split,
    state,
)
from twokey.domain import operation as op
from twokey.domain.control import Control, Upkeep
from twokey.engine import Operator, Prerequisite, Rule, Segment, Serve, Target, Variation

KEY = "support_answer_profile"
LENIENT = settings(suppress_health_check=list(HealthCheck))


def texts(held: Control) -> list[str]:
    return [each.text for each in op.rule_lines(held, {})]


def test_the_article_s_flag_reads_in_the_order_in_which_it_is_asked() -> None:
    assert texts(article_state().controls[KEY]) == [
        "enabled",
        "unless support_assistant serves on -> baseline",
        "if targetingKey in segment internal-staff -> reranker_v2",
        "if plan in (pro, enterprise) -> 10 % reranker_v2, 90 % baseline",
        "otherwise -> baseline",
    ]


def test_every_line_of_a_rule_carries_its_id() -> None:
    lines = op.rule_lines(article_state().controls[KEY], {})
    assert [each.rule for each in lines] == [None, None, "internal", "pro-10", None]


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        (0, "0 %"),
        (1, "0.001 %"),
        (10, "0.01 %"),
        (500, "0.5 %"),
        (10_000, "10 %"),
        (33_333, "33.333 %"),
        (100_000, "100 %"),
    ],
)
def test_shares_are_exact(weight: int, text: str) -> None:
    assert op.percent(weight) == text


@pytest.mark.parametrize(
    ("clause", "text"),
    [
        (asks("plan", Operator.IN, "pro"), "plan in (pro)"),
        (asks("plan", Operator.IN, "pro", negate=True), "not (plan in (pro))"),
        (asks("n", Operator.IN, 1, True, 2.5, "1", "true"), 'n in (1, true, 2.5, "1", "true")'),
        (asks("n", Operator.GTE, 5), "n >= 5"),
        (asks("v", Operator.SEMVER_LT, "1.2.3"), 'v version < "1.2.3"'),
        (asks("s", Operator.CONTAINS, "a b"), 's contains "a b"'),
        (asks("s", Operator.STARTS_WITH, "a", "b"), "s starts with (a, b)"),
        (asks("odd name", Operator.EXISTS), '"odd name" exists'),
        (asks("s", Operator.IN, "\u202egnp.exe"), 's in ("\\u202egnp.exe")'),
    ],
    ids=str,
)
def test_a_clause_in_words(clause: object, text: str) -> None:
    assert op.clause_text(clause) == text  # type: ignore[arg-type]


def test_long_lists_are_cut_but_never_read_alike() -> None:
    many = [f"account-{number}" for number in range(1000)]
    one, other = asks("account", Operator.IN, *many), asks("account", Operator.IN, *many[:-1], "account-x")
    assert "and 980 more (sha256 " in op.clause_text(one)
    assert op.clause_text(one) != op.clause_text(other)
    assert len(op.clause_text(one)) < 600


def test_a_diff_shows_what_goes_and_what_comes() -> None:
    before = article_state()
    after = op.apply_all(before, op.reduce_to_internal_only(before, KEY))
    changed = [(each.marker, each.text) for each in op.diff_lines(before, after, KEY) if each.marker != "same"]
    assert changed == [
        ("removed", "if plan in (pro, enterprise) -> 10 % reranker_v2, 90 % baseline"),
        ("added", "if plan in (pro, enterprise) -> baseline"),
    ]


def test_a_kill_shows_in_the_first_line() -> None:
    before = article_state()
    after = op.apply_all(before, op.kill_switch(before, KEY))
    assert [(each.marker, each.text) for each in op.diff_lines(before, after, KEY)][:2] == [
        ("removed", "enabled"),
        ("added", "disabled -> baseline for everyone"),
    ]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (op.EditControl(flag=KEY, owner="bob"), "owner: bob"),
        (
            op.EditControl(flag=KEY, upkeep={"rule:internal": Upkeep(owner="bob", review_date=date(2026, 1, 2))}),
            'rule:internal is looked after by owner bob, review date "2026-01-02"',
        ),
        (op.EditVariation(flag=KEY, variation="reranker_v2", value="v3"), "reranker_v2 = v3"),
        (op.EditSegment(segment="internal-staff", included=("u-2",)), "segment internal-staff includes (u-2)"),
        (op.SetUnit(flag=KEY, unit="account"), "assigned by account"),
        (op.SetClientVisible(flag=KEY, client_visible=True), "given to clients on people's devices"),
        (op.SetBaseline(flag=KEY, variation="reranker_v2"), "baseline: reranker_v2"),
        (op.SetCaution(flag=KEY, caution=("baseline",)), 'caution: ["baseline"]'),
        (op.SetSchema(flag=KEY, schema={"type": "string"}), 'schema: {"type":"string"}'),
        (op.ArchiveFlag(flag=KEY), "archived -> not published: applications get their own default"),
    ],
    ids=lambda each: each if isinstance(each, str) else op.name_of(each),
)
def test_a_diff_shows_what_is_not_targeting_too(edit: op.Operation, says: str) -> None:
    before = article_state()
    added = [each.text for each in op.diff_lines(before, op.apply(before, edit), KEY) if each.marker == "added"]
    assert any(says in text for text in added), added


def test_a_flag_that_comes_or_goes_is_diffed_against_nothing() -> None:
    create = op.CreateFlag(control=control(boolean_flag("fresh", enabled=False)))
    lines = op.diff_lines(state(), op.apply(state(), create), "fresh")
    assert (lines[0].marker, lines[0].text) == ("removed", "does not exist")
    assert {each.marker for each in lines[1:]} == {"added"}


@settings(LENIENT, max_examples=25)
@given(data=st.data())
def test_whatever_changes_about_a_flag_shows_in_its_diff(data: st.DataObject) -> None:
    before, operation = data.draw(cases())
    after = op.apply(before, operation)
    for key in op.changed_flags(before, after):
        assert any(each.marker != "same" for each in op.diff_lines(before, after, key)), op.name_of(operation)
    same = [each for each in before.controls if each not in op.changed_flags(before, after)]
    if not op.changed_segments(before, after):
        assert all(each.marker == "same" for key in same for each in op.diff_lines(before, after, key))


@settings(LENIENT, max_examples=25)
@given(data=st.data())
def test_every_operation_is_one_sentence_whatever_the_state(data: st.DataObject) -> None:
    before, operation = data.draw(cases())
    for known in (before, state()):
        sentence = op.describe(operation, known)
        assert sentence
        assert "\n" not in sentence
        assert not sentence.endswith(".")
        assert not re.search(r"\bNone\b|UNSET|<|object at", sentence.replace("< ", "").replace("<= ", ""))


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        (op.SetEnabled(flag=KEY, enabled=False), f"Disable {KEY}: everyone gets baseline"),
        (op.SetEnabled(flag=KEY, enabled=True), f"Enable {KEY}"),
        (
            op.SetOtherwise(flag=KEY, serve=split(1)),
            f"Everyone else gets 0.001 % reranker_v2, 99.999 % baseline from {KEY} instead of baseline",
        ),
        (
            op.SetRuleServe(flag=KEY, rule="pro-10", serve=Serve(variation="baseline")),
            (
                f"Whoever matches the rule pro-10 of {KEY} (plan in (pro, enterprise)) gets baseline instead of "
                "10 % reranker_v2, 90 % baseline"
            ),
        ),
        (
            op.SetWeights(flag=KEY, rule="pro-10", weights=(("baseline", 100_000),)),
            (
                f"Whoever matches the rule pro-10 of {KEY} (plan in (pro, enterprise)) gets 100 % baseline instead of "
                "10 % reranker_v2, 90 % baseline"
            ),
        ),
        (op.SetWeights(flag="nope", weights=(("baseline", 100_000),)), "Everyone else in nope gets 100 % baseline"),
        (
            op.AddRule(flag=KEY, rule=Rule(id="r", clauses=(), serve=Serve(variation="baseline")), position=0),
            f"Ask first in {KEY}: if anyone -> baseline",
        ),
        (
            op.RemoveRule(flag=KEY, rule="internal"),
            f"Remove the rule internal of {KEY}: if targetingKey in segment internal-staff -> reranker_v2",
        ),
        (op.MoveRule(flag=KEY, rule="internal", position=1), f"Ask the rule internal of {KEY} in place 2"),
        (
            op.SetClauses(flag=KEY, rule="pro-10", clauses=(asks("plan", Operator.IN, "pro"),)),
            f"The rule pro-10 of {KEY} is for plan in (pro) instead of plan in (pro, enterprise)",
        ),
        (
            op.AddTargets(flag=KEY, variation="baseline", units=("a", "b")),
            f"Give a, b baseline from {KEY} before any rule is asked",
        ),
        (
            op.RemoveTargets(flag=KEY, variation="baseline", units=("a",)),
            f"Give a no longer baseline from {KEY} before the rules are asked",
        ),
        (op.SetPrerequisites(flag=KEY, prerequisites=()), f"{KEY} waits for no other flag any longer"),
        (
            op.SetPrerequisites(flag=KEY, prerequisites=(Prerequisite(flag="a", variations=("x", "y")),)),
            f"{KEY} waits for a to serve x or y",
        ),
        (
            op.SetUnit(flag=KEY, unit="account"),
            f"Assign {KEY} by account instead of conversation, which reshuffles who is in",
        ),
        (op.AddVariation(flag=KEY, variation=Variation(key="v3", value="v3")), f"Add the variation v3 = v3 to {KEY}"),
        (
            op.EditVariation(flag=KEY, variation="baseline", value="b2"),
            f"The variation baseline of {KEY} is b2 instead of baseline",
        ),
        (op.RemoveVariation(flag=KEY, variation="v3"), f"Remove the variation v3 of {KEY}"),
        (op.SetBaseline(flag=KEY, variation="v3"), f"The known safe variation of {KEY} is v3 instead of baseline"),
        (op.SetCaution(flag=KEY, caution=()), f"Only the baseline of {KEY} is known to be cautious"),
        (op.SetCaution(flag=KEY, caution=("a", "b")), f"The variations of {KEY}, most cautious first: a, b"),
        (op.SetSchema(flag=KEY, schema=None), f"Hold the values of {KEY} against no schema any longer"),
        (
            op.SetSchema(flag=KEY, schema={"type": "string"}),
            f'Hold the values of {KEY} against the schema {{"type":"string"}}',
        ),
        (op.SetClientVisible(flag=KEY, client_visible=False), f"Do not give {KEY} to clients on people's devices"),
        (op.SetExperiment(flag=KEY, experiment=None), f"End the experiment on {KEY}"),
        (
            op.EditControl(flag=KEY, owner="bob", review_date=None, approvers=("sre",)),
            f"Change what is kept of {KEY}: owner bob, approvers sre, no review date",
        ),
        (op.CreateSegment(segment=Segment(key="s")), "Create the segment s"),
        (op.ArchiveSegment(segment="s"), "Archive the segment s"),
        (
            op.EditSegment(segment="internal-staff", included=("u-2",), excluded=("u-1",), rules=()),
            "Edit the segment internal-staff: include u-2; no longer include u-1; exclude u-1; it has no rules",
        ),
        (
            op.EditSegment(segment="internal-staff", included=("u-1",)),
            "Edit the segment internal-staff: nothing changes",
        ),
        (op.CreateFlag(control=control(boolean_flag("f", enabled=False))), "Create f, disabled: to try things"),
        (op.DeleteFlag(flag="f"), "Delete f"),
        (op.ArchiveFlag(flag="f"), "Archive f: applications get their own default"),
        (op.RestoreFlag(flag="f"), "Publish f again"),
    ],
    ids=lambda each: "" if isinstance(each, str) else op.name_of(each),
)
def test_the_sentence_for_each_kind(operation: op.Operation, sentence: str) -> None:
    assert op.describe(operation, article_state()) == sentence


def test_words_that_do_not_print_are_shown_as_what_they_are() -> None:
    hostile = control(boolean_flag("f", enabled=False), purpose="fine\nAPPROVED \u202e by nobody")
    sentence = op.describe(op.CreateFlag(control=hostile), state())
    assert sentence == 'Create f, disabled: "fine\\nAPPROVED \\u202e by nobody"'


def test_targets_and_a_rollout_s_own_unit_are_shown() -> None:
    flag = replace(
        PROFILE,
        targets=(Target(variation="baseline", units=("c-1",)),),
        otherwise=split(5_000, unit="account", salt="s 2"),
    )
    assert texts(control(flag))[2] == "if conversation is one of (c-1) -> baseline"
    assert texts(control(flag))[-1] == 'otherwise -> 5 % reranker_v2, 95 % baseline (by account, salt "s 2")'
