"""The hash-chained audit log, and the reading of it that trusts nothing.

Rules kept here:
- an entry takes its place while its transaction holds the head, so the chain has no gap and no fork;
- the head says how many entries there are and what the last one's hash is, so that a lost tail is noticed;
- verification walks the *rows*: each column must be, byte for byte, what the entry it claims to be would be stored as.
  So an altered copy (the action a list shows, say) is found as surely as an altered document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import DBAPIError

from twokey.adapters.sql.stored import Cell, copy, moment, parse_moment
from twokey.adapters.sql.tables import audit_entries, audit_head
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.audit import GENESIS, Entry, Happening, Verification, link, verify
from twokey.domain.errors import Conflict
from twokey.engine.canonical import canonical

PAGE = 1000
_position = audit_entries.c.position


class SqlAuditLog:
    """The audit log, inside one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def append(self, happening: Happening) -> Entry:
        """Add an entry at the time of the transaction."""
        count, last = self._head()
        entry = link(happening, count, last, self._transaction.now)
        self._transaction.write(insert(audit_entries).values(**_row(entry)))
        if self._transaction.write(update(audit_head).values(entries=count + 1, hash=entry.hash)) == 0:
            raise Conflict("the head of the audit log is missing", remedy="verify the log before anything is added")
        return entry

    def entries(
        self, *, start: int = 0, limit: int = 1000, case: str | None = None, newest_first: bool = False
    ) -> tuple[Entry, ...]:
        """Entries whose index is at least `start`, by index; those of one case where `case` is given."""
        query = select(audit_entries).where(_position >= start)
        if case is not None:
            query = query.where(audit_entries.c.case == copy(case))
        ordered = query.order_by(_position.desc() if newest_first else _position).limit(max(0, limit))
        return tuple(_entry(row) for row in self._transaction.mappings(ordered))

    def verify(self) -> Verification:
        """Walk all that is stored, from the first entry to the head; name the first place where it does not fit."""
        walked = _walk(self._rows())
        if not walked.ok:
            return walked
        count, last = self._head()
        if (count, last) == (walked.entries, walked.head):
            return walked
        return _against_head(walked, count)

    def _head(self) -> tuple[int, str]:
        # The row is locked until the transaction ends; readers take no lock, and see one state anyway.
        query = select(audit_head.c.entries, audit_head.c.hash)
        row = self._transaction.first(query.with_for_update() if self._transaction.writing else query)
        return (0, GENESIS) if row is None else (row.entries, row.hash)

    def _rows(self) -> Iterator[RowMapping]:
        """All rows in the order of their position, a page at a time."""
        page = self._page(-1)
        while page:
            yield from page
            page = self._page(page[-1]["position"])

    def _page(self, after: int) -> Sequence[RowMapping]:
        query = select(audit_entries).where(_position > after).order_by(_position)
        try:
            return self._transaction.mappings(query.limit(PAGE))
        except DBAPIError:
            # Some row of the page cannot even be read (SQLite holds whatever bytes were put there): find which.
            return self._transaction.mappings(query.limit(1))


def _walk(rows: Iterator[RowMapping]) -> Verification:
    good = Verification(ok=True, entries=0, head=GENESIS)
    try:
        for row in rows:
            if problem := _problem(row, good):
                return _broken(good, problem)
            good = msgspec.structs.replace(good, entries=good.entries + 1, head=row["hash"])
    except DBAPIError as error:
        return _broken(good, f"entry {good.entries} was altered: it cannot be read ({error.orig})")
    return good


def _broken(good: Verification, problem: str, at: int | None = None) -> Verification:
    """The result where so many entries are good and the next, or the one `at`, is not."""
    return msgspec.structs.replace(good, ok=False, broken_at=good.entries if at is None else at, problem=problem)


def _problem(row: RowMapping, good: Verification) -> str:
    """What is wrong with the row that follows so many good ones."""
    try:
        entry = _entry(row)
        return verify([entry], previous=good.head, start=good.entries).problem or _copies(row, entry)
    except (ValueError, TypeError) as error:
        return f"entry {row['position']} was altered: it can no longer be read ({error})"


def _copies(row: RowMapping, entry: Entry) -> str:
    """What stands beside the document and differs from what it says."""
    expected = _row(entry)
    altered = [name for name, value in row.items() if value != expected[name]]
    return f"entry {entry.index} was altered: `{altered[0]}` is not what was written" if altered else ""


def _against_head(walked: Verification, count: int) -> Verification:
    """What is wrong where the entries fit each other, but not the head."""
    stand = walked.entries
    if count > stand:
        return _broken(walked, f"entry {stand} is missing: the log ends there, but {count} entries were written")
    last = min(count, max(0, stand - 1))
    said = f"{stand} entries stand, {count} were written" if count < stand else "the head names another hash"
    return _broken(walked, f"entry {last} does not fit the head of the log: {said}", last)


def _row(entry: Entry) -> dict[str, Cell]:
    """The columns of an entry, copies included."""
    happening = entry.happening
    return {
        "position": entry.index,
        "at": moment(entry.at),
        "action": copy(happening.action),
        "subject": copy(happening.subject),
        "actor": copy(happening.actor.get("id", "")),
        "outcome": copy(str(happening.outcome)),
        "project": copy(happening.project),
        "environment": copy(happening.environment),
        "case": copy(happening.case),
        "document": canonical(happening).decode(),
        "previous": entry.previous,
        "hash": entry.hash,
    }


def _entry(row: RowMapping) -> Entry:
    return Entry(
        index=row["position"],
        at=parse_moment(row["at"]),
        happening=msgspec.json.decode(row["document"], type=Happening),
        previous=row["previous"],
        hash=row["hash"],
    )
