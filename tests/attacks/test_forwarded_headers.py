"""Who says that they call for somebody else is believed only where the operator has named them as a proxy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.process import eventually
from tests.support.world import ENVIRONMENT, PROJECT, World, support_control
from twokey import wiring
from twokey.adapters import system
from twokey.domain.identity import SYSTEM, ActorKind, Scope
from twokey.settings import Settings
from twokey.steps.manage_access import TokenRequest, create_token

BULK = "/ofrep/v1/evaluate/flags"
ASK = {"context": {"targetingKey": "u-1"}}
LIMIT = 3


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, support_control())
    yield made
    made.close()


@contextmanager
def served(world: World, folder: Path, *proxies: str) -> Iterator[httpx.Client]:
    """A real listener over the world's store, and a client that holds a client key."""
    settings = Settings(
        data=folder / "served",
        database=f"sqlite:///{folder / 'twokey.db'}",
        port=0,
        workers=0,
        visible_evaluations=LIMIT,
        proxies=proxies,
    )
    server = wiring.build(settings)
    listening = wiring.listener(server, settings, grace=1)
    thread = threading.Thread(target=listening.run, daemon=True)
    thread.start()
    eventually(lambda: listening.started, what="the server's start")
    port = listening.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key(world)}"}
        ) as who:
            yield who
    finally:
        listening.should_exit = True
        thread.join(10)
        server.stop()


def key(world: World) -> str:
    wanted = TokenRequest(
        name="page",
        kind=ActorKind.SERVICE,
        scopes=frozenset({Scope.FLAGS_EVALUATE_VISIBLE}),
        project=PROJECT,
        environment=ENVIRONMENT,
        expires_at=None,
        on_behalf_of=None,
    )
    return create_token(world.store, system, SYSTEM, wanted)[1]


def statuses(client: httpx.Client) -> list[int]:
    """Each request says that it comes from another address."""
    addresses = [f"203.0.113.{number}" for number in range(1, LIMIT + 3)]
    return [client.post(BULK, json=ASK, headers={"X-Forwarded-For": each}).status_code for each in addresses]


def test_a_caller_cannot_choose_the_address_it_is_counted_by(world: World, tmp_path: Path) -> None:
    with served(world, tmp_path) as client:
        assert statuses(client) == [200] * LIMIT + [429] * 2


def test_a_proxy_that_the_operator_named_is_believed(world: World, tmp_path: Path) -> None:
    with served(world, tmp_path, "127.0.0.1") as client:
        assert statuses(client) == [200] * (LIMIT + 2)


def test_a_proxy_elsewhere_is_not_this_caller(world: World, tmp_path: Path) -> None:
    with served(world, tmp_path, "198.51.100.7") as client:
        assert statuses(client) == [200] * LIMIT + [429] * 2
