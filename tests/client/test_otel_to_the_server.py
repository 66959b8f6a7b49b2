"""The official OpenTelemetry SDK and exporters, as they are, feed a running server: hook, SDK, exporter, verdict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.support.process import ServerProcess, eventually
from tests.support.world import ENVIRONMENT, FLAG, PROJECT
from twokey.client import File, TwokeyProvider
from twokey.client.otel import EvaluationEvents

PAGE = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags/{FLAG}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("otel") / "data").start()
    yield running
    running.stop()


def to(server: ServerProcess, signal: str) -> dict[str, Any]:
    return {
        "endpoint": f"{server.url}/otlp/v1/{signal}",
        "headers": {"Authorization": f"Bearer {server.tokens['telemetry']}"},
    }


def exposures(server: ServerProcess) -> dict[tuple[str | None, str], int]:
    with closing(server.person("mara")) as mara:
        found = mara.get(PAGE).json()["exposures"]
    return {(each["rule"], each["assigned"]): each["units"] for each in found}


def test_evaluations_by_the_hook_and_the_log_exporter_reach_the_flag_s_page(
    server: ServerProcess, tmp_path: Path
) -> None:
    with closing(server.person("mara")) as mara:
        (tmp_path / "flags.json").write_bytes(
            mara.get(f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/snapshot").content
        )
    provider = TwokeyProvider(File(path=tmp_path / "flags.json"))
    api.set_provider_and_wait(provider, "otel-to-server")
    logs = LoggerProvider()
    logs.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(**to(server, "logs"), compression=Compression.Gzip))
    )
    flags = api.get_client("otel-to-server")
    flags.add_hooks([EvaluationEvents(logs)])
    served = [
        flags.get_string_value(FLAG, "x", EvaluationContext(f"u-{each}", {"plan": "pro", "conversation": f"c-{each}"}))
        for each in range(400)
    ]
    logs.shutdown()
    provider.shutdown()
    found = eventually(lambda: exposures(server), what="the exposures")
    assert found == {("pro-10", name): served.count(name) for name in ("reranker_v2", "baseline")}
    assert 0 < served.count("reranker_v2") < 100


def test_a_span_s_event_by_the_span_exporter_is_an_exposure(server: ServerProcess) -> None:
    spans = TracerProvider()
    spans.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(**to(server, "traces"))))
    before = sum(exposures(server).values())
    with spans.get_tracer("app").start_as_current_span("answer") as span:
        span.add_event(
            "feature_flag",
            {
                "feature_flag.key": FLAG,
                "feature_flag.variant": "reranker_v2",
                "feature_flag.evaluation.reason": "split",
                "feature_flag.version": "1",
                "conversation": "c-by-span",
            },
        )
    spans.shutdown()
    assert sum(exposures(server).values()) == before + 1


def test_a_histogram_by_the_metric_exporter_is_charted_by_variation(server: ServerProcess) -> None:
    exporter = OTLPMetricExporter(
        **to(server, "metrics"), preferred_temporality={Histogram: AggregationTemporality.DELTA}
    )
    meters = MeterProvider([PeriodicExportingMetricReader(exporter, export_interval_millis=60_000)])
    latency = meters.get_meter("app").create_histogram("answer_latency_ms", unit="ms")
    for each in range(20):
        latency.record(900.0 + each, {"conversation": f"c-{each}"})
    meters.shutdown()
    with closing(server.person("mara")) as mara:
        lines = mara.get(f"{PAGE}/series", params={"guardrail": "p95_latency", "minutes": 90}).json()["lines"]
    assert {each["variation"] for each in lines} <= {"baseline", "reranker_v2", None}
    assert lines, "what was measured is charted under what each conversation was assigned"
