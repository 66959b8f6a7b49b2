"""The whole server in one process for tests: requests go through every door without a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from tests.support.loop import Client
from tests.support.world import ENVIRONMENT, PASSWORD, PROJECT, World
from twokey.adapters import factors, system
from twokey.adapters.raster import png
from twokey.adapters.signing import FileSigner
from twokey.domain.identity import SYSTEM, ActorKind, Scope
from twokey.ports import Runbooks
from twokey.steps.manage_access import TokenRequest, create_token
from twokey.surfaces.app import create_app
from twokey.surfaces.hub import Hub
from twokey.surfaces.services import Agents, Elsewhere, Evaluating, Services


class Doors:
    """A server over a world, and clients of it: people who signed in, and holders of tokens."""

    def __init__(
        self,
        world: World,
        signer: FileSigner | None = None,
        *,
        secure: bool = False,
        elsewhere: Elsewhere | None = None,
        secrets: Any = system,
        agents: Agents | None = None,
        runbooks: Runbooks | None = None,
        **evaluating: Any,
    ) -> None:
        self.world, self.hub = world, Hub(world.store)
        services = Services(
            store=world.store,
            telemetry=world.telemetry,
            secrets=secrets,
            factors=factors,
            signer=signer,
            elsewhere=elsewhere,
            secure_cookies=secure,
            clock=world.clock,
            hub=self.hub,
            png=png,
            ofrep=Evaluating(**evaluating),
            agents=agents or Agents(),
            runbooks=runbooks,
        )
        self.app = create_app(services)
        _share_routes(self.app._api)

    def client(self, **headers: str) -> TestClient:
        return Client(self.app, base_url="http://twokey.test", headers=headers, raise_server_exceptions=False)

    def person(self, name: str) -> TestClient:
        client = self.client()
        answer = client.post("/api/v1/session", json={"username": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client

    def token(self, *scopes: Scope, kind: ActorKind = ActorKind.SERVICE) -> TestClient:
        wanted = TokenRequest(
            name="test",
            kind=kind,
            scopes=frozenset(scopes),
            project=PROJECT,
            environment=ENVIRONMENT,
            expires_at=None,
            on_behalf_of="viewer" if kind is ActorKind.AGENT else None,
        )
        _, secret = create_token(self.world.store, system, SYSTEM, wanted)
        return self.client(Authorization=f"Bearer {secret}")


_shared: dict[int, BaseRoute] = {}
"""What stands for a module's router in an application, by that router."""


def _share_routes(api: FastAPI) -> None:
    """Have all applications of this process use what FastAPI made of a router for the first of them.

    It works out every parameter and answer anew for each application that includes the router, when somebody first
    calls there: 0.2 s of CPU for each test, and the same each time, as no application here overrides a dependency.
    """
    assert not api.dependency_overrides
    for number, route in enumerate(api.router.routes):
        if router := getattr(route, "original_router", None):
            api.router.routes[number] = _shared.setdefault(id(router), route)


@contextmanager
def doors(world: World) -> Iterator[Doors]:
    yield Doors(world)


def alertmanager_body(*names: str, status: str = "firing", start: str = "2026-11-02T09:00:00Z") -> dict[str, Any]:
    """An Alertmanager webhook of version 4, of our own making."""
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "twokey",
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.test",
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": name, "workflow": "support_assistant", "severity": "critical"},
                "annotations": {"summary": f"{name} fires"},
                "startsAt": start,
                "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-11-02T10:00:00Z",
                "generatorURL": "http://prometheus.test/graph",
                "fingerprint": f"fp-{name}",
            }
            for name in names
        ],
    }


def problem(answer: Any) -> dict[str, Any]:
    """The problem document of an answer, with the shape that RFC 9457 asks for."""
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    document: dict[str, Any] = json.loads(answer.text)
    assert {"type", "title", "status", "detail"} <= document.keys()
    assert document["status"] == answer.status_code
    return document
