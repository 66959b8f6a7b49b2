"""The shape of OFREP answers.

Rules kept here (what the protocol leaves open, its clients decide):
- every failure has `errorCode` and `errorDetails`, also 401, 429 and 500; and `key` where one flag was asked for;
- `Retry-After` is a whole number of seconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

JSON = (b"content-type", b"application/json")
encode = msgspec.json.Encoder().encode
Headers = tuple[tuple[bytes, bytes], ...]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Status, body and headers of one answer."""

    status: int
    body: bytes
    headers: Headers = ()


async def answer(send: Send, given: Answer, more: Headers = ()) -> None:
    """Send an answer, with headers that depend on who asked."""
    body = given.body
    shown = [JSON, (b"content-length", b"%d" % len(body))] if body else []
    if given.headers or more:
        shown += (*given.headers, *more)
    await send({"type": "http.response.start", "status": given.status, "headers": shown})
    await send({"type": "http.response.body", "body": body})


def failure(status: int, key: str | None, code: str, details: str, headers: Headers = ()) -> Answer:
    """A refusal, or what went wrong, about one flag or (without a key) about all."""
    return Answer(status, encode(failed(key, code, details)), headers)


def failed(key: str | None, code: str, details: str) -> dict[str, str]:
    """The document of a failure."""
    named = {} if key is None else {"key": _sendable(key)}
    return {**named, "errorCode": code, "errorDetails": _sendable(details)}


def unknown_flag(key: str) -> Answer:
    """The same words for a flag that does not exist and for one that the caller may not see."""
    return failure(404, key, "FLAG_NOT_FOUND", f"flag `{key[:200]}` does not exist")


def too_many(key: str | None, seconds: int) -> Answer:
    """Come back later."""
    details = f"more evaluations than this token may ask for: try again in {seconds} seconds"
    return failure(429, key, "GENERAL", details, ((b"retry-after", str(seconds).encode()),))


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
