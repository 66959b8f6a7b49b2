"""OTLP/HTTP: evaluations and data points from any exporter, in both encodings; refusals are told by record."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.testclient import TestClient

from tests import needs
from tests.attacks.attempts import REDUCE, applied
from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, START, World
from twokey.adapters.telemetry import turns
from twokey.domain.guardrail import Guardrail, GuardrailKind
from twokey.domain.identity import ActorKind, Scope
from twokey.domain.otel import UNKNOWN_RULE
from twokey.domain.telemetry import Scope as Where
from twokey.domain.telemetry import StagePlan, Window
from twokey.surfaces import app as doors
from twokey.surfaces.otlp import decode

HERE = Where(project=PROJECT, environment=ENVIRONMENT, flag=FLAG)
PROTOBUF = {"Content-Type": "application/x-protobuf"}
SAID = {
    "feature_flag.key": FLAG,
    "feature_flag.result.variant": "reranker_v2",
    "feature_flag.result.reason": "split",
    "feature_flag.context.id": "u-1",
    "feature_flag.version": "1",
    "conversation": "c-1",
    "plan": "pro",
}
OLD = {
    "feature_flag.key": FLAG,
    "feature_flag.variant": "reranker_v2",
    "feature_flag.evaluation.reason": "split",
    "feature_flag.version": "1",
    "conversation": "c-2",
}


def nanos(world: World, **ago: float) -> int:
    return int((world.clock() - timedelta(**ago)).timestamp() * 10**9)


def fill(pairs: Any, said: dict[str, Any]) -> None:
    for key, value in said.items():
        kind = {bool: "bool_value", int: "int_value", float: "double_value"}.get(type(value), "string_value")
        setattr(pairs.add(key=key).value, kind, value)


def logs(world: World, *said: dict[str, Any], name: str = "feature_flag.evaluation") -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for each in said:
        record = scope.log_records.add(time_unix_nano=nanos(world, minutes=1), event_name=name)
        fill(record.attributes, each)
    return request


def source(server: Doors) -> TestClient:
    return server.token(Scope.TELEMETRY_WRITE)


def send(client: TestClient, request: Any, path: str = "logs") -> Any:
    return client.post(f"/otlp/v1/{path}", content=request.SerializeToString(), headers=PROTOBUF)


def counted(world: World) -> dict[tuple[str | None, str, str], int]:
    found = world.telemetry.exposure_counts(HERE)
    return {(each.rule, each.assigned, each.served): each.units for each in found}


def partial(answer: Any) -> tuple[int, str]:
    found = ExportLogsServiceResponse.FromString(answer.content)
    return found.partial_success.rejected_log_records, found.partial_success.error_message


def test_an_evaluation_becomes_an_exposure_of_its_stage(server: Doors, world: World) -> None:
    answer = send(source(server), logs(world, SAID))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf")
    assert partial(answer) == (0, "")
    assert counted(world) == {("pro-10", "reranker_v2", "reranker_v2"): 1}
    (context,) = world.telemetry.contexts(HERE)
    assert (context.unit_name, context.unit, dict(context.context)) == (
        "conversation",
        "c-1",
        {"plan": "pro", "targetingKey": "u-1", "conversation": "c-1"},
    )


def test_old_names_of_the_conventions_are_read_alike(server: Doors, world: World) -> None:
    request = logs(world, OLD, name="")
    record = request.resource_logs[0].scope_logs[0].log_records[0]
    fill(record.attributes, {"event.name": "feature_flag.evaluation"})
    assert send(source(server), request).status_code == 200
    assert counted(world) == {("pro-10", "reranker_v2", "reranker_v2"): 1}


def test_a_variation_that_is_not_named_is_told_by_its_value(server: Doors, world: World) -> None:
    """Providers that know no variations send the value, as an attribute or, by older conventions, in the body."""
    unnamed = {key: value for key, value in SAID.items() if key != "feature_flag.result.variant"}
    request = logs(world, unnamed | {"feature_flag.result.value": "reranker_v2"}, unnamed | {"conversation": "c-2"})
    body = request.resource_logs[0].scope_logs[0].log_records[1].body
    body.kvlist_value.values.add(key="value").value.string_value = "reranker_v2"
    assert partial(send(source(server), request)) == (0, "")
    assert counted(world) == {("pro-10", "reranker_v2", "reranker_v2"): 2}
    for said, why in (({"feature_flag.result.value": "nonsense"}, "0 variations"), ({}, "is missing")):
        rejected, reason = partial(send(source(server), logs(world, unnamed | said)))
        assert rejected == 1
        assert why in reason


def test_what_an_event_says_of_itself_is_no_context(server: Doors, world: World) -> None:
    said = {"error.type": "general", "error.message": "it broke", "event.name": "feature_flag.evaluation"}
    send(source(server), logs(world, SAID | said))
    (context,) = world.telemetry.contexts(HERE)
    assert set(context.context) == {"plan", "targetingKey", "conversation"}


def test_a_span_event_tells_the_same(server: Doors, world: World) -> None:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name="answer")
    for name, said in (("feature_flag", OLD), ("exception", SAID)):
        fill(span.events.add(name=name, time_unix_nano=nanos(world, minutes=1)).attributes, said)
    assert send(source(server), request, "traces").status_code == 200
    assert counted(world) == {("pro-10", "reranker_v2", "reranker_v2"): 1}


def test_both_encodings_packed_or_not_are_one_and_the_same(server: Doors, world: World) -> None:
    client, said = source(server), logs(world, SAID)
    plain = json_format.MessageToJson(said).encode()
    for body, more in ((plain, {}), (gzip.compress(plain), {"Content-Encoding": "gzip"})):
        answer = client.post("/otlp/v1/logs", content=body, headers={"Content-Type": "application/json", **more})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), answer.text
        assert answer.json() == {}
    assert counted(world) == {("pro-10", "reranker_v2", "reranker_v2"): 1}
    assert sum(each.exposures for each in world.telemetry.exposure_counts(HERE)) == 1, "the second is a repeat"


def test_what_ran_instead_stands_beside_what_was_assigned(server: Doors, world: World) -> None:
    send(source(server), logs(world, SAID | {"twokey.served": "baseline"}))
    assert counted(world) == {("pro-10", "reranker_v2", "baseline"): 1}


def test_the_version_says_which_stage_it_was(server: Doors, world: World) -> None:
    applied(world, REDUCE)
    send(source(server), logs(world, SAID, SAID | {"feature_flag.version": "2", "conversation": "c-2"}))
    with world.store.read() as uow:
        now, before = uow.flags.versions(PROJECT, ENVIRONMENT, FLAG)
    stages = [
        StagePlan(rule="pro-10", first_revision=at, last_revision=at, shares={"reranker_v2": 1.0, "baseline": 9.0})
        for at in (before.revision, now.revision)
    ]
    arms = world.telemetry.arms(HERE, RATE, stages, baseline="baseline")
    assert [each.candidate.units for each in arms] == [1, 1]


RATE = Guardrail(key="g", metric="wrong", kind=GuardrailKind.RATE, limit=0.1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"feature_flag.key": "nobody"}, "there is no flag `nobody`"),
        ({"feature_flag.version": None}, "without it no stage is known"),
        ({"feature_flag.version": "soon"}, "a whole number"),
        ({"feature_flag.version": "0"}, "was not there at revision 0"),
        ({"feature_flag.result.variant": "v9"}, "has no variation `v9`"),
        ({"feature_flag.result.variant": None}, "feature_flag.result.variant: is missing"),
        ({"conversation": None}, "do not name the unit `conversation`"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused_by_itself(
    server: Doors, world: World, change: dict[str, Any], reason: str
) -> None:
    bad = {key: value for key, value in (SAID | change).items() if value is not None}
    answer = send(source(server), logs(world, SAID, bad))
    rejected, why = partial(answer)
    assert (answer.status_code, rejected) == (200, 1)
    assert reason in why
    assert len(counted(world)) == 1


def test_a_rule_is_deduced_or_unknown_and_never_guessed(server: Doors, world: World) -> None:
    matched = SAID | {"feature_flag.result.reason": "targeting_match", "conversation": "c-3"}
    default = SAID | {
        "feature_flag.result.reason": "default", "feature_flag.result.variant": "baseline", "conversation": "c-4"
    }  # fmt: skip
    odd = SAID | {
        "feature_flag.result.reason": "cached",
        "feature_flag.result.variant": "baseline",
        "conversation": "c-5",
    }
    named = SAID | {"twokey.rule": "internal", "twokey.revision": "1", "conversation": "c-6"}
    send(source(server), logs(world, matched, default, odd, named))
    assert set(counted(world)) == {
        ("internal", "reranker_v2", "reranker_v2"),  # the one rule that serves it to all whom it matches
        (None, "baseline", "baseline"),
        (UNKNOWN_RULE, "baseline", "baseline"),
    }
    assert counted(world)["internal", "reranker_v2", "reranker_v2"] == 2


def test_events_of_others_are_passed_over(server: Doors, world: World) -> None:
    assert partial(send(source(server), logs(world, SAID, name="http.request"))) == (0, "")
    assert counted(world) == {}


def test_events_from_the_future_and_without_a_time_are_refused(server: Doors, world: World) -> None:
    request = logs(world, SAID, SAID)
    records = request.resource_logs[0].scope_logs[0].log_records
    records[0].time_unix_nano = int((START + timedelta(days=2)).timestamp() * 10**9)
    records[1].time_unix_nano = 0
    rejected, why = partial(send(source(server), request))
    assert rejected == 2
    assert "future" in why
    assert "time_unix_nano" in why


# ---------------------------------------------------------------- data points


def metrics(world: World, make: Callable[[Any, int], None]) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    make(request.resource_metrics.add().scope_metrics.add().metrics, nanos(world, seconds=30))
    return request


def rejected_points(answer: Any) -> tuple[int, str]:
    found = ExportMetricsServiceResponse.FromString(answer.content).partial_success
    return found.rejected_data_points, found.error_message


def series(world: World) -> dict[str | None, tuple[float, int]]:
    window = Window(since=world.clock() - timedelta(hours=1), until=world.clock() + timedelta(minutes=1))
    guardrail = Guardrail(key="g", metric="latency", kind=GuardrailKind.MEAN, limit=1.0)
    points = world.telemetry.series(HERE, guardrail, window=window, buckets=1)
    return {each.variation: (each.value, each.events) for each in points}


def test_a_number_counts_for_the_unit_that_it_names(server: Doors, world: World) -> None:
    send(source(server), logs(world, SAID))

    def make(found: Any, at: int) -> None:
        point = found.add(name="latency").gauge.data_points.add(time_unix_nano=at, as_double=1200.0)
        fill(point.attributes, {"conversation": "c-1"})

    assert rejected_points(send(source(server), metrics(world, make), "metrics")) == (0, "")
    assert series(world) == {"reranker_v2": (1200.0, 1)}


def test_a_histogram_s_observations_are_told_apart_by_bucket(server: Doors, world: World) -> None:
    def make(found: Any, at: int) -> None:
        histogram = found.add(name="latency").histogram
        histogram.aggregation_temporality = 1
        point = histogram.data_points.add(
            time_unix_nano=at, count=4, explicit_bounds=[100.0, 200.0], bucket_counts=[1, 2, 1], min=50.0, max=300.0
        )
        fill(point.attributes, {"conversation": "c-1"})

    assert rejected_points(send(source(server), metrics(world, make), "metrics")) == (0, "")
    assert series(world) == {None: ((75 + 150 * 2 + 250) / 4, 4)}


def test_observations_that_name_no_unit_are_charted_and_join_no_arm(server: Doors, world: World) -> None:
    """Requests are not independent of each other: no verdict rests on them."""
    send(source(server), logs(world, SAID))
    flag = {each: SAID[each] for each in SAID if each.startswith("feature_flag.") and "context" not in each}

    def make(found: Any, at: int) -> None:
        for name in ("latency", "wrong"):
            exponential = found.add(name=name).exponential_histogram
            exponential.aggregation_temporality = 1
            point = exponential.data_points.add(time_unix_nano=at, count=3, scale=0, zero_count=1, min=0.0, max=4.0)
            point.positive.offset = 0
            point.positive.bucket_counts.extend([1, 1])
            fill(point.attributes, flag)

    assert rejected_points(send(source(server), metrics(world, make), "metrics")) == (0, "")
    assert series(world) == {"reranker_v2": ((0 + 1.5 + 3) / 3, 3)}
    plan = StagePlan(rule="pro-10", first_revision=1, shares={"reranker_v2": 1.0, "baseline": 9.0})
    (arms,) = world.telemetry.arms(HERE, RATE, [plan], baseline="baseline")
    assert (arms.candidate.units, arms.candidate.joined_units) == (1, 0)
    presence = world.telemetry.metric_presence(HERE, "wrong")
    assert (presence.events, presence.joined_events, presence.unit_names) == (3, 0, ("observation",))


def test_a_counter_s_state_is_nothing_that_happened(server: Doors, world: World) -> None:
    def make(found: Any, at: int) -> None:
        total = found.add(name="requests").sum
        total.aggregation_temporality, total.is_monotonic = 2, True
        fill(total.data_points.add(time_unix_nano=at, as_int=7).attributes, {"conversation": "c-1"})
        found.add(name="quantiles").summary.data_points.add(time_unix_nano=at, count=1)
        nobody = found.add(name="free").gauge.data_points.add(time_unix_nano=at, as_double=1.0)
        fill(nobody.attributes, {"host": "a"})
        for value in (float("nan"), float("inf")):
            bad = found.add(name="latency").gauge.data_points.add(time_unix_nano=at, as_double=value)
            fill(bad.attributes, {"conversation": "c-1"})

    rejected, why = rejected_points(send(source(server), metrics(world, make), "metrics"))
    assert rejected == 5
    assert "TEMPORALITY_PREFERENCE=delta" in why
    assert "send a histogram" in why
    assert "name neither a unit nor a flag" in why
    assert "1 more reasons" in why or "2 more reasons" in why


# ---------------------------------------------------------------- the protocol


def status_of(answer: Any) -> Status:
    if answer.headers["content-type"] == "application/json":
        return json_format.Parse(answer.text, Status())
    return Status.FromString(answer.content)


@pytest.mark.parametrize("path", ["logs", "traces", "metrics"])
def test_errors_are_statuses_in_the_encoding_of_the_request(server: Doors, path: str) -> None:
    client, address = source(server), f"/otlp/v1/{path}"
    for headers, body, status, word in (
        (PROTOBUF, b"\xff\xff\xff", 400, "is no Export"),
        ({"Content-Type": "application/json"}, b"{", 400, "is no Export"),
        ({"Content-Type": "text/plain"}, b"", 415, "Content-Type"),
        (PROTOBUF | {"Content-Encoding": "br"}, b"", 400, "gzip, or none"),
        (PROTOBUF | {"Content-Encoding": "gzip"}, b"not gzip", 400, "is not gzip"),
        (PROTOBUF | {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 5000)[:-9], 400, "cut off"),
    ):
        answer = client.post(address, content=body, headers=headers)
        assert answer.status_code == status, (headers, answer.content)
        assert word in status_of(answer).message
    assert status_of(server.client().post(address, content=b"", headers=PROTOBUF)).code == 16
    agent = server.token(Scope.FLAGS_READ, kind=ActorKind.AGENT)
    refused = agent.post(address, content=b"", headers=PROTOBUF)
    assert (refused.status_code, status_of(refused).code) == (403, 7)


def test_what_unpacks_to_more_than_is_taken_is_too_large(server: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "MOST", 100_000)
    bomb = gzip.compress(b"\0" * 50_000_000)
    answer = source(server).post("/otlp/v1/logs", content=bomb, headers=PROTOBUF | {"Content-Encoding": "gzip"})
    assert (answer.status_code, status_of(answer).code) == (413, 8)


def test_more_at_once_than_is_written_is_asked_to_come_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "AT_ONCE", 0)
    server = Doors(world)
    for path, body in (("/otlp/v1/logs", b""), ("/api/v1/telemetry", b'{"batch_id": "b"}')):
        answer = source(server).post(path, content=body, headers=PROTOBUF)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1"), path
    assert source(server).get("/api/v1/environments").status_code in (200, 403), "everything else goes on"


def test_a_batch_waits_at_the_door_for_a_look_and_no_longer_than_a_moment(world: World) -> None:
    server = Doors(world)
    sender = source(server)
    with world.telemetry.first():
        started = time.monotonic()
        answer = sender.post("/api/v1/telemetry", json={"batch_id": "b"})
        waited = time.monotonic() - started
    assert answer.status_code == 200
    assert waited >= 0.9 * turns.PATIENCE
    assert world.telemetry.ahead() == 0.0


def test_whoever_waits_for_an_answer_goes_before_batches(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 30.0)
    server, ahead = Doors(world), []
    reading = world.telemetry.exposure_series

    def read(*given: Any, **named: Any) -> Any:
        ahead.append(world.telemetry.ahead())
        return reading(*given, **named)

    monkeypatch.setattr(world.telemetry, "exposure_series", read)
    path = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags/{FLAG}/insights"
    assert server.person("ines").get(path).status_code == 200
    assert [each > 0 for each in ahead] == [True]
    assert world.telemetry.ahead() == 0.0


def test_the_published_sample_of_an_evaluation_is_read(server: Doors) -> None:
    sample = needs.shared("standards", "otlp", "otlp_logs_feature_flag_evaluation.json").read_bytes()
    answer = source(server).post("/otlp/v1/logs", content=sample, headers={"Content-Type": "application/json"})
    told = answer.json()["partialSuccess"]
    count = len(json.loads(sample)["resourceLogs"][0]["scopeLogs"][0]["logRecords"])
    assert (answer.status_code, int(told["rejectedLogRecords"])) == (200, count)
    assert "there is no flag" in told["errorMessage"] or "is missing" in told["errorMessage"]


@pytest.mark.parametrize(
    ("name", "path"), [("logs", "logs"), ("trace", "traces"), ("metrics", "metrics"), ("events", "logs")]
)
def test_the_samples_of_the_protocol_are_read(server: Doors, name: str, path: str) -> None:
    sample = needs.shared("standards", "otlp", f"{name}.json").read_bytes()
    answer = source(server).post(f"/otlp/v1/{path}", content=sample, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200, answer.text
