"""A real server per test, OpenFeature emptied after each, and clients that are closed whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api

from tests.client.live import Live
from tests.support.world import World
from twokey.client import TwokeyClient, following


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between tries are short here; how they grow has a test of its own."""

    class Impatient(following.Backoff):
        def __init__(self, first: float = 0.05, cap: float = 0.2) -> None:
            super().__init__(min(first, 0.05), min(cap, 0.2))

    monkeypatch.setattr(following, "Backoff", Impatient)


@pytest.fixture(autouse=True)
def _openfeature() -> Iterator[None]:
    yield
    api.clear_providers()
    api.clear_hooks()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def live(world: World) -> Iterator[Live]:
    made = Live(world).start()
    yield made
    made.stop()


@pytest.fixture
def client() -> Iterator[Callable[..., TwokeyClient]]:
    """Makes clients, and closes them."""
    made: list[TwokeyClient] = []

    def make(*args: Any, **kwargs: Any) -> TwokeyClient:
        made.append(TwokeyClient(*args, **kwargs))
        return made[-1]

    yield make
    for each in made:
        each.close()
