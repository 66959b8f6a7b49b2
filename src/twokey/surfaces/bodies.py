"""Requests' bodies, read whole before a door opens, and read again by whoever stands behind it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from starlette.types import Receive


async def whole(receive: Receive, limit: int | None = None) -> bytes | None:
    """The whole body, or nothing where it is larger than `limit` bytes; what came until the sender hung up."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(parts)
        size += len(message.get("body", b""))
        if limit is not None and size > limit:
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def again(body: bytes, receive: Receive) -> Receive:
    """What was read, to be read once more; then whatever comes."""
    given = False

    async def replay() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
