"""What is kept, what is refused, what counts once."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import duckdb
import msgspec
import pytest

from tests.support.telemetry import LATER, NOON, SCOPE, Sender, at, measured, met
from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.errors import Conflict
from twokey.domain.telemetry import Scope
from twokey.engine.wire import ChangeEvent, ChangeKind, TelemetryBatch


def exposures_of(store: DuckTelemetry, scope: Scope = SCOPE) -> int:
    return sum(each.exposures for each in store.exposure_counts(scope))


def test_a_batch_sent_again_counts_once(store: DuckTelemetry) -> None:
    batch = TelemetryBatch(batch_id="b-1", exposures=(met("u1", "baseline", 1),), metrics=(measured("u1", 5, 2),))
    first = store.add(SCOPE, batch, source="app", received_at=LATER)
    again = store.add(SCOPE, batch, source="app", received_at=LATER)
    assert (first.exposures, first.metrics, first.duplicate) == (1, 1, False)
    assert (again.exposures, again.metrics, again.duplicate) == (0, 0, True)
    assert exposures_of(store) == 1


def test_the_same_batch_id_from_another_source_or_environment_is_another_batch(store: DuckTelemetry) -> None:
    batch = TelemetryBatch(batch_id="b-1", exposures=(met("u1", "baseline", 1),))
    staging = msgspec.structs.replace(SCOPE, environment="staging")
    assert not store.add(SCOPE, batch, source="app", received_at=LATER).duplicate
    assert not store.add(SCOPE, batch, source="worker", received_at=LATER).duplicate
    assert not store.add(staging, batch, source="app", received_at=LATER).duplicate
    assert (exposures_of(store), exposures_of(store, staging)) == (2, 1)


def test_bad_records_are_refused_one_by_one_and_the_rest_is_kept(store: DuckTelemetry) -> None:
    exposures = (
        met("u1", "baseline", 1),
        met("", "baseline", 1),
        met("u2", "baseline", 1, at=LATER + timedelta(hours=1)),
        met("u3", "baseline", 1, context={"note": "x" * 20_000}),
        met("u4", "baseline", 1, revision=2**70),
        met("u5", "baseline", 1),
    )
    metrics = (measured("u1", float("nan"), 2), measured("u1", 7, 2), measured("u1", float("inf"), 2))
    batch = TelemetryBatch(batch_id="b", exposures=exposures, metrics=metrics)
    found = store.add(SCOPE, batch, source="app", received_at=LATER)
    assert (found.exposures, found.metrics) == (2, 1)
    assert [(each.kind, each.index) for each in found.refused] == [
        ("exposures", 1),
        ("exposures", 2),
        ("exposures", 3),
        ("exposures", 4),
        ("metrics", 0),
        ("metrics", 2),
    ]
    reasons = [each.reason for each in found.refused]
    for reason, word in zip(reasons, ("unit", "future", "bytes", "revision", "nan", "inf"), strict=True):
        assert word in reason


def test_a_text_the_store_cannot_take_costs_its_own_record_only(store: DuckTelemetry) -> None:
    broken = met("u1", "baseline", 1, reason="half a pair \ud800")
    batch = TelemetryBatch(batch_id="b", exposures=(met("u0", "baseline", 1), broken, met("u2", "baseline", 1)))
    found = store.add(SCOPE, batch, source="app", received_at=LATER)
    assert (found.exposures, [(each.kind, each.index) for each in found.refused]) == (2, [("exposures", 1)])
    assert exposures_of(store) == 2


def test_hostile_text_is_only_text(sender: Sender, store: DuckTelemetry) -> None:
    evil = "'; DROP TABLE exposures; --"
    sender.send(
        [met(evil, evil, 1, flag=evil, rule=evil, context={evil: evil, "a/b~c": 1})],
        [measured(evil, 1, 2, metric=evil)],
    )
    scope = msgspec.structs.replace(SCOPE, flag=evil)
    assert [(each.rule, each.assigned) for each in store.exposure_counts(scope)] == [(evil, evil)]
    assert store.metrics(SCOPE) == (evil,)
    assert store.metric_presence(scope, evil).joined_events == 1


def test_a_nul_character_is_kept_or_refused_but_never_lost_silently(sender: Sender, store: DuckTelemetry) -> None:
    found = sender.send([met("a\x00b", "baseline", 1), met("ok", "baseline", 1)])
    assert found.exposures + len(found.refused) == 2
    assert exposures_of(store) == found.exposures


def test_moments_keep_their_microseconds(sender: Sender, store: DuckTelemetry) -> None:
    odd = NOON + timedelta(microseconds=123_457)
    sender.send([met("u1", "baseline", 0, at=odd)])
    assert store.contexts(SCOPE)[0].at == odd


def test_the_same_change_event_is_kept_once_however_it_arrives(sender: Sender, store: DuckTelemetry) -> None:
    deploy = ChangeEvent(kind=ChangeKind.DEPLOY, title="release 7", service="answers", at=at(5), attributes={"pr": 9})
    later = ChangeEvent(kind=ChangeKind.MIGRATION, title="index", service="db", at=at(1))
    sender.send(changes=[deploy, deploy])
    first = store.add_change(SCOPE, deploy, source="app", received_at=LATER)
    second = store.add_change(SCOPE, deploy, source="ci", received_at=LATER)
    sender.send(changes=[later])
    found = store.change_events(SCOPE)
    assert [each.event for each in found] == [later, deploy, deploy]
    assert {each.id for each in found if each.event == deploy} == {first.id, second.id}
    assert store.change_events(Scope(project="support", environment="staging")) == ()


def test_what_is_older_than_the_retention_is_deleted(sender: Sender, store: DuckTelemetry) -> None:
    deploy = ChangeEvent(kind=ChangeKind.DEPLOY, title="release 7", service="answers", at=at(5))
    sender.send([met("u1", "baseline", 1), met("u2", "baseline", 100)], [measured("u1", 1, 2)], [deploy])
    gone = store.prune(at(50))
    assert (gone.exposures, gone.metrics, gone.changes) == (1, 1, 1)
    assert [each.unit for each in store.contexts(SCOPE)] == ["u2"]


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
