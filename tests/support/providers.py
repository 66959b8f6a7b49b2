"""Providers of models on loopback, that speak the protocols of OpenAI and Anthropic and do what a script tells them.

`FakeProvider(script)` serves `/v1/chat/completions`, `/v1/responses` and `/v1/messages`. The n-th request is answered
by the n-th act of the script, and every later one by the last. An act is one of the classes below, or a function of
the request that gives one: that is how a model obeys, copies or lies, whatever it is asked. Every request is kept whole
in `requests`, headers and body, so that a test can look for what must never be there (`everything`).
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from tests.support.process import free_port

Protocol = Literal["openai", "openai-responses", "anthropic"]
PROTOCOLS: tuple[Protocol, ...] = ("openai", "openai-responses", "anthropic")
PATHS: Mapping[str, Protocol] = {
    "/v1/chat/completions": "openai",
    "/v1/responses": "openai-responses",
    "/v1/messages": "anthropic",
}
KEY = "sk-canary-0123456789abcdefghij"
"""The provider's key in tests: what must stand in one header, and nowhere else."""
MODEL = "fake-1"


# ------------------------------------------------------------- what a provider may do


@dataclass(frozen=True)
class Calls:
    """Call these tools, each a name and what it is given (a text is sent as it is, however broken)."""

    calls: tuple[tuple[str, Any], ...]
    text: str = ""
    finish: str = "tools"
    tokens: tuple[int, int] = (1000, 100)


@dataclass(frozen=True)
class Text:
    """Say this and call nothing; `finish` is `stop`, `length` or `filter`."""

    text: str
    finish: str = "stop"


@dataclass(frozen=True)
class Status:
    """Answer with an error of this status."""

    status: int
    retry_after: str | None = None
    message: str = "something went wrong"
    code: str = "server_error"


@dataclass(frozen=True)
class Raw:
    """Send these bytes as the body of a 200."""

    body: bytes
    type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CutOff:
    """Begin an answer, and close the connection in the middle of it."""


@dataclass(frozen=True)
class Silence:
    """Say nothing until the other side has gone, or so many seconds have passed."""

    seconds: float = 30.0


@dataclass(frozen=True)
class Drip:
    """Send one byte, wait, send the next: never silent, never done."""

    pause: float = 0.05
    seconds: float = 30.0


@dataclass(frozen=True)
class Redirect:
    """Send the caller elsewhere."""

    to: str


def call(name: str, given: Any = None, *more: tuple[str, Any], text: str = "") -> Calls:
    """One call, and perhaps more beside it."""
    return Calls(((name, {} if given is None else given), *more), text)


def huge(size: int = 8_000_000) -> Raw:
    """An answer that goes on and on."""
    return Raw(b'{"id": "' + b"x" * size + b'"}')


def packed(size: int = 50_000_000) -> Raw:
    """A small answer that unpacks into a huge one."""
    return Raw(gzip.compress(b" " * size), headers=(("Content-Encoding", "gzip"),))


Act = Calls | Text | Status | Raw | CutOff | Silence | Drip | Redirect


# ------------------------------------------------------------- what it was asked


@dataclass(frozen=True)
class Request:
    """One request, whole."""

    protocol: Protocol
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed

    @property
    def tools(self) -> set[str]:
        """Names of the tools that were offered."""
        return {each.get("name") or each["function"]["name"] for each in self.json["tools"]}

    @property
    def said(self) -> list[Any]:
        """The conversation, as this protocol has it."""
        found: list[Any] = self.json.get("messages") or self.json.get("input") or []
        return found

    @property
    def texts(self) -> list[str]:
        """Every text of the conversation, instructions included, in order."""
        return list(_texts([self.json.get("system"), self.json.get("instructions"), self.said]))

    @property
    def results(self) -> list[dict[str, Any]]:
        """The results of tools so far, oldest first."""
        found = []
        for text in self.texts:
            with suppress(ValueError):
                parsed = json.loads(text)
                found += [parsed] if isinstance(parsed, dict) and "tool" in parsed else []
        return found

    @property
    def case(self) -> dict[str, Any]:
        """The case as the first message tells it."""
        first = next(text for text in self.texts if text.startswith("The case:"))
        told: dict[str, Any] = json.loads(first.partition("\n")[2])["case"]
        return told

    @property
    def whole(self) -> str:
        """Everything that went over the wire but the header in which the key belongs."""
        kept = {name: each for name, each in self.headers.items() if name not in ("authorization", "x-api-key")}
        return f"{self.path}\n{json.dumps(kept)}\n{self.body.decode()}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


