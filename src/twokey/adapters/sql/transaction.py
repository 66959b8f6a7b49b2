"""One running transaction, as the parts of a unit of work share it.

Rules kept here:
- `now` is the time at which the transaction began, the same for all that it writes;
- a reading transaction writes nothing, whatever the database would let through;
- whether anything was written is known at the end, so that listeners are not told of nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Executable, Row, RowMapping, Select
from sqlalchemy.sql.dml import UpdateBase


class Transaction:
    """A connection inside a transaction that began at `now`."""

    def __init__(self, connection: Connection, now: datetime, *, writing: bool) -> None:
        self._connection, self.writing = connection, writing
        self.now, self.wrote = now, False

    def rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        """All rows of a query."""
        return self._connection.execute(query).all()

    def first(self, query: Select[Any]) -> Row[Any] | None:
        """The first row of a query, or nothing."""
        return self._connection.execute(query).first()

    def mappings(self, query: Select[Any]) -> Sequence[RowMapping]:
        """All rows of a query, each by the names of its columns."""
        return self._connection.execute(query).mappings().all()

    def number(self, query: Select[int]) -> int:
        """The one number that a query gives."""
        return self._connection.execute(query).scalar_one()

    def write(self, statement: UpdateBase, rows: Sequence[dict[str, Any]] | None = None) -> int:
        """Insert, update or delete; how many rows it met. `rows` are those of a bulk insert."""
        self._check_writing()
        done = self._connection.execute(statement, rows) if rows is not None else self._connection.execute(statement)
        self.wrote = self.wrote or done.rowcount != 0
        return done.rowcount

    def write_returning(self, statement: Executable) -> Row[Any] | None:
        """Run a writing statement with RETURNING; its one row, or nothing where it met none."""
        self._check_writing()
        row = self._connection.execute(statement).first()
        self.wrote = self.wrote or row is not None
        return row

    def _check_writing(self) -> None:
        if not self.writing:
            raise RuntimeError("this transaction only reads; write in one that `Store.begin` opened")
