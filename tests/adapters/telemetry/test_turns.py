"""A look goes before batches that wait to be written, and keeps none of them for long."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.telemetry import SCOPE, Sender, measured, met
from twokey.adapters.telemetry import DuckTelemetry, names, turns
from twokey.domain.telemetry import Scope


class Writing(threading.Thread):
    """Sends one batch, and says when it is kept."""

    def __init__(self, store: DuckTelemetry) -> None:
        super().__init__(daemon=True)
        self.store, self.kept = store, threading.Event()
        self.start()

    def run(self) -> None:
        Sender(self.store).send([met("u1", "baseline", 1)])
        self.kept.set()


def test_a_batch_waits_while_a_look_is_on_its_way(store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 30.0)
    with store.first():
        writing = Writing(store)
        assert not writing.kept.wait(0.2)
        assert store.exposure_counts(SCOPE) == ()
    assert writing.kept.wait(10)


def test_it_waits_for_every_look_that_is_on_its_way(store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 30.0)
    with store.first():
        with store.first():
            writing = Writing(store)
            assert not writing.kept.wait(0.1)
        assert not writing.kept.wait(0.1)
    assert writing.kept.wait(10)


def test_a_look_without_end_does_not_end_intake(store: DuckTelemetry) -> None:
    with store.first():
        assert Writing(store).kept.wait(10)


def test_looks_that_come_one_after_another_do_not_end_intake(store: DuckTelemetry) -> None:
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            with store.first():
                stop.wait(0.01)

    lookers = [threading.Thread(target=look, daemon=True) for _ in range(3)]
    for each in lookers:
        each.start()
    try:
        assert Writing(store).kept.wait(10)
    finally:
        stop.set()
        for each in lookers:
            each.join()


# ---------------------------------------------------------------- which metrics have ever arrived


def test_that_a_metric_never_arrived_is_known_without_looking(
    store: DuckTelemetry, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender.send([met("u1", "baseline", 1)], [measured("u1", 5, 2)])
    assert store.metric_presence(SCOPE, "latency").joined_events == 1
    monkeypatch.setattr(DuckTelemetry, "_reading", None)
    assert store.metric_presence(SCOPE, "never").events == 0
    assert store.metric_presence(Scope(project="other", environment="production"), "latency").events == 0


def test_a_store_that_is_opened_again_knows_what_arrived_before(tmp_path: Path) -> None:
    first = DuckTelemetry(tmp_path / "t.duckdb")
    Sender(first).send([], [measured("u1", 5, 2)])
    first.close()
    again = DuckTelemetry(tmp_path / "t.duckdb")
    assert again.metric_presence(SCOPE, "latency").events == 1
    again.close()


def test_more_names_than_are_kept_hide_none(
    store: DuckTelemetry, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST", 3)
    sender.send([], [measured("u1", 5, 2, metric=f"m{each}") for each in range(10)])
    assert all(store.metric_presence(SCOPE, f"m{each}").events == 1 for each in range(10))
    assert store.metric_presence(SCOPE, "never").events == 0
