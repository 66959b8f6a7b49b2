"""Telemetry that lies, stutters and comes late, through the real doors: right counts, a reason for each refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from starlette.testclient import TestClient

from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, START, World
from twokey.domain import identity
from twokey.domain.guardrail import ArmFigures, Guardrail, GuardrailKind, StageArms, VerdictStatus, judge
from twokey.domain.telemetry import Scope, StagePlan

SCOPE = Scope(project=PROJECT, environment=ENVIRONMENT, flag=FLAG)
PLAN = StagePlan(rule="pro-10", first_revision=1, shares={"reranker_v2": 50_000, "baseline": 50_000})
COST = Guardrail(key="cost", metric="cost", kind=GuardrailKind.MEAN, limit=1.0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server(world: World) -> Doors:
    return Doors(world)


def exposure(unit: str, at: float, assigned: str = "reranker_v2", **more: Any) -> dict[str, Any]:
    fields = {
        "flag": FLAG, "rule": "pro-10", "revision": 1, "assigned": assigned, "served": assigned, "unit": unit,
        "unit_name": "conversation", "at": moment(at), "reason": "SPLIT",
    }  # fmt: skip
    return fields | more


def metric(unit: str, at: float, value: float = 1.0, **more: Any) -> dict[str, Any]:
    return {"metric": "cost", "value": value, "unit": unit, "unit_name": "conversation", "at": moment(at)} | more


def moment(minutes: float) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


def sender(server: Doors) -> TestClient:
    """One application: what it sends again is known by its token."""
    known = getattr(server, "sender", None) or server.token(identity.Scope.TELEMETRY_WRITE)
    server.sender = known  # type: ignore[attr-defined]
    return known


def send(server: Doors, batch_id: str = "b", **records: list[dict[str, Any]]) -> dict[str, Any]:
    answer = sender(server).post("/api/v1/telemetry", content=json.dumps({"batch_id": batch_id} | records))
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def arm(world: World, variation: str = "reranker_v2") -> ArmFigures:
    """What the stage's figures are, read in both ways."""
    (looked,) = world.telemetry.arms_of_all(SCOPE, [COST], [PLAN], baseline="baseline")
    (read,) = world.telemetry.arms(SCOPE, COST, [PLAN], baseline="baseline")
    found: list[StageArms] = [looked[0], read]
    one, other = (each.candidate if variation == "reranker_v2" else each.baseline for each in found)
    assert (one.units, one.joined_units, one.failures) == (other.units, other.joined_units, other.failures)
    return one


def test_what_is_sent_again_counts_once(world: World, server: Doors) -> None:
    world.clock.forward(hours=1)
    for _ in range(3):
        answer = send(server, exposures=[exposure("a", 1)], metrics=[metric("a", 2)])
    assert answer["repeated"]
    send(server, "other", exposures=[exposure("a", 1), exposure("a", 1)], metrics=[metric("a", 2)])
    assert (arm(world).units, arm(world).joined_units) == (1, 1)


def test_what_comes_late_and_out_of_order_joins_by_when_it_happened(world: World, server: Doors) -> None:
    world.clock.forward(hours=1)
    send(server, "1", metrics=[metric("a", 2), metric("b", 2)])
    assert arm(world).joined_units == 0
    send(server, "2", exposures=[exposure("a", 1)])
    world.clock.forward(hours=20)
    send(server, "3", exposures=[exposure("b", 1)])
    assert (arm(world).units, arm(world).joined_units) == (2, 2)


def test_a_clock_that_runs_behind_joins_by_what_the_event_says_itself(world: World, server: Doors) -> None:
    world.clock.forward(hours=1)
    own = {"flag": FLAG, "variation": "reranker_v2", "rule": "pro-10", "revision": 1}
    send(server, exposures=[exposure("a", 10), exposure("b", 10)], metrics=[metric("a", 9), metric("b", 9, **own)])
    assert (arm(world).units, arm(world).joined_units) == (2, 1)


