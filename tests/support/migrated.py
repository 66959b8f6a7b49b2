"""An empty SQLite store with its tables, made once in each test process: copying it is quicker than migrating."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from twokey.adapters.sql import SqlStore

__all__ = ["copy_of_it"]


def copy_of_it(file: Path) -> str:
    """Put a fresh, migrated store there; its address."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_migrated_file(), file)
    file.chmod(0o600)
    return f"sqlite:///{file}"


@cache
def _migrated_file() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="twokey-sqlite-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    store = SqlStore(f"sqlite:///{folder / 'template.db'}", lambda: datetime.now(UTC), str)
    store.migrate()
    store.close()  # the last connection folds the WAL into the file, which can then be copied alone
    return folder / "template.db"
