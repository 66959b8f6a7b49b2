"""The audit log is a chain that shows every attempt on it, whoever has the database and its administrator's rights."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy.exc import DBAPIError

from tests.adapters.sql import samples
from tests.support.stores import Stopwatch
from tests.support.threads import in_threads
from twokey.adapters.sql import SqlStore
from twokey.domain.audit import GENESIS, Verification, link, verify
from twokey.domain.errors import Conflict

ENTRIES = 5


@pytest.fixture
def log(store: SqlStore, clock: Stopwatch) -> SqlStore:
    """A store whose log has five entries."""
    for number in range(ENTRIES):
        with store.begin() as uow:
            uow.audit.append(samples.happening(f"case-{number}", share=1.0, text=samples.UNUSUAL))
        clock.forward(seconds=1)
    return store


def verified(store: SqlStore) -> Verification:
    with store.read() as uow:
        return uow.audit.verify()


def tamper(store: SqlStore, *statements: str) -> None:
    """Do as an administrator could who first takes away the triggers."""
    with store.engine.begin() as connection:
        if store.engine.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_entries_no_update")
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_entries_no_delete")
        else:
            connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_entries_append_only ON audit_entries")
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_entries_stand_in_the_order_of_their_transactions(log: SqlStore) -> None:
    with log.read() as uow:
        entries = uow.audit.entries()
        assert [each.index for each in entries] == list(range(ENTRIES))
        assert verify(entries) == verified(log)
        assert [each.index for each in uow.audit.entries(start=3)] == [3, 4]
        assert [each.index for each in uow.audit.entries(limit=2)] == [0, 1]
        assert [each.index for each in uow.audit.entries(limit=2, newest_first=True)] == [4, 3]
        assert uow.audit.entries(case="case-2") == ()
        assert len(uow.audit.entries(case="case-1")) == ENTRIES


def test_entries_of_one_place_are_read_back_from_an_index(log: SqlStore) -> None:
    with log.begin() as uow:
        elsewhere = msgspec.structs.replace(samples.happening("case-9", share=1.0, text="x"), environment="elsewhere")
        uow.audit.append(elsewhere)
    with log.read() as uow:
        project, here = elsewhere.project, uow.audit.entries(limit=1)[0].happening.environment
        found = uow.audit.entries(place=(project, here), before=4, limit=2, newest_first=True)
        assert [each.index for each in found] == [3, 2]
        assert [each.index for each in uow.audit.entries(place=(project, "elsewhere"))] == [ENTRIES]
        assert uow.audit.entries(place=(project, "nowhere\0")) == uow.audit.entries(before=0) == ()


def test_an_untouched_log_verifies_to_its_head(log: SqlStore) -> None:
    with log.read() as uow:
        last = uow.audit.entries(newest_first=True, limit=1)[0]
    assert verified(log) == Verification(ok=True, entries=ENTRIES, head=last.hash)


def test_an_empty_log_verifies(store: SqlStore) -> None:
    assert verified(store) == Verification(ok=True, entries=0, head=GENESIS)


def test_a_log_longer_than_a_page_verifies(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twokey.adapters.sql.audit_log.PAGE", 3)
    with store.begin() as uow:
        for _ in range(7):
            uow.audit.append(samples.happening())
    assert verified(store).entries == 7


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entries SET action = 'x'", "DELETE FROM audit_entries", "TRUNCATE audit_entries"]
)
def test_the_database_refuses_to_alter_or_remove_entries(log: SqlStore, statement: str) -> None:
    if statement.startswith("TRUNCATE") and log.engine.dialect.name == "sqlite":
        statement = "DELETE FROM audit_entries WHERE position = 4"
    with log.engine.connect() as connection, pytest.raises(DBAPIError, match="append-only"):
        connection.exec_driver_sql(statement)
    assert verified(log).ok


COLUMNS = {
    "at": "2026-11-22T09:30:03.000000Z",
    "action": "case.close",
    "subject": "case-9",
    "actor": "ben",
    "outcome": "refused",
    "project": "other",
    "environment": "canary",
    "case": "case-9",
    "previous": "sha256:" + "1" * 64,
    "hash": "sha256:" + "1" * 64,
}


@pytest.mark.parametrize("column", COLUMNS)
def test_one_altered_column_is_found_and_its_entry_named(log: SqlStore, column: str) -> None:
    tamper(log, f"""UPDATE audit_entries SET "{column}" = '{COLUMNS[column]}' WHERE position = 2""")
    found = verified(log)
    assert (found.ok, found.entries, found.broken_at) == (False, 2, 2)
    assert "entry 2" in found.problem


def test_every_single_byte_of_a_row_counts(sqlite_url: str, open_store: Callable[[str], SqlStore]) -> None:
    """Each byte of each text column in turn is another one: never does the log verify."""
    store = open_store(sqlite_url)
    with store.begin() as uow:
        uow.audit.append(samples.happening())
        uow.audit.append(samples.happening())
    tamper(store)
    with store.engine.connect() as connection:
        row = connection.exec_driver_sql("SELECT * FROM audit_entries WHERE position = 1").mappings().one()
    texts = {name: value for name, value in row.items() if isinstance(value, str) and name not in ("previous", "hash")}
    for name, value in texts.items():
        for place in range(len(value)):
            other = value[:place] + ("~" if value[place] != "~" else "-") + value[place + 1 :]
            _set(store, name, other)
            assert verified(store).broken_at == 1, (name, place)
        _set(store, name, value)
    assert verified(store).ok


def _set(store: SqlStore, column: str, value: object) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f'UPDATE audit_entries SET "{column}" = ? WHERE position = 1', (value,))


@pytest.mark.parametrize(
    "alter",
    [
        "document || ' '",
        "replace(document, ':', ': ')",
        "replace(document, 'case-2', 'case-3')",
        "replace(document, '\"share\":1', '\"share\":1.0')",
        "replace(document, '{', '')",
        "'[]'",
        "''",
    ],
)
def test_a_document_must_be_what_was_written_to_the_last_byte(log: SqlStore, alter: str) -> None:
    tamper(log, f"UPDATE audit_entries SET document = {alter} WHERE position = 2")
    assert verified(log).broken_at == 2


@pytest.mark.parametrize("column", ["document", "subject"])
def test_bytes_that_are_no_text_are_named_not_stumbled_over(
    sqlite_url: str, open_store: Callable[[str], SqlStore], column: str
) -> None:
    """SQLite holds whatever bytes somebody writes into the file."""
    store = open_store(sqlite_url)
    with store.begin() as uow:
        for number in range(4):
            uow.audit.append(samples.happening(f"case-{number}"))
    tamper(store, f"UPDATE audit_entries SET {column} = CAST(x'ff' AS TEXT) WHERE position = 2")
    found = verified(store)
    assert (found.ok, found.entries, found.broken_at) == (False, 2, 2)
    assert "cannot be read" in found.problem


def test_a_rewritten_entry_with_a_fresh_hash_breaks_the_next_one(log: SqlStore) -> None:
    with log.read() as uow:
        old = uow.audit.entries(start=2, limit=1)[0]
    forged = link(samples.happening("case-9"), old.index, old.previous, old.at)
    document = '{"action":"case.open","actor":{"id":"ana","kind":"person"},"case":"case-1","environment":"production",'
    document += '"project":"support","subject":"case-9"}'
    values = f"subject = 'case-9', document = '{document}', hash = '{forged.hash}'"
    tamper(log, f"UPDATE audit_entries SET {values} WHERE position = 2")
    tamper(log, "DELETE FROM audit_asides WHERE position = 2")
    found = verified(log)
    assert (found.broken_at, found.problem) == (3, "entry 3 does not follow the entry before it")


def test_a_removed_entry_is_missed(log: SqlStore) -> None:
    tamper(log, "DELETE FROM audit_entries WHERE position = 2")
    found = verified(log)
    assert (found.entries, found.broken_at) == (2, 2)
    assert "entry 2 is missing" in found.problem


@pytest.mark.parametrize("left", [0, 1, 4])
def test_a_removed_tail_is_missed(log: SqlStore, left: int) -> None:
    tamper(log, f"DELETE FROM audit_entries WHERE position >= {left}")
    found = verified(log)
    assert (found.ok, found.entries, found.broken_at) == (False, left, left)
    assert "is missing: the log ends there, but 5 entries were written" in found.problem


def test_two_entries_that_changed_places_are_noticed(log: SqlStore) -> None:
    moves = [(1, 99), (2, 1), (99, 2)]
    tamper(log, *(f"UPDATE audit_entries SET position = {new} WHERE position = {old}" for old, new in moves))
    assert verified(log).broken_at == 1


@pytest.mark.parametrize(
    ("change", "broken_at"),
    [
        ("UPDATE audit_head SET entries = 4", 4),
        (f"UPDATE audit_head SET hash = '{GENESIS}'", 4),
        ("UPDATE audit_head SET entries = 9", 5),
        ("DELETE FROM audit_head", 0),
    ],
)
def test_a_head_that_was_altered_is_noticed(log: SqlStore, change: str, broken_at: int) -> None:
    tamper(log, change)
    found = verified(log)
    assert (found.ok, found.broken_at) == (False, broken_at)


def test_an_entry_put_behind_the_head_is_noticed(log: SqlStore) -> None:
    with log.read() as uow:
        last = uow.audit.entries(newest_first=True, limit=1)[0]
    forged = link(samples.happening("case-9"), 5, last.hash, last.at)
    columns = 'position, at, action, subject, actor, outcome, project, environment, "case", document, previous, hash'
    copied = (
        "5, at, action, 'case-9', actor, outcome, project, environment, \"case\", "
        """'{"action":"case.open","actor":{"id":"ana","kind":"person"},"case":"case-1","environment":"production",'"""
        """ || '"project":"support","subject":"case-9"}', """
        f"'{last.hash}', '{forged.hash}'"
    )
    tamper(log, f"INSERT INTO audit_entries ({columns}) SELECT {copied} FROM audit_entries WHERE position = 4")
    found = verified(log)
    assert (found.ok, found.broken_at) == (False, 5)
    assert "6 entries stand, 5 were written" in found.problem


def test_nothing_is_added_to_a_log_that_lost_its_head(store: SqlStore) -> None:
    tamper(store, "DELETE FROM audit_head")
    with store.begin() as uow, pytest.raises(Conflict, match="the head of the audit log is missing"):
        uow.audit.append(samples.happening())


def test_writers_at_once_make_one_chain_without_gaps(store: SqlStore) -> None:
    def write(name: str) -> None:
        for number in range(10):
            with store.begin() as uow:
                uow.audit.append(samples.happening(f"{name}-{number}"))

    in_threads(write, *"abcd")
    with store.read() as uow:
        subjects = [each.happening.subject for each in uow.audit.entries()]
    assert verified(store) == Verification(ok=True, entries=40, head=verified(store).head)
    assert sorted(subjects) == sorted(f"{name}-{number}" for name in "abcd" for number in range(10))
