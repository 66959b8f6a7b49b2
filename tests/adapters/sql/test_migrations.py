"""The migrations make exactly the tables that the code speaks of, on both databases."""

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from twokey.adapters import sql
from twokey.adapters.sql import SqlStore
from twokey.adapters.sql.tables import metadata
from twokey.domain.errors import Conflict

VERSIONS = Path(sql.__file__).parent / "migrations" / "versions"


def test_a_migrated_store_has_the_tables_of_the_code(store: SqlStore) -> None:
    with store.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_partial_indexes_and_deferred_references_are_the_same_too(store: SqlStore) -> None:
    """`compare_metadata` does not look at these."""
    tables = inspect(store.engine)
    wheres = {
        index["name"]: index["dialect_options"][f"{store.engine.dialect.name}_where"]
        for table in ("signals", "jobs")
        for index in tables.get_indexes(table)
        if f"{store.engine.dialect.name}_where" in index.get("dialect_options", {})
    }
    assert {name: str(where).split()[0].strip("(") for name, where in wheres.items()} == {
        "uq_signals_firing": "status",
        "uq_jobs_undone": "done_at",
        "ix_jobs_due": "done_at",
    }
    for table in metadata.tables:
        for reference in tables.get_foreign_keys(table):
            assert reference["options"] == {"deferrable": True, "initially": "DEFERRED"}, reference


def test_migrating_twice_changes_nothing(store: SqlStore) -> None:
    store.migrate()
    newest = max(each.name[:4] for each in VERSIONS.glob("[0-9]*.py"))
    with store.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [(newest,)]


def test_a_store_of_a_newer_version_is_left_alone(store: SqlStore) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="a newer Twokey may have written it"):
        store.migrate()


def test_a_new_file_is_readable_by_its_owner_alone(tmp_path: Path, open_store: Callable[[str], SqlStore]) -> None:
    file = tmp_path / "new" / "store.db"
    store = open_store(f"sqlite:///{file}")
    store.migrate()
    with store.begin() as uow:
        uow.jobs.waiting()
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in file.parent.iterdir()} == dict.fromkeys(
        ("store.db", "store.db-shm", "store.db-wal"), "0o600"
    )
