"""Spans of a run, by OpenTelemetry's conventions for generative AI. Content stays out of them unless it was asked for.

Rules kept here:
- names and numbers alone by default: no prompt, no answer, no argument and no result of a tool;
- errors are told by their kind, never by their text: a provider's words are not ours to repeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from twokey import __version__
from twokey.assistant.settings import Settings

AGENT = "twokey-assistant"


class Spans:
    """Begins spans of one run."""

    def __init__(self, settings: Settings, case: str) -> None:
        self._settings, self._case = settings, case
        self._tracer = trace.get_tracer("twokey.assistant", __version__)

    @contextmanager
    def run(self) -> Iterator[Span]:
        """The run of one case."""
        with self._span(f"invoke_agent {AGENT}", "invoke_agent", SpanKind.INTERNAL) as span:
            span.set_attribute("gen_ai.agent.name", AGENT)
            yield span

    @contextmanager
    def chat(self) -> Iterator[Span]:
        """One request to the model."""
        with self._span(f"chat {self._settings.model}", "chat", SpanKind.CLIENT) as span:
            address = urlsplit(self._settings.url)
            span.set_attribute("server.address", address.hostname or "")
            span.set_attribute("server.port", address.port or (443 if address.scheme == "https" else 80))
            span.set_attribute("gen_ai.request.max_tokens", self._settings.budget.reply_tokens)
            yield span

    @contextmanager
    def tool(self, name: str, id: str) -> Iterator[Span]:
        """One call of a tool."""
        with self._span(f"execute_tool {name}", "execute_tool", SpanKind.INTERNAL) as span:
            span.set_attributes({"gen_ai.tool.name": name, "gen_ai.tool.call.id": id, "gen_ai.tool.type": "function"})
            yield span

    def said(self, span: Span, content: Mapping[str, str]) -> None:
        """Put content into a span by the names of its attributes, where that was asked for."""
        if self._settings.content:
            span.set_attributes(dict(content))

    @contextmanager
    def _span(self, name: str, operation: str, kind: SpanKind) -> Iterator[Span]:
        known = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self._settings.provider.partition("-")[0],
            "gen_ai.request.model": self._settings.model,
            "gen_ai.conversation.id": self._case,
        }
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=known, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as error:
                failed(span, str(getattr(error, "kind", type(error).__name__)))
                raise


def failed(span: Span, kind: str) -> None:
    """Say that what the span is about failed, by its kind."""
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def answered(span: Span, told: Mapping[str, Any]) -> None:
    """What a provider said of its reply: its model, its id, why it ended, what it took."""
    names = {
        "model": "gen_ai.response.model",
        "id": "gen_ai.response.id",
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
    }
    span.set_attributes({name: told[key] for key, name in names.items() if told.get(key) is not None})
    if told.get("finish"):
        span.set_attribute("gen_ai.response.finish_reasons", (str(told["finish"]),))
