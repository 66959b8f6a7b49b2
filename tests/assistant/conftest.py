"""One world with a triaged case for a file of tests; an assistant's token of its own for each of them."""

from collections.abc import Iterator

import pytest

from tests.support.assisting import Room, room
from tests.support.world import World


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    world = World(tmp_path_factory.mktemp("world"))
    yield room(world)
    world.close()


@pytest.fixture
def desk(home: Room) -> Room:
    return home.another()
