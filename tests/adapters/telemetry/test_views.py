"""Charts, counts, presence, contexts."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.support.telemetry import NOON, SCOPE, Sender, at, measured, met
from twokey.domain.guardrail import Guardrail, GuardrailKind, Worse, fallback_guardrail
from twokey.domain.telemetry import ALL_TIME, ExposureCount, MetricPresence, Scope, Telemetry, Window
from twokey.engine.errors import Invalid

SLOW = Guardrail(key="p95", metric="latency", kind=GuardrailKind.TAIL, limit=100, quantile=0.5)
HOUR = Window(since=NOON, until=NOON + timedelta(hours=1))
ENVIRONMENT = Scope(project="support", environment="production")


@pytest.fixture
def store(any_store: Telemetry) -> Telemetry:
    return any_store


def points(store: Telemetry, guardrail: Guardrail, buckets: int = 6) -> list[tuple[int, str | None, float, int]]:
    found = store.series(SCOPE, guardrail, window=HOUR, buckets=buckets)
    return [((each.at - NOON) // timedelta(minutes=10), each.variation, each.value, each.events) for each in found]


def test_a_chart_shows_events_under_the_variation_their_unit_had_at_that_moment(
    sender: Sender, store: Telemetry
) -> None:
    """After a rollback the unit's events move to the baseline's line; what joins nothing is shown as such."""
    sender.send(
        [met("a", "reranker", 0), met("a", "baseline", 1200, revision=20), met("b", "baseline", 0)],
        [measured("a", 500, 5), measured("b", 100, 5), measured("a", 90, 1300), measured("nobody", 70, 1300)],
    )
    assert points(store, SLOW) == [
        (0, "baseline", 100, 1),
        (0, "reranker", 500, 1),
        (2, "baseline", 90, 1),
        (2, None, 70, 1),
    ]


def test_a_chart_of_each_kind_of_guardrail(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [met("a", "reranker", 0, served="baseline"), met("b", "reranker", 0)],
        [
            measured("a", 1, 5, metric="ok"),
            measured("b", 0, 5, metric="ok"),
            measured("a", 10, 5),
            measured("b", 30, 5),
        ],
    )
    rate = Guardrail(key="ok", metric="ok", kind=GuardrailKind.RATE, limit=0.9)
    mean = msgspec.structs.replace(SLOW, kind=GuardrailKind.MEAN)
    assert points(store, rate) == [(0, "reranker", 0.5, 2)]
    assert points(store, msgspec.structs.replace(rate, worse=Worse.LOWER)) == [(0, "reranker", 0.5, 2)]
    assert points(store, mean) == [(0, "reranker", 20, 2)]
    assert points(store, fallback_guardrail()) == [(0, "reranker", 0.5, 2)]


def test_an_event_that_names_its_variation_needs_no_exposure_on_a_chart(sender: Sender, store: Telemetry) -> None:
    sender.send(metrics=[measured("a", 10, 5, flag="profile", variation="reranker", revision=18)])
    assert points(store, SLOW) == [(0, "reranker", 10, 1)]


@pytest.mark.parametrize("window", [ALL_TIME, Window(since=NOON), Window(since=NOON, until=NOON)])
def test_a_chart_needs_a_closed_window(store: Telemetry, window: Window) -> None:
    with pytest.raises(Invalid, match="window"):
        store.series(SCOPE, SLOW, window=window)
    with pytest.raises(Invalid, match="buckets"):
        store.exposure_series(SCOPE, window=HOUR, buckets=0)


def test_exposures_over_time_and_in_total(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [
            met("a", "reranker", 1, served="baseline"),
            met("a", "reranker", 2),
            met("b", "baseline", 3),
            met("c", "baseline", 1300, rule=None),
        ]
    )
    series = store.exposure_series(SCOPE, window=HOUR, buckets=6)
    shown = [(each.variation, each.exposures, each.units, each.served_other) for each in series]
    assert shown == [("baseline", 1, 1, 0), ("reranker", 2, 1, 1), ("baseline", 1, 1, 0)]
    assert store.exposure_counts(SCOPE) == (
        ExposureCount(rule=None, assigned="baseline", served="baseline", exposures=1, units=1),
        ExposureCount(rule="pro-10", assigned="baseline", served="baseline", exposures=1, units=1),
        ExposureCount(rule="pro-10", assigned="reranker", served="baseline", exposures=1, units=1),
        ExposureCount(rule="pro-10", assigned="reranker", served="reranker", exposures=1, units=1),
    )
    assert store.exposure_counts(SCOPE, window=Window(since=at(5000))) == ()


def test_a_metric_reported_for_another_unit_arrives_and_joins_nothing(sender: Sender, store: Telemetry) -> None:
    """The article's citation failures: they come per request, the flag is assigned per conversation."""
    sender.send(
        [met("c1", "reranker", 1)],
        [measured("r1", 1, 2, metric="citation_failure", unit_name="request"), measured("c1", 9, 2)],
    )
    assert store.metric_presence(SCOPE, "citation_failure") == MetricPresence(
        metric="citation_failure", events=1, units=1, joined_events=0, joined_units=0, unit_names=("request",)
    )
    joined = store.metric_presence(SCOPE, "latency")
    assert (joined.events, joined.joined_events, joined.joined_units) == (1, 1, 1)
    assert store.metric_presence(SCOPE, "nothing") == MetricPresence(metric="nothing")
    assert store.metrics(SCOPE) == ("citation_failure", "latency")


