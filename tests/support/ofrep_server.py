"""A real server on loopback whose OFREP answers are looked at, for clients that other people wrote."""

from __future__ import annotations

import asyncio
import threading

import uvicorn

from tests.client.live import SECONDS, Live, eventually
from tests.support.ofrep_schema import Watched
from tests.support.server import Doors
from twokey.adapters import system
from twokey.domain.control import Control, Kind, Surface
from twokey.engine.flag import Flag


def plain(flag: Flag) -> Control:
    """A flag with nothing to look at."""
    return Control(
        flag=flag,
        owner="tests",
        purpose="a flag that clients ask for",
        surface=Surface.FEATURE,
        kind=Kind.PERMANENT,
        permanent_because="it belongs to a suite",
    )


class OfrepServer(Live):
    """The whole server; `watched` has what it answered since it was made, over all its starts."""

    def start(self) -> OfrepServer:
        self.watched = watched = self._watched()
        config = uvicorn.Config(
            watched, host="127.0.0.1", port=self.port, log_level="critical", timeout_graceful_shutdown=0, ws="none"
        )
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
        self._thread.start()
        eventually(lambda: server.started, "the server's start", SECONDS)
        return self

    def id_of(self, secret: str) -> str:
        """The id of a token that was made here."""
        with self.world.store.read() as uow:
            return uow.tokens.where(secret_hash=system.hash_secret(secret), limit=1)[0].id

    def _watched(self) -> Watched:
        """The application anew at each start, watched by the one that was there before."""
        made, before = Watched(Doors(self.world).app), getattr(self, "watched", None)
        if before is not None:
            made.seen, made.problems = before.seen, before.problems
        return made
