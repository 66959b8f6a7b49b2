"""Measured requests of a real system, through the store and the tests, to a verdict.

A random split of normal requests must not alarm. Requests of a fault's window, served as the candidate, must; those of
a fault that the route does not feel must not.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tests.support import nezha
from tests.support.telemetry import LATER, SCOPE
from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.guardrail import Guardrail, GuardrailKind, Verdict, judge, judge_before_after
from twokey.domain.telemetry import StagePlan, Window
from twokey.engine.wire import Exposure, MetricEvent, TelemetryBatch

PLAN = StagePlan(rule="all", first_revision=2, last_revision=2, shares={"candidate": 50_000, "baseline": 50_000})
ARMS = ("candidate", "baseline")


def tail(home: Path, day: str, route: str) -> Guardrail:
    """A limit that one in twenty normal requests of the route passes."""
    durations = sorted(each.duration_us for each in nezha.normal(home, day, route))
    limit = durations[len(durations) * 95 // 100] / 1000
    return Guardrail(key="p95", metric="latency", kind=GuardrailKind.TAIL, limit=limit, unit_label="ms")


def mean(limit: float) -> Guardrail:
    return Guardrail(key="mean", metric="latency", kind=GuardrailKind.MEAN, limit=limit, unit_label="ms")


def send(store: DuckTelemetry, name: str, traffic: Iterable[tuple[str, nezha.Request]], *, revision: int = 2) -> None:
    """Each request is a unit that met the variation given with it; its duration arrives when it ends."""
    exposures, metrics = [], []
    for number, (variation, request) in enumerate(traffic):
        began = datetime.fromtimestamp(request.at_ms / 1000, UTC)
        unit = f"{name}-{number}"
        exposures.append(
            Exposure(
                flag="profile", rule="all", revision=revision, assigned=variation, served=variation, unit=unit,
                unit_name="request", at=began, reason="SPLIT", context={"route": request.route},
            )
        )  # fmt: skip
        ended = began + timedelta(microseconds=request.duration_us)
        metrics.append(
            MetricEvent(metric="latency", value=request.duration_us / 1000, unit=unit, unit_name="request", at=ended)
        )
    batch = TelemetryBatch(batch_id=name, exposures=tuple(exposures), metrics=tuple(metrics))
    assert not store.add(SCOPE, batch, source="app", received_at=LATER).refused


def looks(store: DuckTelemetry, guardrail: Guardrail, times: Sequence[datetime]) -> list[Verdict]:
    """The verdict at each of these moments, on what had arrived until then."""
    return [
        judge(guardrail, store.arms(SCOPE, guardrail, [PLAN], baseline="baseline", window=Window(until=each)))
        for each in times
    ]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("day", nezha.DAYS)
def test_a_random_split_of_real_requests_does_not_alarm_at_any_look(day: str, seed: int) -> None:
    home = nezha.required()
    store = DuckTelemetry(threads=1)
    dice = random.Random(seed)
    requests = nezha.normal(home, day, "3")
    send(store, "aa", [(dice.choice(ARMS), each) for each in requests])
    ends = [datetime.fromtimestamp(requests[len(requests) * part // 6 - 1].at_ms / 1000, UTC) for part in range(1, 7)]
    for guardrail in (tail(home, day, "3"), mean(1000)):
        statuses = [str(each.status) for each in looks(store, guardrail, ends)]
        assert "breached" not in statuses
        assert statuses[-1] in ("holding", "inconclusive")
    store.close()


@pytest.mark.parametrize(("day", "kind", "service", "route"), nezha.SLOW)
def test_a_fault_window_served_as_the_candidate_is_breached(day: str, kind: str, service: str, route: str) -> None:
    home = nezha.required()
    store = DuckTelemetry(threads=1)
    slow = nezha.during(home, nezha.fault(home, day, kind, service), route)
    _both_arms(store, home, day, route, slow)
    for guardrail in (tail(home, day, route), mean(1000)):
        (verdict,) = looks(store, guardrail, [LATER])
        assert str(verdict.status) == "breached", verdict.sentence
        assert (verdict.candidate_value or 0) > 2 * (verdict.baseline_value or 0)
    store.close()


@pytest.mark.parametrize(("day", "kind", "service", "route"), nezha.CALM)
def test_a_fault_the_route_does_not_feel_is_not_breached(day: str, kind: str, service: str, route: str) -> None:
    home = nezha.required()
    store = DuckTelemetry(threads=1)
    calm = nezha.during(home, nezha.fault(home, day, kind, service), route)
    _both_arms(store, home, day, route, calm)
    (verdict,) = looks(store, tail(home, day, route), [LATER])
    assert str(verdict.status) in ("holding", "inconclusive"), verdict.sentence
    store.close()


def _both_arms(store: DuckTelemetry, home: Path, day: str, route: str, candidate: Sequence[nezha.Request]) -> None:
    """As many normal requests on the baseline, drawn at random, as the window has on the candidate."""
    baseline = random.Random(7).sample(nezha.normal(home, day, route), len(candidate))
    send(store, "candidate", [("candidate", each) for each in candidate])
    send(store, "baseline", [("baseline", each) for each in baseline])


def test_after_a_rollback_real_requests_show_no_harm_and_the_verdict_is_observational() -> None:
    home = nezha.required()
    day, kind, service, route = nezha.SLOW[0]
    store = DuckTelemetry(threads=1)
    fault = nezha.fault(home, day, kind, service)
    over = fault.at_ms + nezha.AROUND_MS
    rolled_back = datetime.fromtimestamp(over / 1000, UTC)
    send(store, "before", [("candidate", each) for each in nezha.during(home, fault, route)])
    later = [each for each in nezha.normal(home, day, route) if each.at_ms >= over]
    send(store, "after", [("baseline", each) for each in later], revision=3)
    limit = msgspec.structs.replace(tail(home, day, route), quantile=0.9)
    before = store.overall(SCOPE, limit, window=Window(until=rolled_back), assigned=["candidate"])
    after = store.overall(SCOPE, limit, window=Window(since=rolled_back))
    verdict = judge_before_after(limit, before, after)
    assert str(judge_before_after(limit, None, before).status) == "breached"
    assert str(verdict.status) == "holding", verdict.sentence
    assert verdict.observational
    store.close()
