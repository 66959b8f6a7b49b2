"""Ratios: two numbers a unit, on each kind of store; and sums that units can be taken out of again."""

from __future__ import annotations

import pytest

from tests.support.telemetry import NOON, SCOPE, Sender, assert_alike, at, measured, met
from twokey.adapters.telemetry import DuckTelemetry, ratios
from twokey.domain.guardrail import ArmFigures, Guardrail, GuardrailKind, Pair, StageArms, judge
from twokey.domain.intake import MAX_VALUE
from twokey.domain.telemetry import Asked, Scope, StagePlan, Telemetry, Window
from twokey.engine.wire import MetricEvent

COST = Guardrail(key="cost", metric="cost", denominator="answers", kind=GuardrailKind.RATIO, limit=2)
TEN = StagePlan(rule="pro-10", first_revision=18, shares={"reranker": 10_000, "baseline": 90_000})
HALF = StagePlan(rule="pro-10", first_revision=18, shares={"reranker": 50_000, "baseline": 50_000})
HERE = Scope(project="support", environment="production")


def asked(unit: str, costs: list[float], answers: list[float], when: float = 2) -> list[MetricEvent]:
    return [measured(unit, each, when, metric="cost") for each in costs] + [
        measured(unit, each, when, metric="answers") for each in answers
    ]


def split(store: Telemetry) -> StageArms:
    (found,) = store.arms(SCOPE, COST, [TEN], baseline="baseline")
    return found


# ---------------------------------------------------------------- on each kind of store


def test_a_unit_has_the_sums_of_its_events_and_the_arm_the_ratio_of_their_means(any_store: Telemetry) -> None:
    """Not the mean of quotients (2.5): a unit with one answer would count as much as one with three."""
    Sender(any_store).send(
        [met(unit, "reranker", 1) for unit in "ab"],
        asked("a", [4], [1]) + asked("b", [1, 1, 1], [1, 1, 1]),
    )
    candidate = split(any_store).candidate
    assert (candidate.units, candidate.joined_units, candidate.failures) == (2, 2, 0)
    assert candidate.pair == Pair(
        numerator=3.5, denominator=2, numerator_variance=0.5, denominator_variance=2, covariance=-1
    )
    assert candidate.tells is False, "two units say too little of how many answers a unit has"


def test_a_unit_without_a_numerator_has_none_of_it_and_one_without_a_denominator_is_not_joined(
    any_store: Telemetry,
) -> None:
    Sender(any_store).send(
        [met(unit, "reranker", 1) for unit in "abcd"],
        asked("a", [3], [1]) + asked("b", [], [1]) + asked("c", [50], []),
    )
    candidate = split(any_store).candidate
    assert (candidate.units, candidate.joined_units) == (4, 2)
    assert (candidate.mean, candidate.variance) == (1.5, 4.5)


def test_events_before_a_unit_came_and_after_it_left_count_for_neither_number(any_store: Telemetry) -> None:
    Sender(any_store).send(
        [met("a", "reranker", 10), met("a", "baseline", 20)],
        asked("a", [9], [9], 5) + asked("a", [3], [2], 15) + asked("a", [7], [7], 25),
    )
    found = split(any_store)
    assert (found.candidate.joined_units, found.candidate.mean) == (1, 1.5)
    assert found.baseline.joined_units == 0


def test_a_denominator_of_zero_is_no_ratio_on_either_store(any_store: Telemetry) -> None:
    units = [f"u{each}" for each in range(240)]
    Sender(any_store).send(
        [met(unit, ("reranker", "baseline")[each % 2], 1) for each, unit in enumerate(units)],
        [event for each, unit in enumerate(units) for event in asked(unit, [1.0 + each % 3], [float(each % 2)])],
    )
    stages = any_store.arms(SCOPE, COST, [HALF], baseline="baseline")
    assert (stages[0].candidate.joined_units, stages[0].candidate.mean, stages[0].candidate.variance) == (120, 0, 0)
    assert stages[0].baseline.mean == pytest.approx(2, abs=0.1)
    assert str(judge(COST, stages).reason) == "no_denominator"


def test_the_largest_numbers_that_are_taken_in_stay_numbers(any_store: Telemetry) -> None:
    Sender(any_store).send(
        [met(unit, "reranker", 1) for unit in "ab"], asked("a", [MAX_VALUE, MAX_VALUE], [1]) + asked("b", [1], [1])
    )
    candidate = split(any_store).candidate
    assert (candidate.mean, candidate.variance) == (pytest.approx(1e18), pytest.approx(2e36))


@pytest.mark.parametrize("beyond", [float("inf"), float("nan")])
def test_what_is_no_number_is_told_as_no_ratio(beyond: float) -> None:
    found = ratios.figures((2, 0), (2, 1.0, 1.0, beyond, 1.0, 0.0))
    assert found == ArmFigures(units=2, joined_units=2, pair=Pair())
    assert not found.tells


def test_everybody_who_has_the_denominator_counts_where_no_arm_is_left(any_store: Telemetry) -> None:
    Sender(any_store).send(
        [met("a", "reranker", 1)], asked("a", [3], [2]) + asked("stranger", [1], [2]) + asked("c", [9], [])
    )
    assert any_store.overall(SCOPE, COST).mean == 1.5
    everybody = any_store.overall(HERE, COST)
    assert (everybody.units, everybody.joined_units, everybody.mean) == (2, 2, 1)


