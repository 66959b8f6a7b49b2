"""The hash-chained audit log, and the reading of it that trusts nothing.

Rules kept here:
- an entry takes its place while its transaction holds the head, so the chain has no gap and no fork;
- the head says how many entries there are and what the last one's hash is, so that a lost tail is noticed;
- what is personal is kept in a table of its own, from which it can be erased; an entry that is read has it again;
- verification walks the *rows*: each column must be, byte for byte, what the entry it claims to be would be stored as.
  So an altered copy (the action a list shows, say) is found as surely as an altered document.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from secrets import token_hex

import msgspec
from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from twokey.adapters.sql.audit_tree import AuditTree
from twokey.adapters.sql.stored import Cell, copy, moment, parse_moment
from twokey.adapters.sql.tables import audit_asides, audit_entries, audit_head
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.audit import GENESIS, Entry, Happening, Peaks, Verification, committed, leaf_of, link, verify
from twokey.domain.beside import Aside, Erasures, put_back, set_aside
from twokey.domain.errors import Conflict
from twokey.domain.transparency import tree
from twokey.domain.transparency.note import Note, read_note
from twokey.engine.canonical import canonical
from twokey.engine.errors import Invalid

PAGE = 1000
SALT_BYTES = 16
Asides = dict[int, list[Aside]]
"""What is kept beside entries, by their position."""
LAST = 10_000
"""Checkpoints that a verification looks at: the newest."""
_position = audit_entries.c.position


class SqlAuditLog:
    """The audit log, inside one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._tree = AuditTree(transaction)

    def append(self, happening: Happening) -> Entry:
        """Add an entry at the time of the transaction."""
        count, last = self._head()
        happening, asides = set_aside(happening, lambda: token_hex(SALT_BYTES))
        self._tree.catch_up(count, lambda start: self.entries(start=start, limit=PAGE))
        entry = link(happening, count, last, self._transaction.now)
        self._transaction.write(insert(audit_entries).values(**_row(entry)))
        if asides:
            kept = [{"position": count, **msgspec.structs.asdict(each)} for each in asides]
            self._transaction.write(insert(audit_asides).values(kept))
        if self._transaction.write(update(audit_head).values(entries=count + 1, hash=entry.hash)) == 0:
            raise Conflict("the head of the audit log is missing", remedy="verify the log before anything is added")
        self._tree.add([entry])
        return msgspec.structs.replace(entry, salts={each.field: each.salt for each in asides})

    def entries(
        self,
        *,
        start: int = 0,
        limit: int = 1000,
        case: str | None = None,
        subject: str | None = None,
        place: tuple[str, str] | None = None,
        before: int | None = None,
        newest_first: bool = False,
    ) -> tuple[Entry, ...]:
        """Entries whose index is at least `start`, by index; those of one case, or about one subject, where given.

        `place` is the project and environment they belong to, `before` the index that they are below.
        """
        query = select(audit_entries).where(_position >= start)
        if case is not None:
            query = query.where(audit_entries.c.case == copy(case))
        if subject is not None:
            query = query.where(audit_entries.c.subject == copy(subject))
        if place is not None:
            query = query.where(
                audit_entries.c.project == copy(place[0]), audit_entries.c.environment == copy(place[1])
            )
        if before is not None:
            query = query.where(_position < before)
        ordered = query.order_by(_position.desc() if newest_first else _position).limit(max(0, limit))
        rows = self._transaction.mappings(ordered)
        asides = self._asides(rows)
        return tuple(_entry(row, asides) for row in rows)

    def erase(self, person: str) -> int:
        """Erase what is personal in the entries of somebody; how many values there were."""
        return self._transaction.write(delete(audit_asides).where(audit_asides.c.person == person))

    def _asides(self, rows: Sequence[RowMapping]) -> Asides:
        """What is kept beside these entries, by position."""
        places = [row["position"] for row in rows if isinstance(row["position"], int)]
        query = select(audit_asides).where(audit_asides.c.position.in_(places))
        found: Asides = {}
        for each in self._transaction.mappings(query) if places else ():
            aside = Aside(field=each["field"], person=each["person"], salt=each["salt"], value=each["value"])
            found.setdefault(each["position"], []).append(aside)
        return found

    def verify(self) -> Verification:
        """Walk all that is stored, from the first entry to the head; name the first place where it does not fit.

        The tree is built again on the way, and held against every checkpoint and against what is stored of it.
        """
        watch = _Watch(self._notes())
        walked = _walk(self._rows(), watch)
        if not walked.ok:
            return walked
        count, last = self._head()
        if (count, last) != (walked.entries, walked.head):
            return _against_head(walked, count)
        if missing := watch.missing():
            return _broken(walked, missing[1], missing[0])
        if problem := watch.end() or self._against_tree(watch.peaks):
            return _broken(walked, problem)
        return walked

    def size(self) -> int:
        """How many entries there are."""
        return self._head()[0]

    def root(self, size: int) -> bytes:
        """The root over the first `size` entries; raises LookupError where the tree does not reach so far."""
        return tree.root(size, self._tree.node)

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The proof that entry `index` is among the first `size`."""
        return tree.inclusion(index, size, self._tree.node)

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the log of `old` entries is the beginning of that of `new`."""
        return tree.consistency(old, new, self._tree.node)

    def keep_checkpoint(self, note: Note) -> None:
        """Store a checkpoint that was signed."""
        self._tree.keep(note.checkpoint.size, note.text, self._transaction.now)

    def checkpoints(self, limit: int = 100) -> tuple[Note, ...]:
        """The checkpoints that were signed, newest first. Raises Invalid where one is damaged."""
        return tuple(read_note(each) for each in self._tree.checkpoints(limit))

    def index_of(self, subject: str) -> int | None:
        """The newest entry about something, if there is one."""
        query = select(_position).where(audit_entries.c.subject == copy(subject)).order_by(_position.desc()).limit(1)
        row = self._transaction.first(query)
        return None if row is None else int(row.position)

    def _notes(self) -> tuple[Note, ...]:
        """The checkpoints of this log: an accepted one that was set back goes on under another name."""
        try:
            found = self.checkpoints(LAST)
        except Invalid:
            return ()
        return tuple(each for each in found if each.checkpoint.origin == found[0].checkpoint.origin)

    def _against_tree(self, peaks: Peaks) -> str:
        """What of the stored tree is not what the entries make."""
        if peaks.size == 0 or not self._tree.has_leaf(0):
            return ""  # the log is older than the tree, and nothing was added since
        try:
            same = self.root(peaks.size) == peaks.root
        except LookupError as error:
            return f"the tree over the log is damaged: {error}"
        return "" if same else "the tree over the log was altered: its root is not that of the entries"

    def _head(self) -> tuple[int, str]:
        # The row is locked until the transaction ends; readers take no lock, and see one state anyway.
        query = select(audit_head.c.entries, audit_head.c.hash)
        row = self._transaction.first(query.with_for_update() if self._transaction.writing else query)
        return (0, GENESIS) if row is None else (row.entries, row.hash)

    def _rows(self) -> Iterator[tuple[RowMapping, Asides]]:
        """All rows in the order of their position, a page at a time, with what is kept beside the page."""
        page = self._page(-1)
        while page:
            asides = self._asides(page)
            yield from ((row, asides) for row in page)
            page = self._page(page[-1]["position"])

    def _page(self, after: int) -> Sequence[RowMapping]:
        query = select(audit_entries).where(_position > after).order_by(_position)
        try:
            return self._transaction.mappings(query.limit(PAGE))
        except DBAPIError:
            # Some row of the page cannot even be read (SQLite holds whatever bytes were put there): find which.
            return self._transaction.mappings(query.limit(1))


