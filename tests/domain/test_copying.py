"""Copying: what is drafted makes the target what the source is, for what was copied and for nothing else."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from tests.support.states import (
    STAFF,
    article_state,
    asks,
    boolean_flag,
    control,
    operations,
    split,
    state,
    state_of,
    states,
)
from twokey.domain.control import Control, Kind, State
from twokey.domain.copying import MOST_OPERATIONS, copy_flags
from twokey.domain.operation import (
    Operation,
    SetWeights,
    apply_all,
    content_digest,
    name_of,
    parse_operations,
    reverse_all,
    same_content,
)
from twokey.engine import Invalid, Operator, Prerequisite, Rule, Segment, SegmentRule, Serve, Target, Variation
from twokey.engine.flag import Flag, Rollout

PROFILE = "support_answer_profile"
LENIENT = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def elsewhere(known: State) -> State:
    return replace(known, environment="elsewhere", revision=known.revision + 4)


def names(done: tuple[Operation, ...]) -> list[str]:
    return [name_of(each) for each in done]


def as_copied(source: State, target: State, key: str) -> Control:
    """All of it, but for the experiment: that is its own environment's."""
    there = target.controls.get(key)
    return replace(source.controls[key], experiment=there.experiment if there else None)


def check(source: State, target: State, keys: tuple[str, ...] = ()) -> tuple[Operation, ...]:
    """Copy, and hold it to all that it promises."""
    done = copy_flags(source, target, keys)
    after = apply_all(target, done)
    copied = keys or tuple(key for key, each in source.controls.items() if not each.archived)
    for key in copied:
        assert content_digest(after.controls[key]) == content_digest(as_copied(source, target, key))
    for key in after.controls.keys() - set(copied):
        assert after.controls[key] is target.controls[key]
    for key, segment in after.segments.items():
        allowed = {content_digest(target.segments.get(key)), content_digest(source.segments.get(key))}
        assert content_digest(segment) in allowed
    assert same_content(apply_all(after, reverse_all(target, done)), target)
    after.snapshot()
    return done


# ------------------------------------------------------------- any two environments


@LENIENT
@given(data=st.data())
def test_a_copy_into_an_empty_environment_makes_it_the_same(data: st.DataObject) -> None:
    source = data.draw(states())
    live = tuple(key for key, each in source.controls.items() if not each.archived)
    if not live:
        return
    after = apply_all(elsewhere(state()), check(source, elsewhere(state())))
    needed = {key: each for key, each in source.segments.items() if key in after.segments}
    controls = {key: as_copied(source, state(), key) for key in live}
    assert same_content(after, replace(source, controls=controls, segments=needed))


@LENIENT
@given(data=st.data())
def test_a_copy_over_what_has_drifted_makes_it_the_same(data: st.DataObject) -> None:
    """Two environments that were one, and were then changed apart."""
    source = common = data.draw(states())
    target = elsewhere(common)
    for _ in range(data.draw(st.integers(1, 4))):
        target = apply_all(target, [data.draw(operations(target))])
        source = apply_all(source, [data.draw(operations(source))])
    live = [key for key, each in source.controls.items() if not each.archived]
    if live:
        copied_or_refused(source, target, tuple(data.draw(st.lists(st.sampled_from(live), unique=True))))


@LENIENT
@given(data=st.data())
def test_a_copy_over_something_quite_different_makes_it_the_same_or_says_what_cannot_be(data: st.DataObject) -> None:
    source, target = data.draw(states()), elsewhere(data.draw(states()))
    live = [key for key, each in source.controls.items() if not each.archived]
    target = replace(target, controls={key: alike(each, source) for key, each in target.controls.items()})
    if live:
        copied_or_refused(source, target, tuple(data.draw(st.lists(st.sampled_from(live), unique=True))))


def alike(there: Control, source: State) -> Control:
    """With the salt and the bucketing of the source, which no operation changes."""
    if there.key not in source.controls:
        return there
    flag = source.controls[there.key].flag
    return replace(there, flag=replace(there.flag, salt=flag.salt, bucketing=flag.bucketing, digest=None))


def copied_or_refused(source: State, target: State, keys: tuple[str, ...]) -> None:
    try:
        check(source, target, keys)
    except Invalid as error:
        refused = error
    else:
        return
    assert refused.field == "flags"
    assert any(reason(each, source, target, keys) for each in REASONS), refused


def reason(each: str, source: State, target: State, keys: tuple[str, ...]) -> bool:
    copied = keys or tuple(key for key, one in source.controls.items() if not one.archived)
    both = [(source.controls[key], target.controls[key]) for key in copied if key in target.controls]
    match each:
        case "nothing differs":
            return all(
                content_digest(one) == content_digest(replace(other, experiment=one.experiment)) for one, other in both
            ) and len(both) == len(copied)
        case "another type":
            return any(one.flag.type != other.flag.type for one, other in both)
        case "another salt":
            return any(one.flag.salt != other.flag.salt for one, other in both)
        case "an empty list of units":
            return any(not one.units for pair in both for held in pair for one in held.flag.targets)
        case "others lean on it":
            return any(one.flag.prerequisites for key, one in target.controls.items() if key not in copied)
        case "it leans on others":
            leaned_on = {one.flag for key in copied for one in source.controls[key].flag.prerequisites}
            return bool(leaned_on - set(copied))
        case "an archived one leans on what is not there":
            return any(held.archived and held.flag.prerequisites for _, held in both)
    return False


