"""Records of any kind, by what `kinds` says of it.

Rules kept here:
- what makes a record a duplicate is looked for before it is written, so that the answer is a clear `Conflict` and the
  transaction can still record the refusal (a failed statement would end it on PostgreSQL). Writers take turns, so
  nothing comes in between; the unique indexes stand behind it all the same;
- newest first is by `seq`, the order of insertion, never by a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, and_, func, insert, select, true, update

from twokey.adapters.sql.kinds import Kind, Unique
from twokey.adapters.sql.stored import Cell, copy, read, write
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.errors import Conflict, NotFound

R = TypeVar("R", bound=msgspec.Struct)


class SqlRecords(Generic[R]):
    """The records of one kind, inside one transaction."""

    def __init__(self, transaction: Transaction, kind: Kind[R]) -> None:
        self._transaction, self._kind, self._table = transaction, kind, kind.table

    def get(self, id: str) -> R:
        """The record; raises NotFound."""
        if (record := self.find(id)) is None:
            raise NotFound(self._kind.noun, id)
        return record

    def find(self, id: str) -> R | None:
        """The record, or nothing."""
        row = self._transaction.first(select(self._table.c.document).where(self._table.c.id == copy(id)))
        return None if row is None else read(row.document, self._kind.type)

    def add(self, record: R) -> None:
        """Insert; raises Conflict where the id or another unique column is taken."""
        row = self._kind.row(record)
        if self._exists(self._table.c.id == row["id"]):
            raise Conflict(f"{self._kind.noun} `{row['id']}` exists already")
        self._check_unique(row)
        self._transaction.write(insert(self._table).values(**row, document=write(record)))

    def replace(self, record: R) -> None:
        """Overwrite; raises NotFound, and Conflict where a unique column is taken by another record."""
        row = self._kind.row(record)
        self._check_unique(row)
        statement = update(self._table).where(self._table.c.id == row["id"]).values(**row, document=write(record))
        if self._transaction.write(statement) == 0:
            raise NotFound(self._kind.noun, str(row["id"]))

    def where(self, *, limit: int = 100, before: str | None = None, **equals: str | datetime | None) -> tuple[R, ...]:
        """Records whose columns equal the given values, newest first, older than the record `before`.

        A value of None does not filter. Raises NotFound where `before` is no record, TypeError for an unknown column.
        """
        query = select(self._table.c.document).where(self._matches(equals), self._older_than(before))
        rows = self._transaction.rows(query.order_by(self._table.c.seq.desc()).limit(max(0, limit)))
        return tuple(read(row.document, self._kind.type) for row in rows)

    def count(self, **equals: str | datetime | None) -> int:
        """How many records have these values; None does not filter."""
        return self._transaction.number(select(func.count()).select_from(self._table).where(self._matches(equals)))

    def _matches(self, equals: Mapping[str, Any]) -> ColumnElement[bool]:
        for name in equals:
            if name not in self._kind.columns:
                known = ", ".join(sorted(self._kind.columns))
                raise TypeError(f"a {self._kind.noun} cannot be found by `{name}` (possible: {known})")
        wanted = {name: copy(value) for name, value in equals.items() if value is not None}
        return and_(true(), *(self._table.c[name] == value for name, value in wanted.items()))

    def _older_than(self, id: str | None) -> ColumnElement[bool]:
        if id is None:
            return true()
        row = self._transaction.first(select(self._table.c.seq).where(self._table.c.id == copy(id)))
        if row is None:
            raise NotFound(self._kind.noun, id)
        older: ColumnElement[bool] = self._table.c.seq < row.seq
        return older

    def _check_unique(self, row: Mapping[str, Cell]) -> None:
        for rule in self._kind.unique:
            if all(row[name] == value for name, value in rule.where) and self._exists(self._shares(rule, row)):
                raise Conflict(f"another {self._kind.noun} has this {_listed(rule.columns)}")

    def _shares(self, rule: Unique, row: Mapping[str, Cell]) -> ColumnElement[bool]:
        same = [self._table.c[name] == row[name] for name in (*rule.columns, *(name for name, _ in rule.where))]
        return and_(self._table.c.id != row["id"], *same)

    def _exists(self, condition: ColumnElement[bool]) -> bool:
        return self._transaction.first(select(self._table.c.id).where(condition).limit(1)) is not None


def _listed(columns: tuple[str, ...]) -> str:
    names = [name.replace("_", " ") for name in columns]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