class _Watch:
    """Builds the tree again while the log is walked, and looks at each checkpoint when the tree has its size."""

    def __init__(self, notes: Iterable[Note]) -> None:
        self.peaks, self.problem, self._erasures = Peaks(), "", Erasures()
        self._said: dict[int, set[bytes]] = {}
        for each in notes:
            self._said.setdefault(each.checkpoint.size, set()).add(each.checkpoint.root)
        self._largest = max(self._said, default=0)

    def see(self, entry: Entry) -> None:
        """The next entry."""
        self._erasures.see(entry)
        self.peaks.add(tree.leaf_hash(leaf_of(entry)))
        said = self._said.get(self.peaks.size)
        if said is not None and said != {self.peaks.root} and not self.problem:
            self.problem = f"the log is not the one that was signed: checkpoint {self.peaks.size} has another root"

    def missing(self) -> tuple[int, str] | None:
        """The first entry that lacks what nobody erased, and the sentence about it."""
        return self._erasures.end()

    def end(self) -> str:
        """What is wrong once all has been seen."""
        if self._largest > self.peaks.size:
            return f"the log is shorter than what was signed: a checkpoint covers {self._largest} entries"
        return self.problem


def _walk(rows: Iterator[tuple[RowMapping, Asides]], watch: _Watch) -> Verification:
    good = Verification(ok=True, entries=0, head=GENESIS)
    try:
        for row, asides in rows:
            if problem := _problem(row, asides, good):
                return _broken(good, problem)
            watch.see(_entry(row, asides))
            good = msgspec.structs.replace(good, entries=good.entries + 1, head=row["hash"])
    except DBAPIError as error:
        return _broken(good, f"entry {good.entries} was altered: it cannot be read ({error.orig})")
    return good


def _broken(good: Verification, problem: str, at: int | None = None) -> Verification:
    """The result where so many entries are good and the next, or the one `at`, is not."""
    return msgspec.structs.replace(good, ok=False, broken_at=good.entries if at is None else at, problem=problem)


def _problem(row: RowMapping, asides: Asides, good: Verification) -> str:
    """What is wrong with the row that follows so many good ones."""
    try:
        entry = _entry(row, asides)
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
        "document": canonical(committed(happening)).decode(),
        "previous": entry.previous,
        "hash": entry.hash,
    }


def _entry(row: RowMapping, asides: Asides) -> Entry:
    entry = Entry(
        index=row["position"],
        at=parse_moment(row["at"]),
        happening=msgspec.json.decode(row["document"], type=Happening),
        previous=row["previous"],
        hash=row["hash"],
    )
    return put_back(entry, asides.get(row["position"], ()))
