"""The stream's real application without a network: a store that publishes at once, and connections that can stall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from twokey.adapters import factors, system
from twokey.client.frames import Frames
from twokey.client.reading import check_next, read_message, snapshot_of
from twokey.domain.identity import ActorKind, Scope, Token
from twokey.engine import Snapshot
from twokey.engine.flag import Flag, FlagType, Serve, Variation
from twokey.surfaces.auth import Authenticator
from twokey.surfaces.hub import Hub
from twokey.surfaces.services import Services
from twokey.surfaces.stream import Stream

PLACE = ("p", "e")
NOW = datetime(2026, 11, 2, tzinfo=UTC)


def flag(key: str, value: str) -> Flag:
    return Flag(
        key=key,
        type=FlagType.STRING,
        enabled=True,
        variations=(Variation(key="v", value=value),),
        baseline="v",
        unit="targetingKey",
        salt=key,
        otherwise=Serve(variation="v"),
    )


def snapshot(revision: int, **values: str) -> Snapshot:
    return Snapshot.build(*PLACE, revision, [flag(key, value) for key, value in values.items()])


class Shelf:
    """A store of one environment and its tokens, as far as the stream reads it."""

    def __init__(self, **values: str) -> None:
        self.values, self.now = values, snapshot(1, **values)
        self.held: dict[str, Token] = {}
        self.log: list[Any] = []
        self._listeners: list[Callable[[], None]] = []
        self.flags = SimpleNamespace(revision=lambda *place: self.now.revision, state=self._state)
        self.tokens = SimpleNamespace(where=self._where, find=self.held.get)
        self.audit = SimpleNamespace(entries=self._entries)

    def on_commit(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    @contextmanager
    def read(self) -> Iterator[Shelf]:
        yield self

    def _state(self, *place: str) -> Any:
        now = self.now
        return SimpleNamespace(revision=now.revision, snapshot=lambda known=None: now)

    def _where(self, *, secret_hash: str, limit: int) -> tuple[Token, ...]:
        return tuple(each for each in self.held.values() if each.secret_hash == secret_hash)

    def _entries(self, *, start: int = 0, limit: int = 1000, newest_first: bool = False) -> tuple[Any, ...]:
        return tuple(self.log[-1:] if newest_first else self.log[start : start + limit])

    def publish(self, *, told: bool = True, by: int = 1, **values: str) -> None:
        """The next revision; another process makes it where this one is not told."""
        self.values |= values
        self.now = snapshot(self.now.revision + by, **self.values)
        self.record("change.apply", "change", told=told)

    def record(self, action: str, subject: str, *, told: bool = True) -> None:
        happening = SimpleNamespace(action=action, subject=subject)
        self.log.append(SimpleNamespace(index=len(self.log), happening=happening))
        for listener in self._listeners if told else ():
            listener()

    def token(self, secret: str, *scopes: Scope) -> Token:
        made = Token(
            id=f"token-{secret}",
            name=secret,
            kind=ActorKind.SERVICE,
            secret_hash=system.hash_secret(secret),
            scopes=frozenset(scopes),
            project=PLACE[0],
            environment=PLACE[1],
            created_at=NOW,
            created_by="root",
        )
        self.held[made.id] = made
        return made


class House:
    """The stream over a shelf."""

    def __init__(self, **values: str) -> None:
        self.shelf = Shelf(**values)
        self.hub = Hub(self.shelf)  # type: ignore[arg-type]
        services = Services(
            store=self.shelf,  # type: ignore[arg-type]
            telemetry=None,  # type: ignore[arg-type]
            secrets=system,
            factors=factors,
            clock=lambda: NOW,
            hub=self.hub,
        )
        self.stream = Stream(services, Authenticator(services))
        self.shelf.token("good", Scope.FLAGS_EVALUATE)

    @property
    def broadcast(self) -> Any:
        return self.stream._broadcast


class Line:
    """One connection to the application. `stall` makes every further write wait; what it may take then is bounded."""

    def __init__(self, house: House, secret: str = "good", last: str = "") -> None:
        headers = [(b"authorization", f"Bearer {secret}".encode())]
        headers += [(b"last-event-id", last.encode())] if last else []
        self.scope: dict[str, Any] = {"type": "http", "method": "GET", "headers": headers}
        self.house, self.status, self.body, self.headers = house, 0, b"", dict[bytes, bytes]()
        self.ended, self.broken, self.stalled = False, False, False
        self.transport = self  # where a server's own object keeps what `abort` belongs to
        self._writable, self._gone, self._opened = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._writable.set()
        self._hears: Callable[[bytes], None] = lambda piece: None
        self.task: asyncio.Task[None] | None = None

    async def open(self, hears: Callable[[bytes], None] = lambda piece: None) -> Line:
        """Send the request; returns when the answer has begun."""
        self._hears = hears
        self.task = asyncio.create_task(self.house.stream(self.scope, self.receive, self.send))
        await self._opened.wait()
        return self

    async def receive(self) -> MutableMapping[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """As uvicorn's: waits while the other side takes nothing, and says nothing where it is gone."""
        while not self._writable.is_set() and not self._gone.is_set():
            await self._writable.wait()
        if self._gone.is_set():
            return
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            self._opened.set()
            return
        assert not self.ended, "written to after its end"
        self.body += message["body"]
        self.ended = not message.get("more_body", False)
        self._hears(message["body"])

    def stall(self) -> None:
        self._writable.clear()
        self.stalled = True

    def go_on(self) -> None:
        self._writable.set()
        self.stalled = self.broken

    def abort(self) -> None:
        """The server breaks it off."""
        self.broken = True
        self.drop()

    def drop(self) -> None:
        """The client is gone."""
        self._gone.set()
        self._writable.set()


class Application:
    """What holds a snapshot, by the code of the client itself, which refuses gaps and steps back by exceptions."""

    def __init__(self) -> None:
        self.held: Snapshot | None = None
        self.last = ""
        self.heard: list[str] = []
        self.frames = Frames()

    def connect_again(self) -> None:
        self.frames = Frames()  # what was broken off in the middle is lost

    def hear(self, piece: bytes) -> None:
        for frame in self.frames.feed(piece):
            message = read_message(frame.data)
            assert message is not None
            offered = snapshot_of(message, self.held)
            if self.held is not None:
                check_next(self.held, offered)
            self.held = offered
            self.last = f"{offered.revision}-{offered.digest.partition(':')[2][:16]}"
            self.heard.append(frame.event)


async def settled() -> None:
    """Let the loop do all that is to be done now."""
    for _ in range(25):
        await asyncio.sleep(0)
