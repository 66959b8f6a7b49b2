"""Objects that live in an environment (controls, segments): one row for what is now, one for every version.

Rule: a stamp is no difference. An object whose content is as before keeps its row, its revision and its digest, even
where whoever edited it dropped or kept an old stamp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Row, Table, and_, delete, func, insert, select

from twokey.adapters.sql.stored import copy, moment, read, write
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.stamps import Stamps

T = TypeVar("T", bound=msgspec.Struct)
_AT_ONCE = 500
"""Keys of one statement: databases limit how many values it may carry."""


@dataclass(frozen=True)
class Publish:
    """One publish: where, the revision it makes, by which change, and when."""

    project: str
    environment: str
    revision: int
    change: str
    at: datetime


class SqlObjects(Generic[T]):
    """The objects of one type, inside one transaction."""

    def __init__(
        self, transaction: Transaction, type_: type[T], stamps: Stamps[T], current: Table, versions: Table
    ) -> None:
        self._transaction, self._current, self._versions = transaction, current, versions
        self._type, self._stamps = type_, stamps

    def now(self, project: str, environment: str) -> dict[str, T]:
        """What stands in the environment, by key."""
        query = select(self._current.c.key, self._current.c.document).order_by(self._current.c.key)
        return self._read(self._transaction.rows(query.where(_in(self._current, project, environment))))

    def since(self, known: Mapping[str, T], project: str, environment: str, revision: int) -> dict[str, T]:
        """What stands in the environment, by key, where `known` stood in it at that revision."""
        versions = self._versions
        query = select(versions.c.key, versions.c.document).order_by(versions.c.revision)
        newer = and_(_in(versions, project, environment), versions.c.revision > revision)
        last = {row.key: row.document for row in self._transaction.rows(query.where(newer))}
        edited = {key: read(document, self._type) for key, document in last.items() if document is not None}
        stands = {key: each for key, each in {**known, **edited}.items() if last.get(key, key) is not None}
        return stands if edited.keys() <= known.keys() else dict(sorted(stands.items()))

    def at(self, project: str, environment: str, revision: int) -> dict[str, T]:
        """What stood in the environment when this revision was published, by key."""
        versions = self._versions
        inside = and_(_in(versions, project, environment), versions.c.revision <= revision)
        last = (
            select(versions.c.key, func.max(versions.c.revision).label("revision"))
            .where(inside)
            .group_by(versions.c.key)
            .subquery()
        )
        joined = versions.join(last, and_(versions.c.key == last.c.key, versions.c.revision == last.c.revision))
        query = select(versions.c.key, versions.c.document).select_from(joined).order_by(versions.c.key)
        return self._read(
            self._transaction.rows(query.where(_in(versions, project, environment), versions.c.document.is_not(None)))
        )

    def history(self, project: str, environment: str, key: str, limit: int) -> Sequence[Row[Any]]:
        """The rows of an object's versions, newest first; `document` is None where it was gone."""
        versions = self._versions
        query = select(versions).where(_in(versions, project, environment), versions.c.key == copy(key))
        return self._transaction.rows(query.order_by(versions.c.revision.desc()).limit(max(0, limit)))

    def histories(self, project: str, environment: str, keys: Sequence[str]) -> Iterator[Row[Any]]:
        """The rows of all versions of these objects, by key, newest first."""
        versions = self._versions
        query = select(versions).order_by(versions.c.key, versions.c.revision.desc())
        for start in range(0, len(keys), _AT_ONCE):
            chosen = versions.c.key.in_([copy(key) for key in keys[start : start + _AT_ONCE]])
            yield from self._transaction.rows(query.where(_in(versions, project, environment), chosen))

    def edited(self, project: str, environment: str, since: datetime, until: datetime) -> Sequence[Row[Any]]:
        """The keys of what was edited from `since` to `until`, with when that was last (`at`)."""
        versions = self._versions
        inside = and_(versions.c.at >= moment(since), versions.c.at <= moment(until))
        query = select(versions.c.key, func.max(versions.c.at).label("at")).group_by(versions.c.key)
        return self._transaction.rows(query.where(_in(versions, project, environment), inside))

    def publish(self, before: Mapping[str, T], after: Mapping[str, T], publish: Publish) -> dict[str, T]:
        """Store what differs between `before` and `after`; what now stands, stamped, by key."""
        gone = [key for key in before if key not in after]
        edited = {
            key: self._stamps.stamped(each, publish.revision)
            for key, each in after.items()
            if key not in before or self._differ(before[key], each)
        }
        self._remove(publish, [*gone, *edited])
        self._insert(publish, edited, gone)
        return {key: edited.get(key) or before[key] for key in sorted(after)}

    def _remove(self, publish: Publish, keys: Sequence[str]) -> None:
        # One statement per key: databases limit how many values a statement may carry.
        for key in keys:
            here = _in(self._current, publish.project, publish.environment)
            self._transaction.write(delete(self._current).where(here, self._current.c.key == key))

    def _insert(self, publish: Publish, edited: Mapping[str, T], gone: Sequence[str]) -> None:
        place = {"project": publish.project, "environment": publish.environment, "revision": publish.revision}
        rows = [{**place, "key": key, "document": write(each)} for key, each in edited.items()]
        tombstones = [{**place, "key": key, "document": None} for key in gone]
        stamp = {"change": publish.change, "at": moment(publish.at)}
        if rows:
            self._transaction.write(insert(self._current), rows)
        if rows or tombstones:
            self._transaction.write(insert(self._versions), [row | stamp for row in [*rows, *tombstones]])

    def _read(self, rows: Sequence[Row[Any]]) -> dict[str, T]:
        return {row.key: read(row.document, self._type) for row in rows}

    def _differ(self, one: T, other: T) -> bool:
        return one is not other and self._stamps.content(one) != self._stamps.content(other)


def _in(table: Table, project: str, environment: str) -> ColumnElement[bool]:
    return and_(table.c.project == copy(project), table.c.environment == copy(environment))
