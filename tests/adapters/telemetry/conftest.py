"""A store in memory and somebody who sends to it; where a test asks for it, the same on each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import count

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from tests.support.telemetry import Sender
from twokey.adapters.telemetry import DuckTelemetry
from twokey.adapters.telemetry.clickhouse import ClickHouseTelemetry
from twokey.domain.telemetry import Telemetry

_numbers = count(1)


@pytest.fixture
def store() -> Iterator[Telemetry]:
    opened = DuckTelemetry(threads=1)
    yield opened
    opened.close()


@pytest.fixture(params=["embedded", "clickhouse"])
def any_store(request: pytest.FixtureRequest) -> Iterator[Telemetry]:
    """Each kind: DuckDB in memory, and ClickHouse's own engine in this process."""
    if request.param == "embedded":
        opened: Telemetry = DuckTelemetry(threads=1)
    else:
        opened = clickhouse()
    yield opened
    opened.close()


@cache
def engine() -> Client:
    """The engine of this process: what it holds in memory is gone when its last client leaves, so this one stays."""
    return clickhouse_connect.get_client(interface="chdb")


def clickhouse() -> ClickHouseTelemetry:
    """A store in a database of its own."""
    name = f"telemetry_{next(_numbers)}"
    engine().command(f"CREATE DATABASE {name}")
    return ClickHouseTelemetry(clickhouse_connect.get_client(interface="chdb", database=name))


@pytest.fixture
def sender(store: Telemetry) -> Sender:
    return Sender(store)
