"""A transaction stands together or not at all, and writers take turns: in one process, in several, when one dies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import event

from tests.adapters.sql import samples
from tests.adapters.sql.test_records import KINDS, fill
from tests.support import processes
from tests.support.stores import Stopwatch
from tests.support.threads import in_threads
from twokey.adapters.sql import SqlStore, connect, store
from twokey.adapters.system import new_id
from twokey.domain.case import CaseStatus
from twokey.domain.errors import Conflict, Invalid
from twokey.domain.job import JobKind
from twokey.ports import UnitOfWork

PLACE = ("support", "production")


def everything(uow: UnitOfWork) -> None:
    """One transaction that writes all there is."""
    fill(uow)
    uow.flags.put_environment(samples.ENVIRONMENT)
    before = uow.flags.state(*PLACE)
    uow.flags.write(
        before, samples.with_controls(before, samples.control(), segments=(samples.segment(),)), "change-1", uow.now
    )
    uow.audit.append(samples.happening())
    uow.jobs.enqueue(JobKind.CHECK_EVIDENCE, "case-1", uow.now)


def test_the_time_of_a_transaction_stands_while_it_runs(store: SqlStore, clock: Stopwatch) -> None:
    with store.begin() as uow:
        began = uow.now
        clock.forward(hours=1)
        entry = uow.audit.append(samples.happening())
        assert uow.now == began == entry.at
        assert uow.new_id("case") == "case-1"


def test_listeners_hear_of_commits_that_wrote_something_and_of_no_other(store: SqlStore) -> None:
    heard: list[int] = []
    store.on_commit(lambda: heard.append(len(heard)))
    with store.read() as uow:
        uow.cases.where()
    with store.begin() as uow:
        assert uow.jobs.claim("worker", uow.now, timedelta(seconds=1)) is None  # a worker that finds nothing to do

    def fail() -> None:
        with store.begin() as uow:
            uow.cases.add(samples.case())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert heard == []
    with store.begin() as uow:
        uow.cases.add(samples.case())
        assert heard == []
    assert heard == [0]


def test_a_listener_sees_what_was_committed_and_may_write_itself(store: SqlStore) -> None:
    seen: list[int] = []

    def listen() -> None:
        with store.read() as uow:
            seen.append(uow.cases.count())
        if len(seen) < 2:
            with store.begin() as uow:
                uow.cases.add(samples.case("case-2"))

    store.on_commit(listen)
    with store.begin() as uow:
        uow.cases.add(samples.case("case-1"))
    assert seen == [1, 2]


def test_a_listener_that_fails_fails_nobody_else(store: SqlStore, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    store.on_commit(fail)
    store.on_commit(lambda: heard.append("yes"))
    with store.begin() as uow:
        uow.cases.add(samples.case())
    assert heard == ["yes"]
    assert "a listener failed after a commit" in caplog.text


def test_a_transaction_within_another_of_its_thread_is_refused_at_once(store: SqlStore) -> None:
    with store.begin() as uow:
        with pytest.raises(RuntimeError, match="would wait for it for ever"), store.begin():
            pass
        uow.cases.add(samples.case())
    with store.begin() as uow:
        assert uow.cases.count() == 1


def test_a_reader_sees_one_state_however_long_it_looks(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.cases.add(samples.case("case-1"))
    with store.read() as reader:
        assert reader.cases.count() == 1
        with store.begin() as uow:
            uow.cases.add(samples.case("case-2"))
            uow.audit.append(samples.happening())
        assert reader.cases.count() == 1
        assert reader.audit.verify().entries == 0
    with store.read() as reader:
        assert reader.cases.count() == 2


def test_writers_at_once_lose_nothing(store: SqlStore) -> None:
    """Each reads, computes and writes back: without turns, one would overwrite what the other added."""
    with store.begin() as uow:
        uow.cases.add(samples.case(notes=()))
        uow.flags.put_environment(samples.ENVIRONMENT)

    def write(name: str) -> None:
        for _ in range(10):
            with store.begin() as uow:
                case = uow.cases.get("case-1")
                note = msgspec.structs.replace(samples.case().notes[0], author=name)
                uow.cases.replace(msgspec.structs.replace(case, notes=(*case.notes, note)))
                before = uow.flags.state(*PLACE)
                uow.flags.write(before, samples.with_controls(before, samples.control(name)), "change-1", uow.now)

    in_threads(write, *"abcd")
    with store.read() as uow:
        authors = sorted(note.author for note in uow.cases.get("case-1").notes)
        assert authors == sorted("abcd" * 10)
        assert uow.flags.revision(*PLACE) == 40
        assert sorted(uow.flags.state(*PLACE).controls) == list("abcd")


def test_writers_in_two_processes_lose_nothing(store_url: str, open_store: Callable[[str], SqlStore]) -> None:
    def write(name: str) -> None:
        mine = SqlStore(store_url, Stopwatch(), new_id)
        for number in range(15):
            with mine.begin() as uow:
                uow.cases.add(samples.case(f"case-{name}-{number}"))
                uow.audit.append(samples.happening())

    children = [processes.start(write, name) for name in "ab"]
    assert [processes.wait(child) for child in children] == [0, 0]
    with open_store(store_url).read() as uow:
        assert uow.cases.count() == 30
        assert uow.audit.verify().ok
        assert uow.audit.verify().entries == 30


def test_a_writer_whose_turn_does_not_come_is_told_so(
    store_url: str, open_store: Callable[[str], SqlStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "PATIENCE", timedelta(seconds=1))
    monkeypatch.setattr(store, "PATIENCE", timedelta(seconds=0.1))
    one, other = open_store(store_url), open_store(store_url)  # as two processes have them
    told: list[str] = []

    def write(through: SqlStore) -> None:
        try:
            with through.begin():
                told.append("its turn")
        except Conflict as error:
            told.append(str(error))

    with one.begin():
        for through in (other, one):
            in_threads(write, through)
    assert told == ["other writers held the store for 1 seconds; try again"] * 2
    write(other)
    assert told[-1] == "its turn"


def test_killed_at_any_statement_a_writer_leaves_all_or_nothing(
    store_url: str, open_store: Callable[[str], SqlStore]
) -> None:
    """A process dies before its first statement, its second, and so on, until one of them gets through."""

    def write(deaths: int) -> None:
        mine = SqlStore(store_url, Stopwatch(), new_id)
        left = [deaths]

        def count(*_: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                processes.die()

        event.listen(mine.engine, "before_cursor_execute", count)
        event.listen(mine.engine, "commit", count)
        with mine.begin() as uow:
            everything(uow)

    look = open_store(store_url)
    deaths = 0
    while processes.wait(processes.start(write, deaths)) == processes.KILLED:
        assert _counts(look) == [0] * (len(KINDS) + 4), f"half written when killed at statement {deaths}"
        deaths += 1
    assert deaths > 40
    assert _counts(look) == [1] * (len(KINDS) + 4)
    with look.begin() as uow:  # nothing is locked, and what was written is whole
        uow.cases.replace(samples.case("case-1", CaseStatus.TRIAGED))
        assert uow.audit.verify().ok
        assert uow.flags.state(*PLACE).snapshot().flags.keys() == {"answers"}


def _counts(store: SqlStore) -> list[int]:
    with store.read() as uow:
        flags = [len(uow.flags.environments()), *([uow.flags.revision(*PLACE)] if uow.flags.environments() else [0])]
        counts = [getattr(uow, kind).count() for kind in KINDS]
        return [*counts, *flags, len(uow.audit.entries()), len(uow.jobs.waiting())]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nonsense", "is not the address of a database"),
        ("mysql://host/db", "`mysql` is not a database that is supported"),
        ("sqlite+aiosqlite:////tmp/x.db", "`sqlite.aiosqlite` is not"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_an_address_that_is_none_is_refused_with_what_is_accepted(url: str, problem: str) -> None:
    with pytest.raises(Invalid, match=f"{problem}.*accepted: sqlite:////path"):
        SqlStore(url, Stopwatch(), new_id)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(Invalid) as refused:
        SqlStore("mysql://twokey:open-sesame@host/db", Stopwatch(), new_id)
    assert "open-sesame" not in str(refused.value)


def test_the_short_form_of_a_postgresql_address_will_do(
    postgresql_url: str, open_store: Callable[[str], SqlStore]
) -> None:
    store = open_store(postgresql_url.replace("+psycopg", ""))
    with store.begin() as uow:
        uow.cases.add(samples.case())
    with store.read() as uow:
        assert uow.cases.count() == 1
