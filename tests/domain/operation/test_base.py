"""What a proposal stands on: any difference in it makes the proposal stale, and nothing else does."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.support.states import STAFF, article_state, asks, boolean_flag, cases, control, state_of
from twokey.domain import operation as op
from twokey.domain.control import Control
from twokey.engine import Flag, Operator, Prerequisite, Rule, Segment, SegmentRule, Serve

KEY = "support_answer_profile"
KILL = (op.SetEnabled(flag=KEY, enabled=False),)


def test_the_base_is_what_is_edited_what_it_uses_and_who_waits_for_it() -> None:
    waits = boolean_flag("waits", prerequisites=(Prerequisite(flag=KEY, variations=("baseline",)),))
    before = article_state(waits=control(waits), unrelated=control(boolean_flag("unrelated")))
    base = op.base_digests(before, KILL)
    assert list(base) == [
        "flag:support_answer_profile",
        "flag:support_assistant",
        "flag:waits",
        "segment:internal-staff",
    ]
    assert all(each.startswith("sha256:") for each in base.values())


def test_a_segment_within_a_segment_and_the_flags_behind_an_edited_segment_belong_to_the_base() -> None:
    outer = Segment(
        key="outer", rules=(SegmentRule(clauses=(asks("targetingKey", Operator.IN_SEGMENT, "internal-staff"),)),)
    )
    rule = Rule(id="r", clauses=(asks("targetingKey", Operator.IN_SEGMENT, "outer"),), serve=Serve(variation="on"))
    before = state_of(boolean_flag("f", rules=(rule,)), STAFF, outer)
    wanted = ["flag:f", "segment:internal-staff", "segment:outer"]
    assert list(op.base_digests(before, (op.SetEnabled(flag="f", enabled=False),))) == wanted
    assert list(op.base_digests(before, (op.EditSegment(segment="internal-staff", included=()),))) == wanted


def test_what_the_operations_come_to_use_belongs_to_the_base_too() -> None:
    before = state_of(boolean_flag("f"), boolean_flag("g"), Segment(key="s"))
    rule = Rule(id="r", clauses=(asks("targetingKey", Operator.IN_SEGMENT, "s"),), serve=Serve(variation="on"))
    waits = op.SetPrerequisites(flag="f", prerequisites=(Prerequisite(flag="g", variations=("on",)),))
    assert list(op.base_digests(before, (op.AddRule(flag="f", rule=rule), waits))) == ["flag:f", "flag:g", "segment:s"]


def test_what_does_not_exist_is_part_of_the_base_as_absent() -> None:
    create = op.CreateFlag(control=control(boolean_flag("fresh", enabled=False)))
    before = article_state()
    assert op.base_digests(before, (create,)) == {"flag:fresh": "absent"}
    taken = op.apply(before, create)
    assert (
        op.base_digests(taken, (create,))["flag:fresh"] != "absent"
    )  # and it raises nothing, though it does not apply


def test_revisions_and_digests_do_not_matter_and_everything_else_does() -> None:
    before = article_state()
    base = op.base_digests(before, KILL)
    published = {key: control(flag) for key, flag in before.snapshot().flags.items()}
    for key, each in published.items():
        known = before.controls[key]
        published[key] = replace(known, flag=replace(each.flag, revision=99))
    assert op.base_digests(replace(before, controls=published, revision=99), KILL) == base
    for edit in (
        op.EditControl(flag=KEY, owner="bob"),
        op.EditControl(flag="support_assistant", purpose="other"),
        op.EditSegment(segment="internal-staff", excluded=("x",)),
        op.SetWeights(flag=KEY, rule="pro-10", weights=(("reranker_v2", 9_999), ("baseline", 90_001))),
    ):
        assert op.base_digests(op.apply(before, edit), KILL) != base


def test_equal_content_has_one_digest_however_it_was_made() -> None:
    made = boolean_flag("f")
    read = msgspec.json.decode(
        msgspec.json.encode(msgspec.to_builtins(made) | {"unit": "targetingKey", "bucketing": "twokey-1"}), type=Flag
    )
    assert op.content_digest(control(made)) == op.content_digest(control(read))
    stored = msgspec.json.decode(msgspec.json.encode(control(made)), type=Control)
    assert op.content_digest(control(made)) == op.content_digest(stored)


def test_true_is_not_one() -> None:
    one = Segment(key="s", rules=(SegmentRule(clauses=(asks("x", Operator.IN, 1),)),))
    true = Segment(key="s", rules=(SegmentRule(clauses=(asks("x", Operator.IN, True),)),))
    assert one == true
    assert op.content_digest(one) != op.content_digest(true)
    assert not op.same_content(state_of(one), state_of(true))


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_everything_that_can_change_with_a_proposal_is_in_its_base(data: st.DataObject) -> None:
    before, operation = data.draw(cases())
    after = op.apply(before, operation)
    base = op.base_digests(before, (operation,))
    changed = {f"flag:{key}" for key in op.changed_flags(before, after)}
    changed |= {f"segment:{key}" for key in op.changed_segments(before, after)}
    reached = {f"flag:{each.flag}" for each in op.effect(before, after).flags}
    assert changed | reached <= base.keys()
