"""The Merkle tree over the audit log's entries, and the checkpoints that were signed over it.

Rules kept here:
- an entry's leaf, and every subtree that it completes, are stored in the transaction that adds the entry;
- a log whose entries are older than the tree gets its tree when the next entry is added, from the entries as they are;
- nodes are only ever added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from sqlalchemy import and_, insert, select

from twokey.adapters.sql.stored import moment
from twokey.adapters.sql.tables import audit_checkpoints, audit_nodes
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.audit import Entry, leaf_of
from twokey.domain.transparency import tree

PIECE = 500
"""Rows of one statement."""


class AuditTree:
    """The tree, inside one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._fresh: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, place: int) -> bytes:
        """The hash of a complete subtree; raises LookupError where it is missing."""
        known = self._fresh.get((level, place))
        if known is not None:
            return known
        found = and_(audit_nodes.c.level == level, audit_nodes.c.place == place)
        row = self._transaction.first(select(audit_nodes.c.hash).where(found))
        if row is None:
            raise LookupError(f"node {place} of level {level} is missing")
        return bytes.fromhex(row.hash)

    def has_leaf(self, place: int) -> bool:
        """Whether the tree reaches so far."""
        try:
            self.node(0, place)
        except LookupError:
            return False
        return True

    def add(self, entries: Iterable[Entry]) -> None:
        """Add the leaves of entries that follow what is there."""
        rows = []
        for entry in entries:
            for found in tree.completed(entry.index, tree.leaf_hash(leaf_of(entry)), self.node):
                self._fresh[found.level, found.place] = found.hash
                rows.append({"level": found.level, "place": found.place, "hash": found.hash.hex()})
        for start in range(0, len(rows), PIECE):
            self._transaction.write(insert(audit_nodes).values(rows[start : start + PIECE]))

    def catch_up(self, size: int, read: Callable[[int], tuple[Entry, ...]]) -> None:
        """Give entries that are older than the tree their leaves."""
        if size == 0 or self.has_leaf(size - 1):
            return
        start = 0
        while start < size:
            page = read(start)
            if not page:
                return
            self.add(page)
            start = page[-1].index + 1

    def keep(self, size: int, note: str, at: datetime) -> None:
        """Store a checkpoint that was signed."""
        self._transaction.write(insert(audit_checkpoints).values(size=size, at=moment(at), note=note))

    def checkpoints(self, limit: int) -> tuple[str, ...]:
        """The checkpoints that were signed, newest first."""
        query = select(audit_checkpoints.c.note).order_by(audit_checkpoints.c.seq.desc()).limit(limit)
        return tuple(row.note for row in self._transaction.rows(query))
