"""A real server on loopback whose OFREP answers are looked at, for clients that other people wrote."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import uvicorn

from tests.client.live import SECONDS, Live, eventually
from tests.support.ofrep_schema import Watched
from tests.support.world import World
from twokey.adapters import factors, system
from twokey.domain.control import Control, Kind, Surface
from twokey.engine.flag import Flag
from twokey.surfaces.app import create_app
from twokey.surfaces.hub import Hub
from twokey.surfaces.services import Services


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
    """The whole server; `watched` has what it answered since it was made, over all its starts.

    `options` are those of evaluation; pages of any origin may ask, unless they say otherwise.
    """

    def __init__(self, world: World, **options: Any) -> None:
        super().__init__(world)
        self._options = {"origins": ("*",), **options}

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
        made, before = Watched(create_app(self._services())), getattr(self, "watched", None)
        if before is not None:
            made.seen, made.problems = before.seen, before.problems
        return made

    def _services(self) -> Services:
        store, telemetry = self.world.store, self.world.telemetry
        made = Services(
            store=store, telemetry=telemetry, secrets=system, factors=factors, clock=self.world.clock, hub=Hub(store)
        )
        if not hasattr(made, "ofrep"):
            return made
        return replace(made, ofrep=replace(made.ofrep, **self._options))
