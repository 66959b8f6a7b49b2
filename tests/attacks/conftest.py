"""A control plane to attack: `world` on an embedded store, `any_world` on SQLite and on PostgreSQL; doors to each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.hostile import Tally
from tests.support.server import Doors
from tests.support.stores import *  # noqa: F403
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def any_world(store_url: str, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, url=store_url)
    yield made
    made.close()


@pytest.fixture
def server(world: World) -> Doors:
    return Doors(world)


@pytest.fixture
def any_server(any_world: World) -> Doors:
    return Doors(any_world)


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Counts what was tried, holds it to what must be none, and has it printed where the run ends."""
    return Tally(request)
