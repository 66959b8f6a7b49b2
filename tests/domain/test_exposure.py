"""Blast radius: what a change does to the units that were really seen."""

from datetime import UTC, datetime, timedelta

import msgspec

from tests.support.states import PROFILE, article_state, boolean_flag, control, split, state_of
from twokey.domain import operation as op
from twokey.domain.control import State
from twokey.domain.exposure import (
    FALLBACK,
    MAX_ATTRIBUTES,
    MAX_VALUES,
    BlastRadius,
    FlagShare,
    RecordedContext,
    Transition,
    blast_radius,
)
from twokey.engine import evaluate

KEY = "support_answer_profile"
START = datetime(2026, 1, 1, tzinfo=UTC)


def recorded(number: int, **context: str | int | bool) -> RecordedContext:
    return RecordedContext(
        unit=f"c-{number}", unit_name="conversation", context=context, weight=3, at=START + timedelta(seconds=number)
    )


def radius(before: State, done: tuple[op.Operation, ...], contexts: tuple[RecordedContext, ...]) -> BlastRadius:
    after = op.apply_all(before, done)
    return blast_radius(before.snapshot(), after.snapshot(), tuple(sorted(op.touched(before, done).flags)), contexts)


STAFF = tuple(recorded(n, plan="pro", targetingKey="u-1", email="a@example.com") for n in range(10))
PAYING = tuple(recorded(100 + n, plan="pro" if n % 2 else "enterprise", region="eu") for n in range(400))
FREE = tuple(recorded(1000 + n, plan="free", region="us") for n in range(90))


def test_the_reduction_to_internal_reaches_exactly_the_paying_units_that_had_the_candidate() -> None:
    before = article_state()
    done = op.reduce_to_internal_only(before, KEY)
    found = radius(before, done, STAFF + PAYING + FREE)
    had = [
        each
        for each in PAYING
        if evaluate(before.snapshot(), KEY, {"conversation": each.unit, **each.context}).variation == "reranker_v2"
    ]
    assert 20 < len(had) < 60
    assert found.sampled_units == 500
    assert found.changed_units == len(had)
    assert (found.since, found.until) == (START, START + timedelta(seconds=1089))
    assert (found.share_before, found.share_after) == ((10 + len(had)) / 500, 10 / 500)
    assert found.shares == (FlagShare(flag=KEY, before=(10 + len(had)) / 500, after=10 / 500),)
    assert found.transitions == (
        Transition(flag=KEY, before="reranker_v2", after="baseline", units=len(had), share=len(had) / 500),
    )
    assert found.by_attribute["region"] == {"eu": len(had)}
    assert set(found.by_attribute) == {"plan", "region"}
    assert sum(found.by_attribute["plan"].values()) == len(had)


def test_a_unit_counts_once_however_often_it_was_seen() -> None:
    heavy = tuple(
        RecordedContext(unit=each.unit, unit_name="conversation", context=each.context, weight=10_000, at=each.at)
        for each in PAYING
    )
    before = article_state()
    done = op.kill_switch(before, KEY)
    assert radius(before, done, heavy) == radius(before, done, PAYING)


def test_changed_units_are_told_by_what_decides_for_them() -> None:
    before = article_state()
    found = radius(before, op.kill_switch(before, KEY), STAFF + PAYING + FREE)
    had = {each.before: each.units for each in found.by_rule}
    assert had["internal"] == 10
    assert sum(had.values()) == found.changed_units
    assert {each.after for each in found.by_rule} == {"DISABLED"}


def test_traffic_is_weighed_by_how_often_each_unit_asked() -> None:
    before = article_state()
    heavy = tuple(msgspec.structs.replace(each, weight=90) for each in STAFF)
    found = radius(before, op.kill_switch(before, KEY), heavy + FREE)
    assert found.changed_units == 10
    assert found.changed_traffic == 10 * 90 / (10 * 90 + 90 * 3)


def test_nothing_recorded_gives_zeros_and_no_division_by_them() -> None:
    before = article_state()
    found = radius(before, op.kill_switch(before, KEY), ())
    assert found == BlastRadius(sampled_units=0, shares=(FlagShare(flag=KEY, before=0.0, after=0.0),))


def test_a_flag_that_comes_or_goes_gives_the_application_s_own_default() -> None:
    before = state_of(boolean_flag("f"))
    found = radius(before, (op.ArchiveFlag(flag="f"),), FREE)
    assert found.transitions == (Transition(flag="f", before="on", after=FALLBACK, units=90, share=1.0),)
    assert (found.share_before, found.share_after) == (1.0, 0.0)


def test_two_flags_are_counted_apart_and_their_units_once() -> None:
    before = state_of(boolean_flag("f"), boolean_flag("g", otherwise=split(0, of="on", rest="off")))
    both = (
        op.SetEnabled(flag="f", enabled=False),
        op.SetOtherwise(flag="g", serve=split(100_000, of="on", rest="off")),
    )
    keyed = tuple(recorded(n, targetingKey=f"u-{n}") for n in range(10))
    found = radius(before, both, keyed)
    assert found.changed_units == 10
    assert [(each.flag, each.before, each.after, each.units) for each in found.transitions] == [
        ("f", "on", "off", 10),
        ("g", "off", "on", 10),
    ]
    assert (found.share_before, found.share_after) == (1.0, 1.0)


def test_ids_are_no_cohort_and_what_is_shown_is_bounded() -> None:
    before = state_of(control(boolean_flag("f")))
    contexts = tuple(
        recorded(n, session=f"s-{n}", country=f"x-{n % 25}", beta=n % 2 == 0, **{f"a{k}": "v" for k in range(20)})
        for n in range(200)
    )
    found = radius(before, op.kill_switch(before, "f"), contexts)
    assert "session" not in found.by_attribute
    assert len(found.by_attribute) <= MAX_ATTRIBUTES
    narrow = radius(before, op.kill_switch(before, "f"), tuple(recorded(n, country=f"x-{n % 20}") for n in range(200)))
    assert len(narrow.by_attribute["country"]) <= MAX_VALUES
    flags = radius(before, op.kill_switch(before, "f"), tuple(recorded(n, beta=n % 2 == 0) for n in range(10)))
    assert flags.by_attribute == {"beta": {"false": 5, "true": 5}}


def test_the_unit_is_in_the_context_even_where_it_was_recorded_beside_it() -> None:
    before = state_of(control(PROFILE), control(boolean_flag("support_assistant")), *article_state().segments.values())
    one = radius(before, op.kill_switch(before, KEY), PAYING)
    inside = tuple(
        RecordedContext(
            unit=each.unit,
            unit_name=each.unit_name,
            context={**each.context, "conversation": each.unit},
            weight=1,
            at=each.at,
        )
        for each in PAYING
    )
    assert radius(before, op.kill_switch(before, KEY), inside) == one
    assert one.changed_units > 0