REASONS = (
    "nothing differs",
    "another type",
    "another salt",
    "an empty list of units",
    "others lean on it",
    "it leans on others",
    "an archived one leans on what is not there",
)
"""Why a copy may be refused. A refusal for any other cause fails the test."""


# ------------------------------------------------------------- told one by one


def profile(**changes: object) -> Control:
    known = article_state().controls[PROFILE]
    return replace(known, flag=replace(known.flag, **changes))


def test_only_shares_differ_and_only_shares_are_set() -> None:
    staff, pro = article_state().controls[PROFILE].flag.rules
    narrow = replace(pro, serve=split(1_000))
    source = article_state(**{PROFILE: profile(rules=(staff, narrow))})
    done = check(source, elsewhere(article_state()), (PROFILE,))
    assert done == (SetWeights(flag=PROFILE, rule="pro-10", weights=narrow.serve.rollout.weights),)


def test_a_flag_comes_with_the_segments_it_needs_and_is_switched_on_last() -> None:
    inner = Segment(key="inner", included=("u-9",))
    staff = replace(STAFF, rules=(*STAFF.rules, SegmentRule(clauses=(asks("x", Operator.IN_SEGMENT, "inner"),))))
    source = replace(article_state(), segments={"internal-staff": staff, "inner": inner})
    done = check(source, elsewhere(state()), (PROFILE, "support_assistant"))
    assert names(done) == [
        "create_segment",
        "create_segment",
        "create_flag",
        "create_flag",
        "set_enabled",
        "set_enabled",
    ]
    assert done[0].segment.key == "inner"
    assert done[2].control.key == "support_assistant"


def test_what_waits_for_a_flag_that_the_target_lacks_is_refused_with_its_name() -> None:
    with pytest.raises(
        Invalid, match=f"`{PROFILE}` waits for `support_assistant`, which `elsewhere` does not have"
    ) as no:
        copy_flags(article_state(), elsewhere(state()), (PROFILE,))
    assert no.value.accepted == "`support_assistant` copied as well"


@pytest.mark.parametrize(("field", "value"), [("salt", "another"), ("bucketing", "featbit")])
def test_what_would_reshuffle_everybody_is_refused_with_its_name(field: str, value: str) -> None:
    source = article_state(**{PROFILE: profile(**{field: value})})
    with pytest.raises(Invalid, match=f"`{PROFILE}` has the {field} `"):
        copy_flags(source, elsewhere(article_state()), (PROFILE,))


def test_variations_in_another_order_are_put_in_order_even_where_they_are_served_and_waited_for() -> None:
    turned = tuple(reversed(article_state().controls[PROFILE].flag.variations))
    waiting = control(boolean_flag("w", prerequisites=(Prerequisite(flag=PROFILE, variations=("reranker_v2",)),)))
    source = article_state(
        **{PROFILE: profile(variations=turned, targets=(Target(variation="reranker_v2", units=("u",)),)), "w": waiting}
    )
    target = elsewhere(article_state(w=waiting))
    check(source, target)
    with pytest.raises(Invalid, match=f"`{PROFILE}` cannot be copied: .*`reranker_v2` is not a variation"):
        copy_flags(source, target, (PROFILE,))


def listing(**lists: str) -> State:
    units = tuple(Target(variation=name, units=tuple(each.split())) for name, each in lists.items())
    return article_state(**{PROFILE: profile(targets=units)})


@pytest.mark.parametrize(
    "there",
    [
        {"baseline": "a b c", "reranker_v2": "d e"},
        {"baseline": "c b a", "reranker_v2": "e d"},
        {"reranker_v2": "d e", "baseline": "a b c"},
        {"baseline": "d e", "reranker_v2": "a b c"},
        {"reranker_v2": "a x"},
        {"baseline": "", "reranker_v2": "d"},
        {},
    ],
)
def test_listed_units_come_to_stand_where_they_stand_in_the_source(there: dict[str, str]) -> None:
    source = listing(baseline="a b c y", reranker_v2="d e")
    check(source, elsewhere(listing(**there)), (PROFILE,))


def test_an_emptied_list_stays_empty_and_a_list_that_is_empty_in_one_of_both_is_refused() -> None:
    check(listing(baseline="a", reranker_v2=""), elsewhere(listing(baseline="", reranker_v2="d")), (PROFILE,))
    with pytest.raises(Invalid, match="cannot be expressed in operations"):
        copy_flags(listing(baseline=""), elsewhere(listing(reranker_v2="d")), (PROFILE,))


