"""The real server on a real port, which can go away and come back; and what publishes a change in it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import uvicorn

from tests.support.process import free_port
from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, PROJECT, World
from twokey.adapters import system
from twokey.client import File, Poll, Stream
from twokey.domain.change import Cause
from twokey.domain.identity import SYSTEM, ActorKind, Scope
from twokey.domain.operation import Operation
from twokey.steps.manage_access import TokenRequest, create_token
from twokey.steps.publish import Publication, publish

T = TypeVar("T")
SECONDS = 20.0
__all__ = ["File", "Live", "Poll", "Stream", "eventually"]


def eventually(look: Callable[[], T | None], what: str = "it", seconds: float = SECONDS) -> T:
    """What `look` finds, once it finds something."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what} did not happen within {seconds:g} seconds"
        time.sleep(0.01)
    return found


class Live:
    """A world behind uvicorn on a port of its own that stays the same when the server stops and starts."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.clock.now = datetime.now(UTC)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Live:
        # The application anew each time: what it waits with belongs to one event loop.
        quiet = {"log_level": "critical", "timeout_graceful_shutdown": 0, "ws": "none"}
        config = uvicorn.Config(Doors(self.world).app, host="127.0.0.1", port=self.port, **quiet)  # type: ignore[arg-type]
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
        self._thread.start()
        eventually(lambda: server.started, "the server's start")
        return self

    def stop(self) -> None:
        """As when the process dies: open streams break off."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(SECONDS)
            assert not self._thread.is_alive()
        self._server = self._thread = None

    def token(self, *scopes: Scope) -> str:
        wanted = TokenRequest(
            name="application",
            kind=ActorKind.SERVICE,
            scopes=frozenset(scopes or (Scope.FLAGS_EVALUATE, Scope.FLAGS_READ, Scope.TELEMETRY_WRITE)),
            project=PROJECT,
            environment=ENVIRONMENT,
            expires_at=None,
        )
        return create_token(self.world.store, system, SYSTEM, wanted)[1]

    def stream(self, *scopes: Scope) -> Stream:
        return Stream(url=self.url, token=self.token(*scopes))

    def poll(self) -> Poll:
        return Poll(url=self.url, token=self.token(), project=PROJECT, environment=ENVIRONMENT, every=0.1)

    def change(self, *operations: Operation) -> None:
        """Publish, as an approved proposal would."""
        by = Publication(cause=Cause.SETUP, actor=SYSTEM, project=PROJECT, environment=ENVIRONMENT)
        with self.world.store.begin() as uow:
            publish(uow, uow.flags.state(PROJECT, ENVIRONMENT), operations, by)
