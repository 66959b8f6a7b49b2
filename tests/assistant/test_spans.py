"""Spans by OpenTelemetry's conventions for generative AI: names and numbers; content only where it was asked for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.assistant.test_runs import hasty
from tests.support.assisting import Room, settings_for
from tests.support.providers import KEY, MODEL, FakeProvider, Status, concludes, reads


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Keeps what is exported; the tracer of this process is left as it was."""
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield kept
    provider.shutdown()


def by_name(exporter: InMemorySpanExporter) -> dict[str, list[ReadableSpan]]:
    found: dict[str, list[ReadableSpan]] = {}
    for span in exporter.get_finished_spans():
        found.setdefault(span.name, []).append(span)
    return found


def test_a_run_its_requests_and_its_tools_are_spans(desk: Room, exporter: InMemorySpanExporter) -> None:
    with FakeProvider(reads, concludes) as provider:
        desk.run(settings_for(provider, "anthropic"))
    spans = by_name(exporter)
    (run,) = spans["invoke_agent twokey-assistant"]
    first, second = spans[f"chat {MODEL}"]
    assert run.attributes and first.attributes and second.attributes  # noqa: PT018 - for the type checker
    assert dict(first.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.max_tokens": 4096,
        "gen_ai.conversation.id": desk.case,
        "gen_ai.response.model": MODEL,
        "gen_ai.response.id": "msg-1",
        "gen_ai.response.finish_reasons": ("tool_call",),
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "server.address": "127.0.0.1",
        "server.port": provider.port,
    }
    assert (first.kind, run.kind) == (SpanKind.CLIENT, SpanKind.INTERNAL)
    assert run.attributes["gen_ai.agent.name"] == "twokey-assistant"
    assert run.status.status_code is StatusCode.UNSET
    tools = spans["execute_tool read_evidence"]
    assert {each.attributes["gen_ai.tool.name"] for each in tools if each.attributes} == {"read_evidence"}
    assert {each.parent.span_id for each in (first, second, *tools) if each.parent} == {run.context.span_id}


def test_no_content_is_in_a_span_unless_it_was_asked_for(desk: Room, exporter: InMemorySpanExporter) -> None:
    with FakeProvider(reads, concludes) as provider:
        desk.run(settings_for(provider, "openai"))
    whole = "".join(each.to_json() for each in exporter.get_finished_spans())
    assert "candidate_value" not in whole
    assert "reranker_v2" not in whole
    exporter.clear()
    with FakeProvider(reads, concludes) as provider:
        desk.run(settings_for(provider, "openai", content=True))
    spans = by_name(exporter)
    last = spans[f"chat {MODEL}"][-1].attributes or {}
    assert "candidate_value" in str(last["gen_ai.input.messages"])
    assert "submit_finding" in str(last["gen_ai.output.messages"])
    tool = spans["execute_tool read_evidence"][0].attributes or {}
    assert "written by others" in str(tool["gen_ai.tool.call.result"])
    whole = "".join(each.to_json() for each in exporter.get_finished_spans())
    assert KEY not in whole
    assert desk.token not in whole


def test_a_failure_is_told_by_its_kind_and_never_by_a_providers_words(
    desk: Room, exporter: InMemorySpanExporter
) -> None:
    with FakeProvider(Status(401, message=f"wrong key {KEY}")) as provider:
        desk.run(settings_for(provider, "openai", hasty()))
    spans = by_name(exporter)
    (asked,) = spans[f"chat {MODEL}"]
    (run,) = spans["invoke_agent twokey-assistant"]
    assert (asked.attributes or {})["error.type"] == "rejected"
    assert (run.attributes or {})["error.type"] == "provider"
    assert asked.status.status_code is run.status.status_code is StatusCode.ERROR
    assert "wrong key" not in "".join(each.to_json() for each in exporter.get_finished_spans())
