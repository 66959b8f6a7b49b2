"""What is kept, what is refused, what counts once."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import pytest

from tests.support.telemetry import LATER, SCOPE, Sender, measured, met
from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.errors import Conflict
from twokey.domain.telemetry import Scope
from twokey.engine.wire import TelemetryBatch


def exposures_of(store: DuckTelemetry, scope: Scope = SCOPE) -> int:
    return sum(each.exposures for each in store.exposure_counts(scope))


def test_a_failed_write_leaves_nothing_half_done(
    sender: Sender, store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twokey.adapters.telemetry import store as module

    real = module._append

    def fails(connection: duckdb.DuckDBPyConnection, table: str, rows: list[object]) -> None:
        if table == "metrics":
            raise duckdb.IOException("disk full")
        real(connection, table, rows)

    monkeypatch.setattr(module, "_append", fails)
    with pytest.raises(duckdb.IOException):
        sender.send([met("u1", "baseline", 1)], [measured("u1", 1, 2)])
    monkeypatch.undo()
    assert exposures_of(store) == 0
    sender.sent = 0
    assert sender.send([met("u1", "baseline", 1)]).exposures == 1


def test_writers_and_readers_in_threads_see_whole_batches_only(store: DuckTelemetry) -> None:
    size, batches = 50, 12
    seen: list[int] = []
    stop = threading.Event()

    def write(source: str) -> None:
        for number in range(batches):
            batch = TelemetryBatch(
                batch_id=f"b{number}",
                exposures=tuple(met(f"{source}-{number}-{each}", "baseline", each) for each in range(size)),
            )
            store.add(SCOPE, batch, source=source, received_at=LATER)

    def read() -> None:
        while not stop.is_set():
            seen.append(exposures_of(store))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b")]
    for each in [reader, *writers]:
        each.start()
    for each in writers:
        each.join()
    stop.set()
    reader.join()
    assert exposures_of(store) == 2 * batches * size
    assert seen
    assert all(count % size == 0 for count in seen)
    assert seen == sorted(seen)


def test_a_second_process_is_told_that_the_file_has_an_owner(tmp_path: Path) -> None:
    import subprocess
    import sys

    path = tmp_path / "telemetry.duckdb"
    owner = DuckTelemetry(path)
    script = (
        "import sys\nfrom twokey.adapters.telemetry import DuckTelemetry\nfrom twokey.domain.errors import Conflict\n"
        "try:\n    DuckTelemetry(sys.argv[1])\nexcept Conflict as told:\n    print('told:', told)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
    owner.close()
    assert "told:" in ran.stdout
    assert "one process owns it" in ran.stdout


def test_an_unreadable_path_is_a_conflict_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="cannot be opened"):
        DuckTelemetry(tmp_path / "no" / "such" / "folder" / "telemetry.duckdb")


def together(store: DuckTelemetry, batches: list[TelemetryBatch]) -> list[object]:
    """What each of them came to, where all of them wait for the same writer."""
    found: list[object] = [None] * len(batches)

    def send(number: int) -> None:
        try:
            found[number] = store.add(SCOPE, batches[number], source="app", received_at=LATER)
        except Exception as problem:  # noqa: BLE001 - it is looked at below
            found[number] = problem

    threads = [threading.Thread(target=send, args=(number,)) for number in range(len(batches))]
    with store._write:
        for each in threads:
            each.start()
        while len(store._waiting) < len(batches):
            pass
    for each in threads:
        each.join(timeout=30)
    assert not any(each.is_alive() for each in threads)
    return found


def test_batches_that_wait_together_are_each_told_what_became_of_theirs(store: DuckTelemetry) -> None:
    batches = [TelemetryBatch(batch_id=f"b-{each}", exposures=(met(f"u{each}", "baseline", 1),)) for each in range(40)]
    twice = [*batches, *batches[:5]]
    found = together(store, twice)
    assert [each.batch_id for each in found] == [each.batch_id for each in twice]  # type: ignore[attr-defined]
    assert sum(each.duplicate for each in found) == 5  # type: ignore[attr-defined]
    assert sum(each.exposures for each in found) == 40  # type: ignore[attr-defined]
    assert exposures_of(store) == 40


def test_one_that_cannot_be_written_costs_no_other_its_place(store: DuckTelemetry) -> None:
    good = [TelemetryBatch(batch_id=f"b-{each}", exposures=(met(f"u{each}", "baseline", 1),)) for each in range(5)]
    half = TelemetryBatch(batch_id="bad", exposures=(met("u9", "\ud800", 1), met("u10", "baseline", 1)))
    found = together(store, [*good, half])
    assert [each.exposures for each in found] == [1, 1, 1, 1, 1, 1]  # type: ignore[attr-defined]
    assert [each.index for each in found[-1].refused] == [0]  # type: ignore[attr-defined]
    assert exposures_of(store) == 6


def test_a_writer_that_fails_altogether_leaves_nobody_waiting(
    store: DuckTelemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(_: object) -> None:
        raise MemoryError("no more")

    monkeypatch.setattr(store, "_write_group", no_memory)
    batches = [TelemetryBatch(batch_id=f"b-{each}", exposures=(met(f"u{each}", "baseline", 1),)) for each in range(3)]
    found = together(store, batches)
    assert sum(isinstance(each, MemoryError) for each in found) == 1
    assert sum(isinstance(each, RuntimeError) for each in found) == 2
