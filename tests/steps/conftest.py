"""A world per test: embedded stores in a throw-away folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.stores import *  # noqa: F403
from tests.support.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def any_world(store_url: str, tmp_path: Path) -> Iterator[World]:
    """The same on each control store."""
    made = World(tmp_path, url=store_url)
    yield made
    made.close()
