"""A room with a triaged case per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.assisting import Room, room
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def desk(world: World) -> Room:
    return room(world)
