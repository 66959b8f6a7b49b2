"""The atoms of the enumeration: what is said to follow does follow, by the engine's own operators."""

from itertools import product
from random import Random
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.strategies import UNITS, VALUES, segment_lists
from tests.support.states import aimed_contexts, asks, state
from twokey.domain.operation.effects.conditions import Asked, Present, World, is_part
from twokey.domain.operation.effects.knowledge import ALWAYS, Book, Knowledge
from twokey.engine import Clause, Operator, Segment
from twokey.engine.bucketing import unit_text
from twokey.engine.operators import holds
from twokey.engine.reference import Reference

NOWHERE = World({})
FAMILIES = [
    [Operator.IN],
    [Operator.NOT_IN],
    [Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH],
    [Operator.MATCHES],
    [Operator.LT, Operator.LTE, Operator.GT, Operator.GTE],
    [Operator.BEFORE, Operator.AFTER],
    [each for each in Operator if each.startswith("semver")],
    [Operator.IN_CIDR],
]
MORE = {
    Operator.CONTAINS: ["pr", "ro", "pro", "prox"],
    Operator.IN_CIDR: ["10.1.0.0/16", "10.0.0.1", "::ffff:10.0.0.0/104", "0.0.0.0/0"],
    Operator.LT: [2, 3, 3.5],
}


@st.composite
def related(draw: st.DrawFn) -> tuple[Clause, Clause]:
    """Two clauses on one attribute, of one family of operators, mostly with values in common."""
    family = draw(st.sampled_from(FAMILIES))
    known = VALUES[family[0]] + MORE.get(family[0], [])
    values = draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))
    others = draw(st.lists(st.sampled_from([*values, *values, *known]), min_size=1, max_size=3))
    one = Clause(
        attribute="a", operator=draw(st.sampled_from(family)), values=tuple(values), negate=draw(st.booleans())
    )
    two = Clause(
        attribute="a", operator=draw(st.sampled_from(family)), values=tuple(others), negate=draw(st.booleans())
    )
    exists = Clause(attribute="a", operator=Operator.EXISTS, negate=draw(st.booleans()))
    return draw(st.sampled_from([(one, two), (one, two), (one, two), (two, exists), (exists, one)]))


def attributes(one: Clause, two: Clause, seed: int) -> list[Any]:
    """Values that either clause asks about, some beside them, lists of them, and nothing at all."""
    random = Random(seed)
    values: list[Any] = [
        *one.values,
        *two.values,
        None,
        [],
        True,
        1,
        "10.1.2.3",
        "2026-01-01T00:00:00.5Z",
        "1.0.1",
        2.5,
    ]
    for value in (*one.values, *two.values):
        values += (
            [value + 1, value - 1, value + 0.25]
            if isinstance(value, int | float)
            else [f"{value}x", f"x{value}", value[1:]]
        )
    return values + [random.choices(values[2:], k=2) for _ in range(10)]


@settings(max_examples=250)
@given(related(), st.integers(0, 2**32))
@example((asks("a", Operator.NOT_IN, "x"), asks("a", Operator.NOT_IN, "x", "y")), 0)
@example((asks("a", Operator.IN, "x", "y", negate=True), asks("a", Operator.IN, "x", negate=True)), 0)
@example((asks("a", Operator.IN, "x"), asks("a", Operator.IN, "x", "y")), 0)
@example((asks("a", Operator.NOT_IN, "x", negate=True), asks("a", Operator.NOT_IN, "x", "y", negate=True)), 0)
@example((asks("a", Operator.IN, "x"), asks("a", Operator.NOT_IN, "x")), 0)
def test_what_a_clause_is_said_to_entail_or_exclude_it_does(pair: tuple[Clause, Clause], seed: int) -> None:
    for first, second in (pair, pair[::-1]):
        one, two = Asked(first, NOWHERE), Asked(second, NOWHERE)
        for attribute in attributes(*pair, seed):
            held, its_held = (holds(each, attribute, lambda *_: False) for each in (first, second))
            if one.entails(two):
                assert its_held or not held, attribute
            if one.excludes(two):
                assert not (held and its_held), attribute
            if one.name == two.name:
                assert held == its_held, attribute


@settings(max_examples=80)
@given(related(), st.integers(0, 2**32))
def test_a_unit_that_is_present_exists(pair: tuple[Clause, Clause], seed: int) -> None:
    present = Present("a")
    for clause in pair:
        asked = Asked(clause, NOWHERE)
        for attribute in attributes(*pair, seed):
            held, has_unit = holds(clause, attribute, lambda *_: False), unit_text(attribute) is not None
            assert not (asked.excludes(present) and held and has_unit)
            assert not (present.entails(asked) and has_unit and not held)
            assert not (asked.entails(present) and held and not has_unit)


@settings(max_examples=80)
@given(segment_lists(), segment_lists(), st.integers(0, 2**32))
def test_a_segment_that_is_said_to_be_part_of_another_is(one: list[Segment], two: list[Segment], seed: int) -> None:
    before, after = ({each.key: each for each in some} for some in (one, two))
    after |= {key: _narrowed(each, seed) for key, each in before.items() if key not in after}
    worlds = World(before), World(after)
    contexts = list(aimed_contexts(seed, 15, state(None, *before.values()), state(None, *after.values())))
    for key, its_key in product(before, after):
        parts = is_part(key, worlds[0], its_key, worlds[1]), is_part(its_key, worlds[1], key, worlds[0])
        for context, unit in product(contexts, ["n1", *UNITS]) if any(parts) else ():
            inside = Reference({}, before, context).in_segment(key, unit)
            its_inside = Reference({}, after, context).in_segment(its_key, unit)
            assert its_inside or not (parts[0] and inside), (key, unit, context)
            assert inside or not (parts[1] and its_inside), (its_key, unit, context)


def _narrowed(segment: Segment, seed: int) -> Segment:
    random = Random(seed)
    return replace(
        segment,
        digest=None,
        included=tuple(each for each in segment.included if random.random() < 0.7),
        excluded=tuple(each for each in segment.excluded if random.random() < 0.7),
        rules=tuple(each for each in segment.rules if random.random() < 0.7),
    )


def test_what_is_known_of_a_path_decides_what_follows_and_nothing_more() -> None:
    book = Book()
    plan, more, region, unit = (
        book.guard([Asked(asks("plan", Operator.IN, "a"), NOWHERE)]),
        book.guard([Asked(asks("plan", Operator.IN, "a", "b"), NOWHERE)]),
        book.guard([Asked(asks("region", Operator.IN, "eu"), NOWHERE)]),
        book.guard([Present("plan")]),
    )
    refused = book.guard([Asked(asks("plan", Operator.IN, "a", negate=True), NOWHERE)])
    nothing = Knowledge(book)
    assert nothing.decide(ALWAYS) is True
    assert nothing.decide(plan) is None
    holds_plan = nothing.given(plan, True)
    assert (holds_plan.decide(more), holds_plan.decide(region), holds_plan.decide(unit)) == (True, None, None)
    assert nothing.given(more, False).decide(plan) is False
    assert nothing.given(plan, False).decide(more) is None
    both_fail = nothing.given(plan | region, False)
    assert (both_fail.decide(plan), both_fail.given(plan, True).decide(region)) == (None, False)
    assert holds_plan.decide(refused) is False
    assert nothing.decide(plan | refused) is False