def test_circles_that_only_half_a_copy_would_close_are_none() -> None:
    """In the source `a` waits for `b`, in the target `b` for `a`; and so with segments."""
    a, b = boolean_flag("a"), boolean_flag("b")
    on = lambda key: (Prerequisite(flag=key, variations=("on",)),)  # noqa: E731
    in_ = lambda key: (SegmentRule(clauses=(asks("x", Operator.IN_SEGMENT, key),)),)  # noqa: E731
    asks_both = (Rule(id="r", clauses=(asks("x", Operator.IN_SEGMENT, "s", "t"),), serve=Serve(variation="on")),)
    c = boolean_flag("c", rules=asks_both)
    source = state_of(replace(a, prerequisites=on("b")), b, c, Segment(key="s", rules=in_("t")), Segment(key="t"))
    target = state_of(a, replace(b, prerequisites=on("a")), c, Segment(key="s"), Segment(key="t", rules=in_("s")))
    check(source, elsewhere(target))


def test_values_that_only_the_other_schema_allows_go_over() -> None:
    def held(value: str, schema: dict[str, object] | None) -> Control:
        flag = profile(
            variations=(Variation(key="baseline", value="baseline"), Variation(key="reranker_v2", value=value))
        )
        return replace(flag, schema=schema)

    old, new = {"enum": ["baseline", "old"]}, {"enum": ["baseline", "new"]}
    source, target = (
        article_state(**{PROFILE: held("new", new)}),
        elsewhere(article_state(**{PROFILE: held("old", old)})),
    )
    assert names(check(source, target)) == ["set_schema", "edit_variation", "set_schema"]


def test_an_archived_flag_is_restored_there_and_never_copied_from_here() -> None:
    archived = article_state(lonely=replace(control(boolean_flag("lonely")), archived=True))
    live = article_state(lonely=control(boolean_flag("lonely", client_visible=True)))
    assert names(check(live, elsewhere(archived), ("lonely",))) == ["restore_flag", "set_client_visible"]
    with pytest.raises(Invalid, match="`lonely` is archived in `production`"):
        copy_flags(archived, elsewhere(live), ("lonely",))
    assert "lonely" not in apply_all(elsewhere(state()), copy_flags(archived, elsewhere(state()))).controls


def test_nothing_to_copy_is_said() -> None:
    with pytest.raises(Invalid, match="are in `elsewhere` what they are in `production`"):
        copy_flags(article_state(), elsewhere(article_state()))
    with pytest.raises(Invalid, match="`production` is the target itself"):
        copy_flags(article_state(), article_state())
    with pytest.raises(Invalid, match="has no flags"):
        copy_flags(state(), elsewhere(article_state()))
    with pytest.raises(Invalid, match="there is no flag `nothing`"):
        copy_flags(article_state(), elsewhere(article_state()), ("nothing",))


def test_more_than_anybody_would_read_is_refused() -> None:
    many = state({f"flag-{number}": control(boolean_flag(f"flag-{number}")) for number in range(MOST_OPERATIONS)})
    with pytest.raises(Invalid, match="take 400 operations"):
        copy_flags(many, elsewhere(state()))


def test_every_part_of_a_control_goes_over() -> None:
    """Somebody who adds a field to a control or flag learns here that copying must know it."""
    assert {each.name for each in fields(Control)} == COPIED_OF_CONTROL
    assert {each.name for each in fields(Flag)} == COPIED_OF_FLAG
    other = replace(
        profile(
            unit="user", client_visible=True, enabled=False, baseline="reranker_v2",
            otherwise=Serve(rollout=Rollout(weights=(("baseline", 100_000),))),
            prerequisites=(), targets=(Target(variation="baseline", units=("u-2", "u-1")),), rules=(),
        ),
        owner="o", purpose="p", surface="model", kind=Kind.PERMANENT, workflow="w", approvers=("x",), review_date=None,
        cleanup_condition="", permanent_because="b", guardrails=(), caution=("reranker_v2",),
        schema={"type": "string"}, upkeep={},
    )  # fmt: skip
    check(article_state(**{PROFILE: other}), elsewhere(article_state()), (PROFILE,))
    check(article_state(), elsewhere(article_state(**{PROFILE: other})), (PROFILE,))


COPIED_OF_CONTROL = {
    "flag", "owner", "purpose", "surface", "kind", "workflow", "approvers", "review_date", "cleanup_condition",
    "permanent_because", "guardrails", "caution", "schema", "upkeep", "experiment", "archived",
}  # fmt: skip
COPIED_OF_FLAG = {
    "key", "type", "enabled", "variations", "baseline", "otherwise", "unit", "salt", "bucketing", "client_visible",
    "prerequisites", "targets", "rules", "revision", "digest",
}  # fmt: skip


def test_what_is_drafted_is_json_that_is_read_again_as_the_same() -> None:
    done = check(article_state(), elsewhere(state()))
    assert parse_operations([msgspec.to_builtins(each) for each in done]) == done
