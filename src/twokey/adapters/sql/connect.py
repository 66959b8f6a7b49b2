"""Opening a database so that a transaction means the same on both.

Rules kept here:
- a writing transaction begins by taking its turn: SQLite's write lock (`BEGIN IMMEDIATE`), an advisory lock on
  PostgreSQL; what it then reads cannot move until it ends;
- a reading transaction sees one consistent state and holds nobody up: WAL on SQLite, REPEATABLE READ on PostgreSQL;
- a commit is on disk when it returns (SQLite `synchronous=FULL`);
- waiting for a turn ends: after `PATIENCE` the waiter gets a Conflict, and a writer that went silent is cut off.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError

from twokey.domain.errors import Conflict, Invalid

PATIENCE = timedelta(seconds=30)
"""How long a writer waits for its turn."""
SILENCE = timedelta(minutes=2)
"""How long a writer may hold its turn without a word before PostgreSQL ends its transaction."""
WRITERS_LOCK = 0x74776F6B6579
"""The key of the advisory lock that writers take turns by: `twokey` in ASCII."""

ACCEPTED = "sqlite:////path/to/file.db or postgresql+psycopg://user@host/database"
_BEGIN = "twokey_begin"
_ONLY_READ: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
_LOCK_NOT_AVAILABLE = "55P03"


def open_database(address: str) -> Engine:
    """An engine for the address of a store; raises Invalid for what is not one."""
    url = _parse(address)
    return _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a writing transaction whose turn it is; commits at the end, rolls back on any exception.

    Raises Conflict when the turn does not come in time, or when the database refuses what is written.
    """
    with _conflicts(), engine.connect() as plain:
        connection = plain.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        with connection.begin():
            if engine.dialect.name == "postgresql":
                _take_turn(connection)
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that reads one consistent state and cannot write."""
    with engine.connect() as plain:
        connection = plain if engine.dialect.name == "sqlite" else plain.execution_options(**_ONLY_READ)
        with connection.begin():
            yield connection


def _take_turn(connection: Connection) -> None:
    patience, silence = (f"{int(each.total_seconds())}s" for each in (PATIENCE, SILENCE))
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{patience}'")
    connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{silence}'")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")


@contextmanager
def _conflicts() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Conflict(f"the store refuses what was written: {error.orig}") from error
    except OperationalError as error:
        if not _is_about_waiting(error):
            raise
        raise waited_in_vain() from error


def waited_in_vain() -> Conflict:
    """What a writer is told whose turn did not come."""
    return Conflict(f"other writers held the store for {PATIENCE.total_seconds():.0f} seconds", remedy="try again")


def _is_about_waiting(error: OperationalError) -> bool:
    if isinstance(error.orig, sqlite3.OperationalError):
        return error.orig.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return getattr(error.orig, "sqlstate", "") == _LOCK_NOT_AVAILABLE


def _parse(address: str) -> URL:
    try:
        url = make_url(address)
    except ArgumentError:
        raise Invalid("store", "is not the address of a database", ACCEPTED) from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise Invalid("store", f"`{url.drivername}` is not a database that is supported", ACCEPTED)
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise Invalid("store", "names no file", ACCEPTED)
    return url


def _postgresql(url: URL) -> Engine:
    # Each statement of a writer must see what the writer before it committed, whatever the server's default is.
    return create_engine(url, isolation_level="READ COMMITTED", pool_pre_ping=True)


def _sqlite(url: URL) -> Engine:
    _create_private(Path(str(url.database)))
    engine = create_engine(url)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _create_private(file: Path) -> None:
    """Make the file readable by its owner alone: it holds password hashes. WAL files take over its mode."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; `_begin` does
    connection.execute(f"PRAGMA busy_timeout = {int(PATIENCE.total_seconds() * 1000)}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(str(connection.get_execution_options().get(_BEGIN, "BEGIN")))
