"""Each evaluation is an event of OpenTelemetry, under the names of the current conventions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider

from tests.client.test_hostile_servers import GOOD
from tests.needs import shared
from tests.support.world import FLAG
from twokey.client import File, TwokeyProvider
from twokey.client.otel import EvaluationEvents

CONTEXT = EvaluationContext("u-1", {"email": "ada@example.com", "conversation": "c-1"})


@pytest.fixture
def exporter() -> InMemoryLogRecordExporter:
    return InMemoryLogRecordExporter()


@pytest.fixture
def logs(exporter: InMemoryLogRecordExporter) -> Iterator[LoggerProvider]:
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture(autouse=True)
def _provider(tmp_path: Path) -> Iterator[None]:
    path = tmp_path / "flags.json"
    path.write_bytes(GOOD.to_json())
    provider = TwokeyProvider(File(path=path))
    api.set_provider_and_wait(provider, "otel")
    yield
    provider.shutdown()


def events(exporter: InMemoryLogRecordExporter) -> list[Any]:
    return [each.log_record for each in exporter.get_finished_logs()]


def test_an_evaluation_is_the_event_of_the_conventions(
    logs: LoggerProvider, exporter: InMemoryLogRecordExporter
) -> None:
    flags = api.get_client("otel")
    flags.add_hooks([EvaluationEvents(logs)])
    assert flags.get_string_value(FLAG, "x", CONTEXT) == "reranker_v2"
    (event,) = events(exporter)
    assert event.event_name == "feature_flag.evaluation"
    assert event.body is None
    assert dict(event.attributes) == {
        "feature_flag.key": FLAG,
        "feature_flag.result.variant": "reranker_v2",
        "feature_flag.result.reason": "targeting_match",
        "feature_flag.provider.name": "twokey",
        "feature_flag.context.id": "u-1",
        "feature_flag.set.id": "support/production",
        "feature_flag.version": "18",
        "twokey.revision": "18",
        "twokey.rule": "internal",
        "twokey.unit.name": "conversation",
        "twokey.unit.id": "c-1",
    }


def test_an_error_has_its_type_its_message_and_the_default(
    logs: LoggerProvider, exporter: InMemoryLogRecordExporter
) -> None:
    flags = api.get_client("otel")
    flags.add_hooks([EvaluationEvents(logs)])
    flags.get_object_value("nobody", {"mine": [1]}, CONTEXT)
    flags.get_boolean_value(FLAG, True, CONTEXT)
    missing, mismatch = (dict(each.attributes) for each in events(exporter))
    assert missing["error.type"] == "flag_not_found"
    assert missing["feature_flag.result.reason"] == "error"
    assert json.loads(missing["feature_flag.result.value"]) == {"mine": [1]}
    assert "nobody" in missing["feature_flag.error.message"]
    assert (mismatch["error.type"], mismatch["feature_flag.result.value"]) == ("type_mismatch", True)
    assert "feature_flag.result.variant" not in mismatch


def test_its_names_are_those_of_the_sample_payload(logs: LoggerProvider, exporter: InMemoryLogRecordExporter) -> None:
    sample = json.loads(shared("standards", "otlp", "otlp_logs_feature_flag_evaluation.json").read_text())
    records = sample["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    flags = api.get_client("otel")
    flags.add_hooks([EvaluationEvents(logs)])
    flags.get_string_value(FLAG, "x", CONTEXT)
    flags.get_string_value("nobody", "x", CONTEXT)
    assert [each.event_name for each in events(exporter)] == [each["eventName"] for each in records]
    assert [each.severity_number.value for each in events(exporter)] == [each["severityNumber"] for each in records]
    for event, record in zip(events(exporter), records, strict=True):
        assert {each["key"] for each in record["attributes"]} <= event.attributes.keys()


def test_the_event_belongs_to_the_current_span(logs: LoggerProvider, exporter: InMemoryLogRecordExporter) -> None:
    flags = api.get_client("otel")
    flags.add_hooks([EvaluationEvents(logs)])
    with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        flags.get_string_value(FLAG, "x", CONTEXT)
    (event,) = events(exporter)
    assert event.trace_id == span.get_span_context().trace_id
    assert event.span_id == span.get_span_context().span_id


@pytest.mark.parametrize(
    ("context_id", "told"), [(lambda key: f"hash of {key}", "hash of u-1"), (lambda _: None, None)]
)
def test_the_targeting_key_can_be_replaced_or_left_out(
    logs: LoggerProvider, exporter: InMemoryLogRecordExporter, context_id: Any, told: str | None
) -> None:
    flags = api.get_client("otel")
    flags.add_hooks([EvaluationEvents(logs, context_id=context_id)])
    flags.get_string_value(FLAG, "x", CONTEXT)
    assert events(exporter)[0].attributes.get("feature_flag.context.id") == told


def test_it_tells_of_other_providers_too(logs: LoggerProvider, exporter: InMemoryLogRecordExporter) -> None:
    api.set_provider_and_wait(InMemoryProvider({"on": InMemoryFlag("yes", {"yes": True})}), "memory")
    flags = api.get_client("memory")
    flags.add_hooks([EvaluationEvents(logs)])
    flags.get_boolean_value("on", False)
    attributes = dict(events(exporter)[0].attributes)
    assert attributes["feature_flag.provider.name"] == "In-Memory Provider"
    assert not {"feature_flag.set.id", "feature_flag.version", "feature_flag.context.id"} & attributes.keys()
