"""OFREP's own description (OpenAPI), asked of every answer that a server under test gives.

`Watched` wraps a server's application: it looks at each answer on the way out, those to real clients too, and keeps
what is wrong with it. The description contradicts itself in places; `AMENDMENTS` names each, and nothing else of it is
changed. `tests/surfaces/test_ofrep_conformance.py` sees that each is still needed.

Beside the description stand the promises of ours that real clients depend on: every failure has `errorCode` and
`errorDetails`, and `key` where one flag was asked for; a success has `variant` and `metadata`; `Retry-After` is a whole
number of seconds.
"""

from __future__ import annotations

import copy
import functools
import json
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from jsonschema_rs import Draft202012Validator

from tests import needs

FLAGS = "/ofrep/v1/evaluate/flags"
Document = dict[str, Any]
Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


def _default_is_a_reason(schemas: Document) -> None:
    """The list of reasons lacks DEFAULT, which OpenFeature defines and ADR-0006 of the protocol itself answers with."""
    schemas["evaluationSuccess"]["allOf"][0]["properties"]["reason"]["enum"].append("DEFAULT")


def _a_value_has_one_type(schemas: Document) -> None:
    """`codeDefaultFlag` is meant for answers without a value, and as it stands fits every answer: the `oneOf` that it
    is part of refuses each answer with a value. The same `oneOf` refuses an integer, which is a number too.
    """
    schemas["codeDefaultFlag"]["not"] = {"required": ["value"]}
    choice = schemas["evaluationSuccess"]["allOf"][1]
    choice["anyOf"] = choice.pop("oneOf")


def _a_flag_of_many_may_be_missing(schemas: Document) -> None:
    """The example of a bulk answer holds a FLAG_NOT_FOUND, which the schema of its failures does not list."""
    schemas["evaluationFailure"]["properties"]["errorCode"]["enum"].append("FLAG_NOT_FOUND")


def _a_structure_may_be_a_list(schemas: Document) -> None:
    """OpenFeature's structured values are any JSON, and clients take lists; the description knows objects alone."""
    schemas["objectFlag"]["properties"]["value"]["type"] = ["object", "array"]


AMENDMENTS: tuple[Callable[[Document], None], ...] = (
    _default_is_a_reason,
    _a_value_has_one_type,
    _a_flag_of_many_may_be_missing,
    _a_structure_may_be_a_list,
)


@functools.cache
def description() -> Document:
    """The description as published; the test skips where it is absent."""
    read: Document = yaml.safe_load(needs.shared("standards", "ofrep", "openapi.yaml").read_text(encoding="utf-8"))
    return read


@functools.cache
def schema(name: str, *without: Callable[[Document], None]) -> Draft202012Validator:
    """One schema of the description with the amendments, save those that are named."""
    components = copy.deepcopy(description()["components"])
    for amend in AMENDMENTS:
        if amend not in without:
            amend(components["schemas"])
    root = {"$ref": f"#/components/schemas/{name}", "components": components}
    return Draft202012Validator(root, validate_formats=True)


BODIES = {
    ("single", 200): "serverEvaluationSuccess",
    ("single", 400): "evaluationFailure",
    ("single", 404): "flagNotFound",
    ("single", 500): "generalErrorResponse",
    ("bulk", 200): "bulkEvaluationSuccess",
    ("bulk", 400): "bulkEvaluationFailure",
    ("bulk", 500): "generalErrorResponse",
}


@dataclass
class Seen:
    """One answer: what was asked, and what came."""

    method: str
    path: str
    query: str
    asked: bytes
    requested: dict[str, str]
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def operation(self) -> str:
        return "bulk" if self.path.rstrip("/") == FLAGS else "single"

    def document(self) -> Document:
        read: Document = json.loads(self.body)
        return read

    def context(self) -> Document:
        read: Document = json.loads(self.asked)["context"]
        return read