def test_a_clock_that_runs_ahead_is_refused_with_the_reason_and_a_little_is_not(world: World, server: Doors) -> None:
    world.clock.forward(hours=1)
    answer = send(
        server, exposures=[exposure("a", 60), exposure("b", 64), exposure("c", 66)], metrics=[metric("a", 90)]
    )
    assert [(each["kind"], each["index"]) for each in answer["refused"]] == [("exposures", 2), ("metrics", 0)]
    assert all("check the sender's clock" in each["problem"] for each in answer["refused"])
    assert (answer["exposures"], arm(world).units) == (2, 2)


@pytest.mark.parametrize("value", [1e19, -1e300, 1.7e308])
def test_a_huge_value_is_refused_by_itself(world: World, server: Doors, value: float) -> None:
    """Kept, two of them would make every mean infinite, and an infinite mean excluded harm."""
    world.clock.forward(hours=1)
    answer = send(server, exposures=[exposure("a", 1)], metrics=[metric("a", 2, value), metric("a", 2, 3.0)])
    (refused,) = answer["refused"]
    assert (refused["kind"], refused["index"]) == ("metrics", 0)
    assert "at most 1e+18" in refused["problem"]
    assert (answer["metrics"], arm(world).mean) == (1, 3.0)


def test_figures_that_overflowed_are_judged_by_nobody() -> None:
    wild = ArmFigures(units=500, joined_units=500, failures=9, mean=float("inf"), variance=float("inf"))
    stage = StageArms(rule="pro-10", stage=1, share=0.5, candidate=wild, baseline=wild)
    assert judge(COST, [stage]).status is VerdictStatus.CANNOT_JUDGE


def test_negative_values_count_as_they_are(world: World, server: Doors) -> None:
    world.clock.forward(hours=1)
    send(server, exposures=[exposure("a", 1)], metrics=[metric("a", 2, -5.0), metric("a", 2, -7.0)])
    assert (arm(world).mean, arm(world).failures) == (-6.0, 0)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_json_number_costs_the_batch_and_says_so(world: World, server: Doors, text: str) -> None:
    """Nothing of it is acknowledged, so nothing is lost: the sender mends it and sends it again."""
    world.clock.forward(hours=1)
    body = json.dumps({"batch_id": "b", "exposures": [exposure("a", 1)], "metrics": [metric("a", 2, 7.25)]})
    client = sender(server)
    answer = client.post("/api/v1/telemetry", content=body.replace("7.25", text))
    assert answer.status_code == 422 or answer.json()["refused"], answer.text
    assert arm(world).joined_units == 0
    send(server, exposures=[exposure("a", 1)], metrics=[metric("a", 2, 7.25)])
    assert arm(world).units == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 1e300])
def test_otlp_can_say_what_is_no_number_and_is_refused_point_by_point(
    world: World, server: Doors, value: float
) -> None:
    world.clock.forward(hours=1)
    send(server, exposures=[exposure("a", 1)])
    request = ExportMetricsServiceRequest()
    gauge = request.resource_metrics.add().scope_metrics.add().metrics.add(name="cost").gauge
    for each in (value, 2.0):
        at = int((START + timedelta(minutes=2)).timestamp() * 1e9)
        point = gauge.data_points.add(time_unix_nano=at, as_double=each)
        point.attributes.add(key="conversation").value.string_value = "a"
    answer = sender(server).post(
        "/otlp/v1/metrics",
        content=request.SerializeToString(),
        headers={"Content-Type": "application/x-protobuf"},
    )
    assert answer.status_code == 200
    assert b"finite number" in answer.content
    assert (arm(world).joined_units, arm(world).mean) == (1, 2.0)


def test_events_of_a_flag_that_nobody_knows_are_kept_and_touch_no_other(world: World, server: Doors) -> None:
    """A flag may be created after its code is out; until then nothing of it is anybody's evidence."""
    world.clock.forward(hours=1)
    answer = send(server, exposures=[exposure("a", 1, flag="unheard_of"), exposure("a", 1)], metrics=[metric("a", 2)])
    assert (answer["exposures"], answer["refused"]) == (2, [])
    assert (arm(world).units, arm(world).joined_units) == (1, 1)
    assert server.person("mara").get(f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags/unheard_of"
    ).status_code == 404  # fmt: skip
