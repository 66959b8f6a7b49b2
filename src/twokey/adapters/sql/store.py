"""The control store on SQLite or PostgreSQL.

Rules kept here:
- what a writing transaction did stands together or not at all, also when the process is killed within it;
- writers take turns; a transaction inside another of the same thread would wait for itself and is refused at once;
- listeners are told after a commit that wrote something, and none of them can undo or fail it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twokey.adapters.sql.connect import PATIENCE, open_database, reading, waited_in_vain, writing
from twokey.adapters.sql.flags import Known
from twokey.adapters.sql.migrate import upgrade
from twokey.adapters.sql.transaction import Transaction
from twokey.adapters.sql.unit_of_work import SqlUnitOfWork
from twokey.domain.permission import Question, Ruling, Written
from twokey.ports import Clock, Gatekeeper, Gatekeepers, Ids

_logger = logging.getLogger(__name__)


class SqlStore:
    """A control store at `url`. Nothing is reached before it is first used; `migrate` makes or updates its tables.

    `gatekeepers` reads written policies; without it nothing is permitted.
    """

    def __init__(self, url: str, clock: Clock, ids: Ids, gatekeepers: Gatekeepers | None = None) -> None:
        self.engine = open_database(url)
        self._clock, self._ids, self._gatekeepers = clock, ids, gatekeepers or _nobody
        self._known: Known = {}
        self._listeners: list[Callable[[], None]] = []
        self._inside, self._turn = threading.local(), threading.Lock()

    def migrate(self) -> None:
        """Bring the tables to what this version needs; raises Conflict for a store of a newer version."""
        upgrade(self.engine)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every committed transaction of this process that wrote something."""
        self._listeners.append(listener)

    @contextmanager
    def begin(self) -> Iterator[SqlUnitOfWork]:
        """A writing transaction: commits when the block ends, rolls back when it raises. Writers take turns."""
        with self._alone(), writing(self.engine) as connection:
            # The clock is read when the turn has come, so that times rise in the order of commits.
            transaction = Transaction(connection, self._clock(), writing=True)
            yield SqlUnitOfWork(transaction, self._ids, self._known, self._gatekeepers)
        if transaction.wrote:
            self._tell()

    @contextmanager
    def read(self) -> Iterator[SqlUnitOfWork]:
        """A reading transaction over one consistent state."""
        with reading(self.engine) as connection:
            transaction = Transaction(connection, self._clock(), writing=False)
            yield SqlUnitOfWork(transaction, self._ids, self._known, self._gatekeepers)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if getattr(self._inside, "yes", False):
            raise RuntimeError(
                "a writing transaction of this thread is open already; this one would wait for it for ever"
            )
        # Threads of this process queue here, where waiting is cheap, and hold one connection between them.
        if not self._turn.acquire(timeout=PATIENCE.total_seconds()):
            raise waited_in_vain()
        self._inside.yes = True
        try:
            yield
        finally:
            self._inside.yes = False
            self._turn.release()

    def _tell(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:  # what was committed stands, whatever a listener makes of it
                _logger.exception("a listener failed after a commit")


def _nobody(text: str) -> Gatekeeper:
    return _Nobody()


class _Nobody:
    """Refuses whatever it is asked: the gatekeeper of a store that was opened to be read, migrated or repaired."""

    digest = ""
    written: tuple[Written, ...] = ()

    def rule(self, question: Question) -> Ruling:
        """Never."""
        return Ruling(allowed=False, problem="this process was started without a policy engine")
