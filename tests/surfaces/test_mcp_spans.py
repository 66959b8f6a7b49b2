"""An agent's trace goes on here: the context that its call names is the parent of the call's span."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.support.server import Doors
from tests.support.world import World
from tests.surfaces.test_mcp_http import ADDRESS, ERAS, PLACE, House, result_of
from twokey.surfaces.services import Agents

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Keeps what the protocol's library tells of itself; the tracer of this process is left as it was."""
    from mcp.shared import _otel

    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    monkeypatch.setattr(_otel, "_tracer", provider.get_tracer("test"))
    yield kept
    provider.shutdown()


@pytest.fixture
def house(world: World) -> Iterator[House]:
    doors = Doors(world, agents=Agents(address=ADDRESS))
    with doors.client() as http:
        yield House(world, doors, http)


def called(house: House, exporter: InMemorySpanExporter, era: str, **meta: Any) -> ReadableSpan:
    _, secret = house.token()
    params = {"name": "list_flags", "arguments": PLACE, "_meta": meta}
    assert not result_of(house.send("tools/call", params, token=secret, era=era)).get("isError")
    (span,) = (each for each in exporter.get_finished_spans() if each.name == "tools/call list_flags")
    return span


@ERAS
def test_a_call_s_span_belongs_to_the_agent_s_trace(house: House, exporter: InMemorySpanExporter, era: str) -> None:
    span = called(house, exporter, era, traceparent=f"00-{TRACE}-{SPAN}-01")
    assert span.kind is SpanKind.SERVER
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN
    told = dict(span.attributes or {})
    assert (told["mcp.method.name"], told["gen_ai.tool.name"]) == ("tools/call", "list_flags")
    assert span.status.status_code is StatusCode.UNSET


@ERAS
@pytest.mark.parametrize("nonsense", ["", "00-zz-zz-01", 7, {"a": 1}, "x" * 100_000])
def test_a_context_that_is_none_costs_the_call_nothing(
    house: House, exporter: InMemorySpanExporter, era: str, nonsense: object
) -> None:
    assert called(house, exporter, era, traceparent=nonsense).parent is None
