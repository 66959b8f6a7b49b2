"""A run of the model-backed assistant in this process: a whole server without a socket, a provider on loopback.

The provider's wire is real HTTP and the client is the real library; only the server is reached without a socket.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tests.steps.test_standing_orders import harm
from tests.support.providers import KEY, MODEL, FakeProvider, Protocol
from tests.support.server import Doors
from tests.support.world import World
from twokey.assistant.guard import Guard
from twokey.assistant.run import Outcome, run_case
from twokey.assistant.server import Server, connection
from twokey.assistant.settings import Budget, Settings
from twokey.domain.audit import Happening
from twokey.domain.identity import AGENT_SCOPES, ActorKind

QUICK = Budget(seconds=20.0, request_seconds=5.0)
"""Of a size that a test can wait for."""


def settings_for(provider: FakeProvider, protocol: Protocol, budget: Budget = QUICK, **more: Any) -> Settings:
    """Settings that ask this provider by this protocol."""
    return Settings(provider=protocol, model=MODEL, url=provider.url(protocol), key=KEY, budget=budget, **more)


@dataclass
class Room:
    """A world with a triaged case, its server, and an assistant's token."""

    world: World
    doors: Doors
    token: str
    case: str

    def another(self) -> Room:
        """The same with another assistant's token, which nobody has used."""
        client = self.doors.token(*AGENT_SCOPES, kind=ActorKind.AGENT)
        return replace(self, token=client.headers["Authorization"].removeprefix("Bearer "))

    @property
    def author(self) -> str:
        """The token's id, as findings and the log have it."""
        client = self.doors.client(Authorization=f"Bearer {self.token}")
        return str(client.get("/api/v1/token").json()["id"])

    def run(self, settings: Settings, case: str = "") -> Outcome:
        """One run of the assistant over the case."""
        return asyncio.run(self._run(settings, case or self.case))

    async def _run(self, settings: Settings, case: str) -> Outcome:
        async with self.connection() as http:
            return await run_case(Server(http), settings, self.guard(settings), case)

    def connection(self) -> httpx.AsyncClient:
        """A connection to the server, as the assistant has one."""
        return connection("http://twokey.test", self.token, httpx.ASGITransport(self.doors.app))

    def guard(self, settings: Settings) -> Guard:
        return Guard(self.token, settings.key)

    def seen(self) -> dict[str, Any]:
        """The case as a person reads it."""
        return dict(self.doors.person("ines").get(f"/api/v1/cases/{self.case}").json())

    def opinions(self) -> list[dict[str, Any]]:
        """What this assistant's finding is on the case, if it has one."""
        return [each for each in self.seen()["opinions"] if each["finding"]["author"] == self.author]

    def entries(self, action: str) -> list[Happening]:
        """This assistant's audit entries with this action."""
        with self.world.store.read() as uow:
            found = [each.happening for each in uow.audit.entries(limit=5000)]
        return [each for each in found if each.action == action and each.actor["id"] == self.author]

    @property
    def state(self) -> str:
        """The digest of all flag state: what no run may change."""
        return self.world.snapshot.digest


def room(world: World) -> Room:
    """A world in which a candidate does harm, and the analyst has looked."""
    doors = Doors(world)
    client = doors.token(*AGENT_SCOPES, kind=ActorKind.AGENT)
    harm(world)
    with world.store.read() as uow:
        case = uow.cases.where(limit=1)[0].id
    return Room(world, doors, client.headers["Authorization"].removeprefix("Bearer "), case)
