"""The law: what an operation did, its reverse undoes exactly; and what has no such reverse is refused."""

import json
from datetime import date
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.states import BUILD, article_state, asks, boolean_flag, cases, control, operations, state_of, states
from twokey.domain import operation as op
from twokey.domain.control import State, Upkeep
from twokey.domain.operation.content import whole
from twokey.domain.operation.law import LAWS
from twokey.engine import (
    FlagType,
    Invalid,
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
from twokey.engine.canonical import canonical

KEY = "support_answer_profile"
LENIENT = settings(
    max_examples=8,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def plain(state: State) -> bytes:
    """The whole state as JSON without revisions and digests: what the law compares."""
    document = json.loads(msgspec.json.encode(whole(state)))
    parts = [each["flag"] for each in document["controls"].values()] + list(document["segments"].values())
    for part in parts:
        part.pop("revision", None)
        part.pop("digest", None)
    return canonical(document | {"revision": 0})


@pytest.mark.parametrize("kind", op.NAMES)
@LENIENT
@given(data=st.data())
def test_the_reverse_restores_what_was(kind: str, data: st.DataObject) -> None:
    before, operation = data.draw(cases((kind,)))
    after = op.apply(before, operation)
    restored = op.apply_all(after, op.reverse(before, operation))
    assert plain(restored) == plain(before)
    assert op.same_content(restored, before)
    after.snapshot()


@settings(LENIENT, max_examples=20)
@given(data=st.data())
def test_several_operations_are_undone_together(data: st.DataObject) -> None:
    before = state = data.draw(states())
    done = []
    for _ in range(3):
        done.append(data.draw(operations(state)))
        state = op.apply(state, done[-1])
    restored = op.apply_all(op.apply_all(before, done), op.reverse_all(before, done))
    assert plain(restored) == plain(before)


@pytest.mark.parametrize("kind", op.NAMES)
@settings(LENIENT, max_examples=3)
@given(data=st.data())
def test_an_operation_and_its_reverse_survive_json(kind: str, data: st.DataObject) -> None:
    before, operation = data.draw(cases((kind,)))
    for each in (operation, *op.reverse(before, operation)):
        document = msgspec.json.encode(each)
        again = op.parse_operation(document)
        assert msgspec.json.encode(again) == document
        assert msgspec.json.decode(document)["op"] == op.name_of(each)
    assert plain(op.apply(before, op.parse_operation(msgspec.json.encode(operation)))) == plain(
        op.apply(before, operation)
    )


def test_every_kind_of_the_closed_set_has_its_law_and_its_generator() -> None:
    kinds = set(get_args(op.Operation))
    assert set(LAWS) == kinds
    assert {kind.__struct_config__.tag for kind in kinds} == set(op.NAMES) == set(BUILD)


def test_applying_changes_nothing_but_what_it_names() -> None:
    before = article_state()
    after = op.apply(before, op.SetEnabled(flag=KEY, enabled=False))
    assert after.controls["support_assistant"] is before.controls["support_assistant"]
    assert after.revision == before.revision
    assert before.controls["support_answer_profile"].flag.enabled


def test_an_edit_keeps_the_revision_and_drops_the_digest_for_publishing_to_stamp() -> None:
    before = article_state()
    published = replace(before.snapshot().flags[KEY], revision=7, digest="sha256:0")
    before = replace(before, controls={**before.controls, KEY: control(published)})
    after = op.apply(before, op.SetEnabled(flag=KEY, enabled=False)).controls[KEY].flag
    assert (after.revision, after.digest) == (7, None)


def test_targets_come_back_where_they_stood() -> None:
    targets = (Target(variation="off", units=("a",)), Target(variation="on", units=("b", "c", "d")))
    before = state_of(boolean_flag("f", targets=targets))
    for units in (("c",), ("d", "b"), ("b", "c", "d")):
        removal = op.RemoveTargets(flag="f", variation="on", units=units)
        after = op.apply(before, removal)
        assert op.apply_all(after, op.reverse(before, removal)).controls["f"].flag.targets == targets


def test_an_emptied_list_that_stood_there_empty_before_is_kept() -> None:
    before = state_of(boolean_flag("f", targets=(Target(variation="on", units=()),)))
    add = op.AddTargets(flag="f", variation="on", units=("x",))
    assert op.apply_all(op.apply(before, add), op.reverse(before, add)).controls["f"].flag.targets == (
        Target(variation="on", units=()),
    )


def test_removing_a_variation_gives_back_its_place_its_caution_and_who_looks_after_it() -> None:
    three = (Variation(key="off", value=False), Variation(key="mid", value=True), Variation(key="on", value=True))
    held = control(boolean_flag("f", variations=three), caution=("off", "mid", "on"))
    before = state_of(held)
    removal = op.RemoveVariation(flag="f", variation="mid")
    after = op.apply(before, removal)
    assert after.controls["f"].caution == ("off", "on")
    assert op.apply_all(after, op.reverse(before, removal)) == before


def test_a_new_flag_starts_disabled_and_its_reverse_deletes_it() -> None:
    before = article_state()
    create = op.CreateFlag(control=control(boolean_flag("fresh", enabled=False)))
    after = op.apply(before, create)
    assert op.reverse(before, create) == (op.DeleteFlag(flag="fresh"),)
    assert "fresh" not in op.apply_all(after, op.reverse(before, create)).controls
    assert evaluate(after.snapshot(), "fresh", {}).value is False


SEGMENT = Segment(key="seg")
TAKEN = control(boolean_flag("support_assistant", enabled=False))
CYCLE = (Prerequisite(flag=KEY, variations=("baseline",)),)
UNKNOWN_UPKEEP = {"rule:x": Upkeep(owner="ann", review_date=date(2026, 1, 1))}
USES_SEGMENT = Rule(id="r", clauses=(asks("targetingKey", Operator.IN_SEGMENT, "seg"),), serve=Serve(variation="on"))


@pytest.mark.parametrize(
    ("operation", "field", "says"),
    [
        (op.SetEnabled(flag="nope", enabled=True), "flag", "nope"),
        (
            op.SetRuleServe(flag=KEY, rule="nope", serve=Serve(variation="baseline")),
            "rule",
            "nope",
        ),
        (op.SetOtherwise(flag=KEY, serve=Serve(variation="nope")), "variation", "nope"),
        (op.SetWeights(flag=KEY, rule="internal", weights=()), "rule", "one variation"),
        (op.SetWeights(flag=KEY, rule="pro-10", weights=(("baseline", 5),)), "weights", "5"),
        (op.MoveRule(flag=KEY, rule="internal", position=2), "position", "2"),
        (op.RemoveVariation(flag=KEY, variation="reranker_v2"), "variation", "reranker_v2"),
        (op.RemoveVariation(flag="support_assistant", variation="on"), "variation", "on"),
        (op.ArchiveFlag(flag="support_assistant"), "flag", "prerequisite"),
        (op.DeleteFlag(flag=KEY), "flag", "enabled"),
        (op.RestoreFlag(flag=KEY), "flag", "not archived"),
        (
            op.CreateFlag(control=control(boolean_flag("support_assistant", enabled=False))),
            "control.flag.key",
            "already",
        ),
        (op.CreateFlag(control=control(boolean_flag("fresh"))), "control.flag.enabled", "true"),
        (op.CreateFlag(control=control(boolean_flag("fresh", enabled=False), archived=True)), "archived", "true"),
        (op.ArchiveSegment(segment="internal-staff"), "segment", "support_answer_profile"),
        (op.ArchiveSegment(segment="nope"), "segment", "nope"),
        (op.CreateSegment(segment=Segment(key="internal-staff")), "segment.key", "already"),
        (op.EditSegment(segment="internal-staff"), "segment", "nothing would change"),
        (op.EditControl(flag="support_assistant"), "flag", "nothing would change"),
        (op.EditControl(flag="support_assistant", owner=" "), "owner", "empty"),
        (op.EditControl(flag="support_assistant", approvers=("sre", "sre")), "approvers", "twice"),
        (op.EditControl(flag="support_assistant", upkeep=UNKNOWN_UPKEEP), "upkeep", "rule:x"),
        (op.SetCaution(flag="support_assistant", caution=("nope",)), "caution", "nope"),
        (op.AddTargets(flag="support_assistant", variation="on", units=()), "units", "empty"),
        (op.AddTargets(flag="support_assistant", variation="on", units=("a", "b"), at=(1, 0)), "at", "place"),
        (op.RemoveTargets(flag="support_assistant", variation="on", units=("a",)), "units", "a"),
        (op.EditVariation(flag="support_assistant", variation="on", value="text"), "value", "text"),
        (op.EditVariation(flag="support_assistant", variation="nope", value=True), "variation", "nope"),
        (op.SetPrerequisites(flag="support_assistant", prerequisites=CYCLE), "prerequisites", "leans on itself"),
    ],
)
def test_what_does_not_apply_is_refused_naming_the_field(operation: op.Operation, field: str, says: str) -> None:
    # Through JSON, as everything comes in.
    wanted = op.parse_operation(msgspec.json.encode(operation))
    with pytest.raises(Invalid) as caught:
        op.apply(article_state(), wanted)
    assert field in caught.value.field
    assert says in str(caught.value)
    assert caught.value.accepted


def test_an_archived_flag_is_restored_before_it_is_edited() -> None:
    before = state_of(control(boolean_flag("f"), archived=True))
    with pytest.raises(Invalid, match="archived"):
        op.apply(before, op.SetEnabled(flag="f", enabled=False))
    assert not op.apply(before, op.RestoreFlag(flag="f")).controls["f"].archived


def test_a_flag_cannot_be_restored_while_it_waits_for_one_that_is_archived() -> None:
    waits = boolean_flag("b", prerequisites=(Prerequisite(flag="a", variations=("on",)),))
    before = state_of(control(boolean_flag("a"), archived=True), control(waits, archived=True))
    with pytest.raises(Invalid, match="`a` does not exist"):
        op.apply(before, op.RestoreFlag(flag="b"))


def test_a_segment_stays_while_even_an_archived_flag_uses_it() -> None:
    before = state_of(control(boolean_flag("f", rules=(USES_SEGMENT,)), archived=True), SEGMENT)
    with pytest.raises(Invalid, match="flag:f"):
        op.apply(before, op.ArchiveSegment(segment="seg"))


def test_values_are_held_against_the_schema_that_is_set() -> None:
    schema = {"type": "object", "properties": {"k": {"type": "integer", "minimum": 1}}, "required": ["k"]}
    json_flag = boolean_flag(
        "f",
        type=FlagType.OBJECT,
        variations=(Variation(key="off", value={"k": 1}), Variation(key="on", value={"k": 2})),
    )
    before = op.apply(state_of(json_flag), op.SetSchema(flag="f", schema=schema))
    with pytest.raises(Invalid) as caught:
        op.apply(before, op.EditVariation(flag="f", variation="on", value={"k": 0}))
    assert caught.value.field == "flag f, variation on: value.k"
    with pytest.raises(Invalid, match="lacks one of"):
        op.apply(before, op.AddVariation(flag="f", variation=Variation(key="new", value={})))
    assert op.apply(before, op.EditVariation(flag="f", variation="on", value={"k": 3}))


def test_a_segment_that_leans_on_itself_is_refused() -> None:
    rule = SegmentRule(clauses=USES_SEGMENT.clauses)
    with pytest.raises(Invalid, match="leans on itself"):
        op.apply(state_of(SEGMENT), op.EditSegment(segment="seg", rules=(rule,)))
