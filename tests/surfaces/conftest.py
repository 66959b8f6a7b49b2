"""A server over a world per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Doors
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server(world: World) -> Doors:
    return Doors(world)
