"""Connections that stay open, and are written to whenever their environment moves.

Rules kept here:
- nothing is queued for a connection: it has a place in a history that all share, and catches up from there;
- a connection that takes nothing for `PATIENCE` seconds is cut, and no other waits for it;
- one that had nothing to hear for `HEARTBEAT` seconds at most is told that the line is alive; not all at the same time;
- one whose token is revoked or expired ends, and so do all when the server is about to stop;
- after `TURN` connections whatever else the process has to do has its turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Generator, MutableMapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any, Protocol

from twokey.surfaces.hub.editions import Edition
from twokey.surfaces.hub.hub import Hub, Moved, Place

HEARTBEAT = 15.0
PATIENCE = 15.0
FAREWELL = 1.0
"""Seconds that a connection which is to end has to take its last words."""
LOOK = 1.0
"""Seconds between two looks at all connections."""
MOST = 20_000
"""Connections that one process keeps open."""
TURN = 200
"""Connections that are written to at a stretch; it takes some three milliseconds."""
ALIVE = b": still here\n\n"
log = logging.getLogger(__name__)
_GOLDEN = 0.618033988749895
"""Multiples of it modulo 1 lie evenly, however many there are."""
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Audience(Protocol):
    """Who is at the other end of one connection."""

    place: Place

    def due(self, edition: Edition) -> Sequence[bytes]:
        """What is to be written now that this edition is published; whoever asks again is told only what is new."""

    def welcome(self) -> bool:
        """Whether the connection may go on: the token it came with is still good. Touches memory alone."""

    def farewell(self) -> bytes:
        """The last words, before the server ends the connection."""


class _Line:
    """One connection. `since` is when the write began that has not ended yet, `spoke` when the last one did.

    `pump` is at it where a write has to wait. `silence` is how many seconds this one is left without a word.
    """

    __slots__ = ("audience", "ended", "pump", "send", "silence", "since", "spoke", "task")

    def __init__(self, audience: Audience, send: Send, task: asyncio.Task[Any], now: float, number: int) -> None:
        self.audience, self.send, self.task = audience, send, task
        self.pump: asyncio.Task[None] | None = None
        self.since: float | None = None
        self.spoke, self.ended = now, False
        # Those who all heard of the same change would else all be due for a heartbeat in the same moment.
        self.silence = HEARTBEAT * (1 - 0.5 * (number * _GOLDEN % 1))

    def end(self) -> None:
        """Let the connection end, in good order where the other side still listens."""
        if not self.ended:
            self.ended = True
            self.task.cancel()

    def cut(self) -> None:
        """Break the connection off, whatever is still to be written."""
        abort = getattr(getattr(getattr(self.send, "__self__", None), "transport", None), "abort", None)
        if abort is not None:
            abort()  # ASGI has no word for this; uvicorn then reports that the client is gone
        else:
            self.end()


class _Rest:
    """The rest of a write that was begun outside of a task, and waits for something: the task goes on from there."""

    __slots__ = ("_waits", "_writing")

    def __init__(self, writing: Coroutine[Any, Any, None], waits: Any) -> None:
        self._writing, self._waits = writing, waits

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            yield self._waits
        except BaseException:
            self._writing.close()
            raise
        yield from self._writing.__await__()


class Broadcast:
    """All open connections of one kind. `serve` keeps one of them until it ends."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._lines: dict[Place, dict[_Line, None]] = {}
        self._behind: dict[_Line, None] = {}
        self._numbers = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looks: asyncio.Task[None] | None = None
        self.count = 0
        hub.listen(self._tell)
        hub.on_close(self.end_all)

    @property
    def full(self) -> bool:
        """Whether there is room for no other connection."""
        return self.count >= MOST

    async def serve(self, audience: Audience, receive: Receive, send: Send) -> None:
        """Write what is due, from now until the client leaves or may not stay. The response has been started."""
        line = self._join(audience, send)
        if self._hub.closing:
            line.end()
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        except asyncio.CancelledError:
            if not line.ended:
                raise
            line.task.uncancel()
        finally:
            self._leave(line)
        if line.ended:
            await self._part(line)

    def _join(self, audience: Audience, send: Send) -> _Line:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine of a server runs in a task
        self._loop = task.get_loop()
        line = _Line(audience, send, task, self._loop.time(), self._numbers)
        self._lines.setdefault(audience.place, {})[line] = None
        self.count, self._numbers = self.count + 1, self._numbers + 1
        if self._looks is None or self._looks.done():
            self._looks = self._loop.create_task(self._look_after())
        self._nudge(line)
        return line

    def _leave(self, line: _Line) -> None:
        del self._lines[line.audience.place][line]
        self._behind.pop(line, None)
        self.count -= 1
        if line.pump is not None:
            line.pump.cancel()

    async def _part(self, line: _Line) -> None:
        if line.since is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL):
                    body = line.audience.farewell()
                    await line.send({"type": "http.response.body", "body": body, "more_body": False})
                    return
        line.cut()

    # ---------------------------------------------------------------- writing

    def _nudge(self, line: _Line, say: bytes = b"") -> None:
        """Have a connection catch up, unless it is at it; `say` is said where there is nothing else."""
        if line.pump is not None or self._loop is None:
            return
        writing = self._write(line, say)
        try:
            waits = writing.send(None)  # a task is for the few who have to wait: most can be written to at once
        except StopIteration:
            return
        line.pump = self._loop.create_task(self._go_on(line, _Rest(writing, waits)))

    async def _go_on(self, line: _Line, rest: _Rest) -> None:
        try:
            await rest
        finally:
            line.pump = None

    async def _write(self, line: _Line, say: bytes) -> None:
        """Catch up. Whatever goes wrong is this connection's end, and nobody else's business."""
        try:
            while (pieces := self._due(line)) or say:
                for piece in pieces or (say,):
                    line.since = self._now()
                    await line.send({"type": "http.response.body", "body": piece, "more_body": True})
                    line.since = None
                say = b""
                line.spoke = self._now()
        except Exception:
            log.exception("a stream cannot be written to")
            line.cut()

    def _due(self, line: _Line) -> Sequence[bytes]:
        edition = self._hub.held(line.audience.place)
        return () if edition is None else line.audience.due(edition)

    def _now(self) -> float:
        return 0.0 if self._loop is None else self._loop.time()

    # ---------------------------------------------------------------- what happens to all

    def _tell(self, moved: Moved) -> None:
        """Something was committed: called in any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._spread, moved)

    def _spread(self, moved: Moved) -> None:
        if moved.tokens != frozenset():
            self._end_unwelcome()
        idle = not self._behind
        for place in moved.places:
            self._behind.update(self._lines.get(place, ()))
        if idle:
            self._catch_up()

    def _catch_up(self) -> None:
        """Those who are behind, a part of them at a time."""
        turn = list(islice(self._behind, TURN))
        for line in turn:
            del self._behind[line]
            self._nudge(line)
        if self._behind and self._loop is not None:
            self._loop.call_soon(self._catch_up)

    def _end_unwelcome(self) -> None:
        for line in self._all():
            if not line.audience.welcome():
                line.end()

    def _all(self) -> list[_Line]:
        return [line for lines in self._lines.values() for line in lines]

    async def _look_after(self) -> None:
        """As long as anybody is connected: end whoever may not stay, cut the stuck, speak to the silent."""
        while self.count:
            await asyncio.sleep(LOOK)
            for number, line in enumerate(self._all(), 1):
                self._look_at(line, self._now())
                if number % TURN == 0:
                    await asyncio.sleep(0)

    def _look_at(self, line: _Line, now: float) -> None:
        if line not in self._lines[line.audience.place]:
            return  # it has left since the look began
        if not line.audience.welcome():
            line.end()
        elif line.since is not None and now - line.since > PATIENCE:
            line.cut()
        elif now - line.spoke > line.silence:
            self._nudge(line, ALIVE)

    def end_all(self) -> None:
        """The server is about to stop."""
        for line in self._all():
            line.end()
