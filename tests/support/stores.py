"""Stores for tests: each test that asks for `store` runs on SQLite and on PostgreSQL.

PostgreSQL is Debian's, started once per test process on loopback in a throw-away folder, and stopped by its id at the
end (or by the kernel, should the test process be killed). Each test gets its own database, copied from a migrated one.

Import the fixtures into a `conftest.py`: `from tests.support.stores import *  # noqa: F403`.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests import needs
from tests.support.migrated import copy_of_it
from twokey.adapters.sql import SqlStore

__all__ = ["Stopwatch", "clock", "ids", "open_store", "postgresql_url", "sqlite_url", "store", "store_url"]

FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=16MB", "max_connections=60")
INIT = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")
START = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


class Stopwatch:
    """A clock that stands until it is told to go on, so that tests are about time without taking any."""

    def __init__(self, start: datetime = START) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL server of this test process."""

    port: int
    password: str

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str) -> None:
        address = self.url("postgres").replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture
def clock() -> Stopwatch:
    """The time of the test, which moves only when the test says so."""
    return Stopwatch()


@pytest.fixture
def ids() -> Callable[[str], str]:
    """Ids that count up: `case-1`, `case-2`."""
    numbers: dict[str, Iterator[int]] = {}
    return lambda prefix: f"{prefix}-{next(numbers.setdefault(prefix, count(1)))}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The address of a fresh, migrated SQLite store."""
    return copy_of_it(tmp_path / "store.db")


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """The address of a fresh, migrated PostgreSQL store."""
    needs.postgres()
    name = f"test_{secrets.token_hex(6)}"
    _migrated_cluster().run(f"CREATE DATABASE {name} TEMPLATE twokey_template")
    yield cluster().url(name)
    cluster().run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The address of a fresh, migrated store, once on each database."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def open_store(clock: Stopwatch, ids: Callable[[str], str]) -> Iterator[Callable[[str], SqlStore]]:
    """Opens stores that are closed when the test ends."""
    opened: list[SqlStore] = []

    def open_one(url: str) -> SqlStore:
        opened.append(SqlStore(url, clock, ids))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.fixture
def store(store_url: str, open_store: Callable[[str], SqlStore]) -> SqlStore:
    """A fresh, migrated store, once on each database."""
    return open_store(store_url)


@cache
def _migrated_cluster() -> Cluster:
    own = cluster()
    own.run("CREATE DATABASE twokey_template")
    store = SqlStore(own.url("twokey_template"), Stopwatch(), str)
    store.migrate()
    store.close()
    return own


@cache
def cluster() -> Cluster:
    """The PostgreSQL of this process: started when first asked for, stopped at its end."""
    binaries, folder = needs.postgres(), Path(tempfile.mkdtemp(prefix="twokey-pg-"))
    own = Cluster(_free_port(), secrets.token_hex(16))
    (folder / "password").write_text(own.password)
    user = _user_for(folder)
    _run([binaries / "initdb", "-D", folder / "data", "-U", "postgres", "--pwfile", folder / "password", *INIT], user)
    server = _start(binaries, folder, own.port, user)
    atexit.register(_stop, server, folder)
    _wait_until_up(own, server, folder)
    return own


def _user_for(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root; then it runs as its own user, who must own the folder."""
    if os.geteuid() != 0:
        return None
    owner = pwd.getpwnam("postgres")
    for path in (folder, *folder.iterdir()):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return owner.pw_name


def _run(command: list[object], user: str | None) -> None:
    done = subprocess.run([str(part) for part in command], user=user, cwd="/", capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]} failed: {done.stdout}{done.stderr}"


def _start(binaries: Path, folder: Path, port: int, user: str | None) -> subprocess.Popen[bytes]:
    places = ("listen_addresses=127.0.0.1", f"port={port}", f"unix_socket_directories={folder}")
    settings = [part for each in (*places, *FAST) for part in ("-c", each)]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", *settings],
            user=user,
            cwd="/",
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C of the tests is not for the server
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - no other thread runs yet, and it makes one system call
        )


def _die_with_parent() -> None:
    """Have the kernel stop the server when the test process is gone (Linux), however it went."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


def _wait_until_up(cluster: Cluster, server: subprocess.Popen[bytes], folder: Path) -> None:
    for _ in range(300):
        with suppress(psycopg.OperationalError):
            return cluster.run("SELECT 1")
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"PostgreSQL did not start: {(folder / 'log').read_text()}")


def _stop(server: subprocess.Popen[bytes], folder: Path) -> None:
    server.send_signal(signal.SIGQUIT)
    server.wait(timeout=30)
    shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
