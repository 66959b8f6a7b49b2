"""What is ClickHouse's own: batches that broke off, retention by the engine, settings that mean the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import clickhouse_connect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.adapters.telemetry.conftest import clickhouse, engine
from tests.adapters.telemetry.test_accounts import BATCHES, GUARDRAILS, HALF, TEN, Batch, whole
from tests.support.telemetry import LATER, SCOPE, Sender, assert_alike, at, measured, met
from twokey.adapters.telemetry import DuckTelemetry
from twokey.adapters.telemetry.clickhouse import ClickHouseTelemetry
from twokey.domain.telemetry import Window
from twokey.engine.wire import TelemetryBatch


@pytest.fixture
def store() -> Iterator[ClickHouseTelemetry]:
    opened = clickhouse()
    yield opened
    opened.close()


BATCH = TelemetryBatch(batch_id="b", exposures=(met("a", "reranker", 1),), metrics=(measured("a", 5, 2),))


@pytest.mark.parametrize("broken", ["metrics", "batches"])
def test_a_batch_that_broke_off_is_completed_by_its_repeat_and_counts_once(
    store: ClickHouseTelemetry, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = store._client.insert

    def breaks(table: str, *rest: Any, **more: Any) -> Any:
        if table == broken:
            raise ConnectionError("the network is gone")
        return insert(table, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(store._client, "insert", breaks)
        with pytest.raises(ConnectionError):
            store.add(SCOPE, BATCH, source="app", received_at=LATER)
    again = store.add(SCOPE, BATCH, source="app", received_at=LATER)
    assert (again.duplicate, again.exposures, again.metrics) == (False, 1, 1)
    assert store.add(SCOPE, BATCH, source="app", received_at=LATER).duplicate
    assert [each.exposures for each in store.exposure_counts(SCOPE)] == [1]
    assert store.metric_presence(SCOPE, "latency").events == 1


def test_rows_leave_by_themselves_once_they_are_too_old() -> None:
    """By TTL: the engine drops them when it merges; asked to merge, it does so now."""
    name = "telemetry_kept_for_30_days"
    engine().command(f"CREATE DATABASE IF NOT EXISTS {name}")
    client = clickhouse_connect.get_client(interface="chdb", database=name)
    store = ClickHouseTelemetry(client, keep_days=30)
    now = datetime.now(UTC)
    store.add(
        SCOPE,
        TelemetryBatch(
            batch_id="b",
            exposures=tuple(
                met(unit, "baseline", 0, at=now - timedelta(days=days)) for unit, days in (("old", 40), ("new", 2))
            ),
        ),
        source="app",
        received_at=now,
    )
    client.command("OPTIMIZE TABLE exposures FINAL")
    assert [each.unit for each in store.contexts(SCOPE)] == ["new"]
    store.close()


def test_only_chosen_attributes_are_kept() -> None:
    name = "telemetry_of_chosen_attributes"
    engine().command(f"CREATE DATABASE IF NOT EXISTS {name}")
    client = clickhouse_connect.get_client(interface="chdb", database=name)
    store = ClickHouseTelemetry(client, attributes=frozenset({"plan"}))
    Sender(store).send([met("a", "baseline", 1, context={"plan": "pro", "email": "a@b.test"})])
    assert store.contexts(SCOPE)[0].context == {"targetingKey": "a", "conversation": "a", "plan": "pro"}
    store.close()


@settings(max_examples=15, deadline=None)
@given(st.lists(BATCHES, min_size=1, max_size=4))
def test_after_any_history_both_stores_say_the_same(batches: list[Batch]) -> None:
    ours, theirs = clickhouse(), DuckTelemetry(threads=1)
    senders = [Sender(ours), Sender(theirs)]
    for exposures, metrics, _ in batches:
        for each in senders:
            each.send(exposures, metrics)
    for window in (Window(), Window(until=at(15))):
        found = ours.arms_of_all(SCOPE, GUARDRAILS, [TEN, HALF], baseline="baseline", window=window)
        assert_alike(found, whole(theirs, window))
    closed = Window(since=at(0), until=at(31))
    for guardrail in GUARDRAILS:
        wanted = theirs.series(SCOPE, guardrail, window=closed, buckets=4)
        drawn = ours.series(SCOPE, guardrail, window=closed, buckets=4)
        assert [(each.at, each.variation, each.events) for each in drawn] == [
            (each.at, each.variation, each.events) for each in wanted
        ]
        assert [each.value for each in drawn] == pytest.approx([each.value for each in wanted])
    assert ours.contexts(SCOPE) == theirs.contexts(SCOPE)
    assert ours.exposure_counts(SCOPE) == theirs.exposure_counts(SCOPE)
    assert ours.exposure_series(SCOPE, window=closed) == theirs.exposure_series(SCOPE, window=closed)
    assert ours.metric_presence(SCOPE, "latency") == theirs.metric_presence(SCOPE, "latency")
    ours.close()
    theirs.close()
