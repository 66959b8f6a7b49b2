"""Many flags at once, other flags' variations as cohorts, and who came; the same on each kind of store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.telemetry import NOON, SCOPE, Sender, at, measured, met
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.domain.telemetry import Asked, ExposureCount, Glance, Scope, StagePlan, Telemetry, Traffic, Window

HERE = Scope(project="support", environment="production")
HOUR = Window(since=NOON, until=NOON + timedelta(hours=1))
LATENCY = Guardrail(key="slow", metric="latency", kind=GuardrailKind.TAIL, limit=100)
PLAN = StagePlan(rule="pro-10", first_revision=18, shares={"reranker": 10_000, "baseline": 90_000})


@pytest.fixture
def store(any_store: Telemetry) -> Telemetry:
    return any_store


def glance(flag: str, assigned: str, units: int, failures: int, mean: float, **more: object) -> Glance:
    fields: dict[str, object] = {"rule": "pro-10", "guardrail": "slow", "variance": 0.0, "failing": 100.0} | more
    return Glance(flag=flag, assigned=assigned, units=units, failures=failures, mean=mean, **fields)  # type: ignore[arg-type]


def test_one_look_tells_of_every_flag_what_its_units_metrics_were(sender: Sender, store: Telemetry) -> None:
    """A unit has one number, stays where it was first assigned, and only what came after that is its."""
    sender.send(
        [
            met("a", "reranker", 10),
            met("a", "baseline", 500),
            met("b", "baseline", 10),
            met("c", "baseline", 10),
            met("b", "on", 20, flag="banner", rule=None),
        ],
        [
            measured("a", 999, 5),
            measured("a", 100, 20),
            measured("a", 300, 30),
            measured("b", 10, 20),
            measured("c", 30, 20),
            measured("nobody", 7, 20),
        ],
    )
    asked = [
        Asked(flag="profile", guardrail="slow", metric="latency", failing=100),
        Asked(flag="banner", guardrail="fast", metric="latency", failing=20, higher=False),
        Asked(flag="profile", guardrail="other", metric="nothing", failing=1),
        Asked(flag="never-met", guardrail="slow", metric="latency", failing=1),
    ]
    assert store.glances(HERE, asked, window=HOUR) == (
        glance("profile", "baseline", 2, 0, 20, variance=200.0),
        glance("profile", "reranker", 1, 1, 200),
        glance("banner", "on", 1, 1, 10, rule=None, guardrail="fast", failing=20.0),
    )
    assert store.glances(HERE, [], window=HOUR) == ()
    assert store.glances(HERE, asked, window=Window(since=at(5000))) == ()
    assert store.glances(Scope(project="support", environment="staging"), asked, window=HOUR) == ()


def test_each_limit_of_a_guardrail_is_a_glance_of_its_own(sender: Sender, store: Telemetry) -> None:
    sender.send([met("a", "reranker", 10), met("b", "reranker", 10)], [measured("a", 150, 20), measured("b", 900, 20)])
    asked = [Asked(flag="profile", guardrail="slow", metric="latency", failing=limit) for limit in (100, 500)]
    found = store.glances(HERE, asked, window=HOUR)
    assert [(each.failing, each.units, each.failures) for each in found] == [(100.0, 2, 2), (500.0, 2, 1)]


def test_who_met_what_is_counted_for_every_flag(sender: Sender, store: Telemetry) -> None:
    sender.send([met("a", "reranker", 1, served="baseline"), met("a", "on", 2, flag="banner", rule=None)])
    assert store.exposed(HERE, window=HOUR) == {
        "banner": (ExposureCount(rule=None, assigned="on", served="on", exposures=1, units=1),),
        "profile": (ExposureCount(rule="pro-10", assigned="reranker", served="baseline", exposures=1, units=1),),
    }
    assert store.exposed(HERE, window=HOUR)["profile"] == store.exposure_counts(SCOPE, window=HOUR)


def test_a_flag_is_cut_by_what_another_flag_gave_the_same_units(sender: Sender, store: Telemetry) -> None:
    """Harm that is there only where both candidates meet is told from harm of one of them."""
    units = [("a", "reranker", "on"), ("b", "reranker", "off"), ("c", "baseline", "on"), ("d", "baseline", "off")]
    sender.send(
        [
            *(met(unit, ours, 1) for unit, ours, _ in units),
            *(met(unit, theirs, 2, flag="banner") for unit, _, theirs in units[:3]),
            met("a", "off", 3, flag="banner"),
        ],
        [measured("a", 500, 5), measured("b", 50, 5), measured("c", 50, 5), measured("d", 50, 5)],
    )
    found = store.contrasts_by_flag(SCOPE, LATENCY, [PLAN], ["banner"], baseline="baseline")
    shown = [
        (
            each.attribute,
            each.value,
            each.stages[0].candidate.joined_units,
            each.stages[0].candidate.failures,
            each.stages[0].baseline.joined_units,
        )
        for each in found
    ]
    assert shown == [("banner", "on", 1, 1, 1), ("banner", "off", 1, 0, 0)]
    both = store.contrasts_by_flag(SCOPE, LATENCY, [PLAN], ["never-met", "banner"], baseline="baseline")
    assert both == found


def test_who_came_is_counted_and_sampled_alike_in_every_window(sender: Sender, store: Telemetry) -> None:
    early = [met(f"u{each}", "reranker", each, context={"region": "eu"}) for each in range(40)]
    late = [met(f"u{each}", "reranker", 1800 + each, context={"region": "us"}) for each in range(40)]
    sender.send([*early, *late, met("u0", "on", 1801, flag="banner", context={"region": "us"})])
    first, second = Window(since=NOON, until=at(900)), Window(since=at(900), until=at(3600))
    assert store.traffic(HERE, window=first) == Traffic(units=40, exposures=40, contexts=({"region": "eu"},) * 40)
    found = store.traffic(HERE, window=second, sample=7)
    assert (found.units, found.exposures, found.contexts) == (40, 41, ({"region": "us"},) * 7)
    assert store.traffic(SCOPE, window=second).exposures == 40
    assert store.traffic(HERE, window=Window(since=at(5000))) == Traffic()
