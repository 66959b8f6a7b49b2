"""Thousands of clients in one process: raw sockets that note when each revision came, and little more.

Rules kept here:

* a client counts a revision when its last byte is read, not when its first one is;
* what a client would do with it besides (put the patch on its snapshot, evaluate) costs it some 100 us; thousands of
  clients on one core would wait for each other, as in life they do not. So a chosen part of them does it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, cast

from twokey.client.frames import Frames
from twokey.client.reading import read_message, snapshot_of
from twokey.engine import Snapshot, evaluate

END = b"\n\n\r\n"
"""How a piece ends that ends an event, within a body that is sent in chunks."""


class Application:
    """What an application does with a change: the client's own code puts it on the snapshot held, and evaluates."""

    def __init__(self, key: str, context: dict[str, Any]) -> None:
        self._key, self._context, self._frames = key, context, Frames()
        self.held: Snapshot | None = None
        self.value: object = None

    def take(self, body: bytes) -> None:
        """Take what came, and evaluate the flag."""
        for frame in self._frames.feed(body):
            message = read_message(frame.data)
            if message is not None:
                self.held = snapshot_of(message, self.held)
        if self.held is not None:
            self.value = evaluate(self.held, self._key, self._context).value


class Client(asyncio.Protocol):
    """One connection: it notes the revision that it has come to."""

    __slots__ = ("_rest", "application", "crowd", "revision", "transport")

    def __init__(self, crowd: Crowd, application: Application | None) -> None:
        self.crowd, self.application = crowd, application
        self.revision, self._rest = 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self.crowd.request)

    def data_received(self, data: bytes) -> None:
        """Note what came, where it ends an event."""
        if data.endswith(END):
            body, self._rest = self._rest + data, b""
            self._take(body)
        elif self.application is not None:
            self._rest += data
        else:
            self._rest = self._marked(self._rest + data)

    def _marked(self, body: bytes) -> bytes:
        """As much as is needed to tell the revision when the event has ended."""
        at = body.rfind(b"id: ")
        return body[-10:] if at < 0 else body[at : at + 40]

    def _take(self, body: bytes) -> None:
        at = body.rfind(b"id: ")
        if at < 0:
            return
        self.revision = int(body[at + 4 : body.index(b"-", at)])
        now = time.monotonic()
        if self.application is not None:
            self.application.take(_without_chunks(body))
        self.crowd.note(self, now)

    def connection_lost(self, error: Exception | None) -> None:
        """Nobody is to lose a connection while it is measured."""
        self.crowd.lost += 1


class Crowd:
    """All clients of one server, and when each had which revision."""

    def __init__(self, port: int, token: str) -> None:
        self.request = (
            f"GET /stream/v1/snapshot HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        self._port, self.clients, self.lost = port, list[Client](), 0
        self.arrived: dict[int, list[float]] = {}
        self.evaluated: dict[int, list[tuple[float, object]]] = {}
        self._wanted, self._all = 0, asyncio.Event()

    async def grow(self, to: int, application: Callable[[int], Application | None] = lambda number: None) -> None:
        """Connect until there are so many."""
        loop, turn = asyncio.get_running_loop(), asyncio.Semaphore(100)

        async def connect(number: int) -> None:
            async with turn:
                _, client = await loop.create_connection(
                    lambda: Client(self, application(number)), "127.0.0.1", self._port
                )
                self.clients.append(client)

        await asyncio.gather(*(connect(number) for number in range(len(self.clients), to)))

    def note(self, client: Client, now: float) -> None:
        """A client has come to its revision."""
        found = self.arrived.setdefault(client.revision, [])
        found.append(now)
        if client.application is not None:
            done = self.evaluated.setdefault(client.revision, [])
            done.append((time.monotonic(), client.application.value))
        if client.revision >= self._wanted and len(found) >= len(self.clients):
            self._all.set()

    async def all_at(self, revision: int, patience: float = 60.0) -> None:
        """Wait until every client has come to that revision."""
        self._wanted = revision
        async with asyncio.timeout(patience):
            while sum(each.revision >= revision for each in self.clients) < len(self.clients):
                self._all.clear()
                await asyncio.wait([asyncio.ensure_future(self._all.wait())], timeout=1.0)

    def leave(self) -> None:
        """End all connections."""
        for each in self.clients:
            each.transport.abort()


def _without_chunks(body: bytes) -> bytes:
    """The content of a chunked body, headers (where there are any) taken off."""
    if body.startswith(b"HTTP/"):
        body = body.partition(b"\r\n\r\n")[2]
    parts, at = [], 0
    while at < len(body):
        line = body.index(b"\r\n", at)
        size = int(body[at:line], 16)
        parts.append(body[line + 2 : line + 2 + size])
        at = line + 4 + size
    return b"".join(parts)