Scripted = Act | Callable[[Request], Act]


# ------------------------------------------------------------- the server


@dataclass
class FakeProvider:
    """A provider that follows a script. Use it as a context."""

    script: tuple[Scripted, ...]
    port: int = field(default_factory=free_port)
    requests: list[Request] = field(default_factory=list)

    def __init__(self, *script: Scripted) -> None:
        self.script, self.port, self.requests = script, free_port(), []
        self._lock, self.stopped = threading.Lock(), threading.Event()

    def __enter__(self) -> FakeProvider:
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def url(self, protocol: Protocol) -> str:
        """The address that a client of this protocol is given."""
        return f"http://127.0.0.1:{self.port}" + ("" if protocol == "anthropic" else "/v1")

    @property
    def everything(self) -> str:
        """All that was ever sent here, but the headers in which the key belongs."""
        return "\n".join(each.whole for each in self.requests)

    def take(self, request: Request) -> Act:
        """Keep the request; what is to be done with it."""
        with self._lock:
            act = self.script[min(len(self.requests), len(self.script) - 1)]
            self.requests.append(request)
        return act if not callable(act) else act(request)


def _handler(provider: FakeProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            protocol = PATHS.get(self.path.partition("?")[0])
            if protocol is None:
                return self._send(404, b"{}")
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(protocol, self.path, headers, body)
            with suppress(OSError):
                self._do(request, provider.take(request))
            return None

        def _do(self, request: Request, act: Act) -> None:
            match act:
                case Calls() | Text():
                    self._send(200, json.dumps(ANSWERS[request.protocol](act, len(provider.requests))).encode())
                case Status():
                    after = () if act.retry_after is None else (("Retry-After", act.retry_after),)
                    error = {"type": act.code, "code": act.code, "message": act.message}
                    self._send(act.status, json.dumps({"type": "error", "error": error}).encode(), *after)
                case Raw():
                    self._send(200, act.body, *act.headers, type=act.type)
                case Redirect():
                    self._send(307, b"", ("Location", act.to))
                case CutOff():
                    self._head(200, 5000, "application/json")
                    self.wfile.write(b'{"id": "x", "choices": [')
                    self.close_connection = True
                case Silence():
                    provider.stopped.wait(act.seconds)
                    self.close_connection = True
                case Drip():
                    self._drip(act)

        def _drip(self, act: Drip) -> None:
            self._head(200, 1_000_000, "application/json")
            for _ in range(int(act.seconds / act.pause)):
                self.wfile.write(b" ")
                self.wfile.flush()
                if provider.stopped.wait(act.pause):
                    break
            self.close_connection = True

        def _send(
            self, status: int, body: bytes, *headers: tuple[str, str], type: str = "application/json"
        ) -> None:  # fmt: skip
            self._head(status, len(body), type, *headers)
            self.wfile.write(body)

        def _head(self, status: int, length: int, type: str, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in (("Content-Type", type), ("Content-Length", str(length)), *headers):
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


# ------------------------------------------------------------- how each protocol says it


def _given(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given)


def _chat(act: Calls | Text, number: int) -> dict[str, Any]:
    calls = act.calls if isinstance(act, Calls) else ()
    message: dict[str, Any] = {"role": "assistant", "content": act.text or None}
    if calls:
        message["tool_calls"] = [
            {"id": f"call-{number}-{n}", "type": "function", "function": {"name": name, "arguments": _given(given)}}
            for n, (name, given) in enumerate(calls)
        ]
    finish = {"tools": "tool_calls", "stop": "stop", "length": "length", "filter": "content_filter"}[act.finish]
    tokens = act.tokens if isinstance(act, Calls) else (1000, 100)
    return {
        "id": f"chat-{number}", "object": "chat.completion", "created": 1_790_000_000, "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)},
    }  # fmt: skip


def _responses(act: Calls | Text, number: int) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if act.text:
        content = [{"type": "output_text", "text": act.text, "annotations": []}]
        output.append({
            "type": "message", "id": f"msg-{number}", "role": "assistant", "status": "completed", "content": content
        })  # fmt: skip
    for n, (name, given) in enumerate(act.calls if isinstance(act, Calls) else ()):
        known = {"type": "function_call", "id": f"fc-{number}-{n}", "call_id": f"call-{number}-{n}"}
        output.append({**known, "name": name, "arguments": _given(given), "status": "completed"})
    why = {"length": "max_output_tokens", "filter": "content_filter"}.get(act.finish)
    tokens = act.tokens if isinstance(act, Calls) else (1000, 100)
    return {
        "id": f"resp-{number}", "object": "response", "created_at": 1_790_000_000, "model": MODEL, "output": output,
        "status": "incomplete" if why else "completed", "incomplete_details": {"reason": why} if why else None,
        "error": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0,
        "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "usage": {
            "input_tokens": tokens[0], "output_tokens": tokens[1], "total_tokens": sum(tokens),
            "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0},
        },
    }  # fmt: skip


def _messages(act: Calls | Text, number: int) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": act.text}] if act.text else []
    for n, (name, given) in enumerate(act.calls if isinstance(act, Calls) else ()):
        content.append({"type": "tool_use", "id": f"call-{number}-{n}", "name": name, "input": given})
    finish = {"tools": "tool_use", "stop": "end_turn", "length": "max_tokens", "filter": "refusal"}[act.finish]
    tokens = act.tokens if isinstance(act, Calls) else (1000, 100)
    return {
        "id": f"msg-{number}", "type": "message", "role": "assistant", "model": MODEL, "content": content,
        "stop_reason": finish, "stop_sequence": None,
        "usage": {"input_tokens": tokens[0], "output_tokens": tokens[1]},
    }  # fmt: skip


ANSWERS: Mapping[Protocol, Callable[[Calls | Text, int], dict[str, Any]]] = {
    "openai": _chat,
    "openai-responses": _responses,
    "anthropic": _messages,
}


# ------------------------------------------------------------- a model that does its work


def reads(request: Request) -> Act:
    """Read every piece of evidence that the case names, at once."""
    return Calls(tuple(("read_evidence", {"id": each["id"]}) for each in request.case["evidence"][:8]))


def concludes(request: Request, **more: Any) -> Act:
    """A finding over the verdict that was read, each figure of it cited as it stands there."""
    verdict = next(
        each["data"] for each in request.results if each["tool"] == "read_evidence" and _breached(each["data"])
    )  # fmt: skip
    body, value = verdict["body"], verdict["body"]["candidate_value"]
    rule = body["stages"][0]["rule"]
    suspect = {
        "flag": body["flag"],
        "variation": "reranker_v2",
        "rule": rule,
        "confidence": 0.8,
        "because": "it shifted",
    }
    weights = [["reranker_v2", 1000], ["baseline", 99_000]]
    finding = {
        "summary": f"{body['flag']} does harm by {body['guardrail']}",
        "recommendation": "reduce_percentage",
        "reason": f"the candidate stands at {value}",
        "confidence": 0.8,
        "suspects": [suspect],
        "citations": [{"evidence": verdict["id"], "path": "candidate_value", "value": value, "says": "the candidate"}],
        "title": "Less of it",
        "operations": [{"op": "set_weights", "flag": body["flag"], "rule": rule, "weights": weights}],
        "expected_effect": "fewer units meet it",
    }  # fmt: skip
    return call("submit_finding", finding | more)


def _breached(data: Any) -> bool:
    return isinstance(data, dict) and data.get("kind") == "verdict" and data["body"].get("status") == "breached"