def problems(seen: Seen) -> Iterator[str]:
    """Everything that is wrong with an answer to a POST, by the description and by our own promises."""
    if seen.status == 304:
        yield from ["a 304 has no body"] if seen.body else []
        yield from [] if "etag" in seen.headers else ["a 304 has no ETag"]
        return
    if not re.fullmatch(r"application/json(;.*)?", seen.headers.get("content-type", "")):
        yield "the answer is not said to be JSON"
    document = seen.document()
    name = BODIES.get((seen.operation, seen.status))
    if name is not None:
        yield from (f"{name}: {error.message}" for error in schema(name).iter_errors(document))
    yield from _of_success(seen, document) if seen.status == 200 else _of_failure(seen, document)


def _of_success(seen: Seen, document: Document) -> Iterator[str]:
    if seen.operation == "bulk" and not seen.headers.get("etag"):
        yield "a bulk answer has no ETag"
    for each in document["flags"] if seen.operation == "bulk" else [document]:
        if "errorCode" not in each and not {"value", "variant", "metadata"} <= each.keys():
            yield f"not every client takes an answer that lacks value, variant or metadata: {each}"


def _of_failure(seen: Seen, document: Document) -> Iterator[str]:
    for name in ("errorCode", "errorDetails") + (("key",) if seen.operation == "single" else ()):
        if not document.get(name):
            yield f"the failure lacks `{name}`"
    if seen.status == 429 and not re.fullmatch("[1-9][0-9]*", seen.headers.get("retry-after", "")):
        yield "a 429 needs a Retry-After in whole seconds"


def frames(text: str) -> Iterator[dict[str, str]]:
    """The events of a stream as far as they are complete; comments are left out."""
    for block in text.replace("\r\n", "\n").split("\n\n")[:-1]:
        lines = (line.partition(":") for line in block.split("\n") if line and not line.startswith(":"))
        if found := {name: value.removeprefix(" ") for name, _, value in lines}:
            yield found


def problems_of_stream(text: str) -> Iterator[str]:
    """What is wrong with the events of a stream of change notices."""
    for frame in frames(text):
        event = {name: int(value) if name == "retry" else value for name, value in frame.items()}
        if event.keys() == {"retry"}:
            continue
        yield from (f"sseEvent: {error.message}" for error in schema("sseEvent").iter_errors(event))
        if "data" in event:
            data = json.loads(str(event["data"]))
            yield from (f"sseEventData: {error.message}" for error in schema("sseEventData").iter_errors(data))


class Watched:
    """An application whose OFREP answers are looked at: `seen` holds them, `problems` what is wrong with them."""

    def __init__(self, app: App) -> None:
        self._app = app
        description()
        self.seen: list[Seen] = []
        self.problems: list[str] = []

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Any) -> None:
        if scope["type"] != "http" or not scope["path"].startswith("/ofrep/"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        seen = Seen(scope["method"], scope["path"], scope["query_string"].decode(), b"", headers)

        async def hear() -> Message:
            message = await receive()
            seen.asked += message.get("body", b"")
            return message

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                seen.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
                self.seen.append(seen)
            elif message["type"] == "http.response.body":
                seen.body += message.get("body", b"")
                if seen.method == "POST" and not message.get("more_body"):
                    self._judge(seen)
            await send(message)

        await self._app(scope, hear, tell)

    def _judge(self, seen: Seen) -> None:
        self.problems += [f"{seen.path} {seen.status}: {each}" for each in problems(seen)]

    def streams(self) -> list[Seen]:
        """The streams of change notices that were opened."""
        return [each for each in self.seen if each.headers.get("content-type", "").startswith("text/event-stream")]

    def asked(self, operation: str = "bulk") -> list[Seen]:
        """The evaluations that were asked for."""
        return [each for each in self.seen if each.method == "POST" and each.operation == operation]

    def judge_streams(self) -> None:
        """Look at what the streams carried so far."""
        for each in self.streams():
            self.problems += [f"{each.path}: {problem}" for problem in problems_of_stream(each.body.decode())]
