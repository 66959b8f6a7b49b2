"""The published snapshots in memory, and who is told of the next one.

Rules kept here:
- after a commit of this process the snapshot is current before the caller has its answer (read your writes);
- a change made by another process is seen within `POLL` seconds, and so is a token that it revoked;
- readers go on from the last known snapshot while the database is away.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from twokey.engine import Snapshot
from twokey.ports import Store, UnitOfWork
from twokey.surfaces.hub.editions import Edition

POLL = 0.5
MOST_ENTRIES = 200
"""Audit entries that are read at a time to see what they touched; when there are more, all may have been."""
log = logging.getLogger(__name__)
Place = tuple[str, str]
"""Project and environment."""


class Moved(NamedTuple):
    """What a look at the store found new: environments with a newer edition, and tokens that were touched.

    `tokens` are ids; None says that any token may have been.
    """

    places: frozenset[Place]
    tokens: frozenset[str] | None


class Hub:
    """Editions by environment; `tick` rises with every commit that anybody might want to see."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._editions: dict[Place, Edition] = {}
        self._looking = threading.Lock()
        self._listeners: list[Callable[[Moved], None]] = []
        self._farewells: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._moved: asyncio.Event | None = None
        self.tick = 0
        self.closing = False
        self._head = -1
        store.on_commit(self._committed)

    # ---------------------------------------------------------------- what is published

    def held(self, place: Place) -> Edition | None:
        """What is published, where somebody has asked for that environment before. Touches memory alone."""
        return self._editions.get(place)

    def edition(self, place: Place) -> Edition:
        """What is published; reads the store the first time. Raises NotFound for an unknown environment."""
        found = self._editions.get(place)
        if found is None:
            with self._looking, self._store.read() as uow:
                found = self._load(uow, place)
        return found

    async def edition_soon(self, place: Place) -> Edition:
        """`edition`, for a coroutine: the store is read in another thread. Raises NotFound."""
        held = self._editions.get(place)
        return held if held is not None else await asyncio.to_thread(self.edition, place)

    def snapshot(self, project: str, environment: str) -> Snapshot:
        """The published snapshot; raises NotFound for an unknown environment."""
        return self.edition((project, environment)).snapshot

    def _load(self, uow: UnitOfWork, place: Place) -> Edition:
        """The newest edition, put in place of an older one. Called by one thread at a time."""
        known = self._editions.get(place)
        state = uow.flags.state(*place)
        if known is None:
            known = self._editions[place] = Edition(state.snapshot())
        elif known.snapshot.revision < state.revision:
            known = self._editions[place] = known.next(state.snapshot(known.snapshot))
        return known

    # ---------------------------------------------------------------- what moves

    def listen(self, listener: Callable[[Moved], None]) -> None:
        """Call `listener` after each commit that is seen, in whatever thread saw it, in the order of registering."""
        self._listeners.append(listener)

    def refresh(self) -> None:
        """Look for newer revisions of the environments in memory, and tell who listens of what was committed."""
        with self._looking:
            moved = self._look()
            if moved is not None:
                self._tell(moved)

    def _committed(self) -> None:
        """This process has committed something; a look of another thread may have seen it already, and told."""
        self.refresh()

    def _tell(self, moved: Moved) -> None:
        for listener in self._listeners:
            try:
                listener(moved)
            except Exception:  # the others are to hear of it all the same
                log.exception("a listener failed")

    def _look(self) -> Moved | None:
        with self._store.read() as uow:
            held = list(self._editions.items())
            stale = [place for place, each in held if uow.flags.revision(*place) > each.snapshot.revision]
            for place in stale:
                self._load(uow, place)
            before, tokens = self._head, self._touched(uow)
        if not stale and self._head == before:
            return None
        self.tick += 1
        self._wake()
        return Moved(frozenset(stale), tokens)

    def _touched(self, uow: UnitOfWork) -> frozenset[str] | None:
        """The tokens that the entries since the last look are about."""
        first = self._head < 0
        entries = () if first else uow.audit.entries(start=self._head + 1, limit=MOST_ENTRIES)
        if first or len(entries) == MOST_ENTRIES:
            newest = uow.audit.entries(limit=1, newest_first=True)
            self._head = newest[0].index if newest else -1
            return None
        if entries:
            self._head = entries[-1].index
        return frozenset(each.happening.subject for each in entries if each.happening.action.startswith("token."))

    @property
    def head(self) -> int:
        """The index of the newest audit entry seen."""
        return self._head

    # ---------------------------------------------------------------- who waits

    def _wake(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(self._notify)

    def _notify(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        if moved is not None:
            moved.set()

    async def run(self) -> None:
        """Watch for what other processes publish, until cancelled."""
        self._loop, self._moved = asyncio.get_running_loop(), asyncio.Event()
        while True:
            await asyncio.sleep(POLL)
            try:
                await asyncio.to_thread(self.refresh)
            except Exception:  # the database may be away: go on with what is known
                log.warning("the store cannot be read; serving the last known snapshots", exc_info=True)

    async def moved(self, patience: float) -> bool:
        """Wait until something was committed, at most `patience` seconds; whether it was. At the end nobody waits."""
        if self.closing:  # whoever asks just after the last notice would wait for one that never comes
            return True
        event = self._moved
        if event is None:
            await asyncio.sleep(patience)
            return False
        try:
            await asyncio.wait_for(event.wait(), patience)
        except TimeoutError:
            return False
        return True

    # ---------------------------------------------------------------- the end

    def on_close(self, farewell: Callable[[], None]) -> None:
        """Call `farewell` when the server is about to stop."""
        self._farewells.append(farewell)

    def close(self) -> None:
        """The server is about to stop: those who hold connections open end them. Called in the event loop."""
        self.closing = True
        for farewell in self._farewells:
            farewell()
        self._notify()
