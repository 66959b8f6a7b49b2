"""The floor: server-sent events of a given size on raw ASGI, nothing else. `python -m benchmarks.streaming.floor PORT`.

`POST /N` writes an event of N bytes to everybody who is connected and leaves a line with its number and the moment it
began. The same uvicorn, set up in the same way, as Twokey's.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import uvicorn

OPENING = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}


class Floor:
    """The ASGI application."""

    def __init__(self) -> None:
        self._sends: list[Any] = []
        self._number = 1

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "POST":
            await self._publish(int(scope["path"][1:]))
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        await send(OPENING)
        await send(self._body(100))
        self._sends.append(send)
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _publish(self, size: int) -> None:
        self._number += 1
        print(self._number, *(time.monotonic(),) * 3, flush=True)
        body = self._body(size)
        for send in self._sends:
            await send(body)

    def _body(self, size: int) -> dict[str, Any]:
        head = f"id: {self._number}-0\nevent: patch\ndata: ".encode()
        return {"type": "http.response.body", "body": head.ljust(size - 2, b"x") + b"\n\n", "more_body": True}


def main() -> None:
    """Serve until told to stop."""
    config = uvicorn.Config(
        Floor(), port=int(sys.argv[1]), log_level="critical", access_log=False, lifespan="off", ws="none",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