def test_an_event_that_names_the_flag_s_variation_joins_without_an_exposure(sender: Sender, store: Telemetry) -> None:
    sender.send(metrics=[measured("r1", 1, 2, unit_name="request", flag="profile", variation="reranker", revision=18)])
    assert store.metric_presence(SCOPE, "latency").joined_events == 1


def test_of_two_assignments_at_one_moment_the_same_is_told_whatever_came_first(
    sender: Sender, store: Telemetry
) -> None:
    sender.send([met("a", "reranker", 1), met("a", "baseline", 1), met("b", "baseline", 1), met("b", "reranker", 1)])
    assert [(each.unit, each.variation) for each in store.contexts(SCOPE)] == [("a", "baseline"), ("b", "baseline")]


def test_of_units_that_came_last_at_one_moment_those_are_taken_whose_names_come_first(
    sender: Sender, store: Telemetry
) -> None:
    sender.send([met("c", "baseline", 9), met("old", "baseline", 1), met("b", "baseline", 9), met("a", "baseline", 9)])
    sender.send([met("b", "baseline", 2), met("c", "baseline", 8)])
    found = {limit: [each.unit for each in store.contexts(SCOPE, limit=limit)] for limit in (1, 2, 3, 4, 5)}
    assert found == {1: ["a"], 2: ["a", "b"], 3: ["a", "b", "c"], 4: ["a", "b", "c", "old"], 5: ["a", "b", "c", "old"]}
    assert [each.weight for each in store.contexts(SCOPE, limit=3)] == [1, 2, 2]


def test_contexts_are_the_latest_of_each_unit_ready_for_evaluation(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [
            met("a", "baseline", 1, context={"plan": "free"}),
            met("a", "reranker", 5, context={"plan": "pro", "seats": 3, "beta": True, "targetingKey": "u-1"}),
            met("b", "baseline", 3, context={"plan": "free"}),
            met("z", "on", 9, flag="other"),
        ]
    )
    first, second = store.contexts(SCOPE)
    expected = {"targetingKey": "u-1", "plan": "pro", "seats": 3, "beta": True, "conversation": "a"}
    assert dict(first.context) == expected
    assert (first.unit, first.unit_name, first.weight, first.variation) == ("a", "conversation", 2, "reranker")
    assert dict(second.context) == {"targetingKey": "b", "plan": "free", "conversation": "b"}
    assert [each.unit for each in store.contexts(ENVIRONMENT)] == ["z", "a", "b"]
    assert [each.variation for each in store.contexts(ENVIRONMENT)] == [None, None, None]
    assert [each.unit for each in store.contexts(SCOPE, limit=1)] == ["a"]
    assert [each.unit for each in store.contexts(SCOPE, window=Window(until=at(5)))] == ["b", "a"]
