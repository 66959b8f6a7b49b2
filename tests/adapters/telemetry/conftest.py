"""A store in memory and somebody who sends to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.telemetry import Sender
from twokey.adapters.telemetry import DuckTelemetry


@pytest.fixture
def store() -> Iterator[DuckTelemetry]:
    opened = DuckTelemetry(threads=1)
    yield opened
    opened.close()


@pytest.fixture
def sender(store: DuckTelemetry) -> Sender:
    return Sender(store)