def test_cohorts_have_ratios_of_their_own(any_store: Telemetry) -> None:
    plans = {"a": "pro", "b": "free"}
    Sender(any_store).send(
        [met(unit, "reranker", 1, context={"plan": plan}) for unit, plan in plans.items()],
        asked("a", [6], [2]) + asked("b", [1], [2]),
    )
    found = any_store.cohort_contrasts(SCOPE, COST, [TEN], ["plan"], baseline="baseline")
    assert {each.value: each.stages[0].candidate.mean for each in found} == {"pro": 3, "free": 0.5}


def test_a_chart_shows_the_ratio_of_sums_and_nothing_where_there_is_no_denominator(any_store: Telemetry) -> None:
    Sender(any_store).send(
        [met("a", "reranker", 0)], asked("a", [1, 5], [1, 2], 5) + asked("a", [9], [], 35) + asked("a", [], [4], 65)
    )
    window = Window(since=NOON, until=at(90))
    found = any_store.series(SCOPE, COST, window=window, buckets=3)
    assert [(each.at, each.variation, each.value) for each in found] == [(NOON, "reranker", 2), (at(60), "reranker", 0)]


def test_a_rough_look_sees_what_a_unit_pays_for_each(any_store: Telemetry) -> None:
    Sender(any_store).send(
        [met("a", "reranker", 1), met("b", "baseline", 1), met("c", "baseline", 1), met("d", "baseline", 1)],
        asked("a", [4, 4], [1, 1]) + asked("b", [1], [2]) + asked("c", [3], [2]) + asked("d", [3], []),
    )
    look = Asked(flag="profile", guardrail="cost", metric="cost", denominator="answers", failing=2)
    other = Asked(flag="profile", guardrail="alone", metric="cost", failing=2)
    found = any_store.glances(HERE, [look, other], window=Window(since=NOON, until=at(90)))
    assert [(each.guardrail, each.assigned, each.units, each.mean, each.variance) for each in found] == [
        ("cost", "baseline", 2, 1, 0.5),
        ("cost", "reranker", 1, 4, 0),
        ("alone", "baseline", 3, pytest.approx(7 / 3), pytest.approx(4 / 3)),
        ("alone", "reranker", 1, 4, 0),
    ]


# ---------------------------------------------------------------- kept between looks


def looked(store: DuckTelemetry) -> tuple[tuple[StageArms, ...], ...]:
    return store.arms_of_all(SCOPE, [COST], [TEN], baseline="baseline")


def anew(store: DuckTelemetry) -> tuple[tuple[StageArms, ...], ...]:
    return (store.arms(SCOPE, COST, [TEN], baseline="baseline"),)


def crowd(sender: Sender, price: float = 0.0, units: int = 40) -> None:
    """Units with one to five answers; with a price, every answer costs just that."""
    names = [f"u{each}" for each in range(units)]
    sender.send(
        [met(name, "reranker", 10) for name in names],
        [
            event
            for each, name in enumerate(names)
            for event in asked(name, [price * (1 + each % 5) or 1.0 + each % 7], [1.0 + each % 5], 12)
        ],
    )


@pytest.mark.parametrize("huge", [asked("huge", [1e13], [1e13], 12), asked("huge", [1e13], [1], 12)])
def test_an_enormous_unit_that_leaves_takes_no_digits_of_the_ratio_with_it(
    sender: Sender, store: DuckTelemetry, huge: list[MetricEvent]
) -> None:
    crowd(sender)
    sender.send([met("huge", "reranker", 10)], huge)
    looked(store)
    sender.send([met("huge", "baseline", 11)])
    found = looked(store)
    assert_alike(found, anew(store))
    assert found[0][0].candidate.variance > 0.01


def test_the_ratio_s_own_digits_are_watched_where_both_numbers_keep_theirs(
    sender: Sender, store: DuckTelemetry
) -> None:
    """Millions for each answer, alike to the thousandth, once a unit has left that was not."""
    names = [f"u{each}" for each in range(60)]
    sender.send(
        [met(name, "reranker", 10) for name in [*names, "odd"]],
        [
            event
            for each, name in enumerate(names)
            for event in asked(name, [2e6 * (1 + each % 5) + 5e3 * (each % 3)], [1.0 + each % 5], 12)
        ]
        + asked("odd", [4e10], [1], 12),
    )
    looked(store)
    sender.send([met("odd", "baseline", 11)])
    found = looked(store)
    assert_alike(found, anew(store))
    assert found[0][0].candidate.variance > 0


def test_one_price_for_all_is_carried_on_from_look_to_look(
    sender: Sender, store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of how it varies, and nothing has been lost: that is no reason to read everything again."""
    from twokey.adapters.telemetry import accounts

    def never(*_: object) -> None:
        raise AssertionError("everything was read again")

    crowd(sender, price=0.7)
    assert looked(store)[0][0].candidate.variance == 0
    with monkeypatch.context() as patch:
        patch.setattr(accounts, "whole", never)
        sender.send([met("late", "reranker", 20)], asked("late", [2.1], [3], 21))
        found = looked(store)
    assert (found[0][0].candidate.joined_units, found[0][0].candidate.variance) == (41, 0)
    assert_alike(found, anew(store))
