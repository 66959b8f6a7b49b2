"""The published snapshots in memory, and who waits for the next one.

Rules kept here:
- after a commit of this process the snapshot is current before the caller has its answer (read your writes);
- a change made by another process is seen within `POLL` seconds;
- readers go on from the last known snapshot while the database is away.
"""

from __future__ import annotations

import asyncio
import logging
import threading

from twokey.engine import Snapshot
from twokey.ports import Store

POLL = 0.5
log = logging.getLogger(__name__)
Place = tuple[str, str]


class Hub:
    """Snapshots by environment; `tick` rises with every commit that anybody might want to see."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshots: dict[Place, Snapshot] = {}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._moved: asyncio.Event | None = None
        self.tick = 0
        self._head = -1
        store.on_commit(self.refresh)

    def snapshot(self, project: str, environment: str) -> Snapshot:
        """The published snapshot; raises NotFound for an unknown environment."""
        found = self._snapshots.get((project, environment))
        if found is None:
            found = self._load((project, environment))
        return found

    def _load(self, place: Place) -> Snapshot:
        with self._store.read() as uow:
            uow.flags.environment(*place)
            state = uow.flags.state(*place)
        snapshot = state.snapshot(self._snapshots.get(place))
        with self._lock:
            known = self._snapshots.get(place)
            if known is None or known.revision < snapshot.revision:
                self._snapshots[place] = snapshot
            return self._snapshots[place]

    def refresh(self) -> None:
        """Look for newer revisions of the environments in memory, and wake who waits if anything was committed."""
        with self._store.read() as uow:
            stale = [
                place for place, held in list(self._snapshots.items()) if uow.flags.revision(*place) > held.revision
            ]
            newest = uow.audit.entries(limit=1, newest_first=True)
        for place in stale:
            self._load(place)
        head = newest[0].index if newest else -1
        if stale or head != self._head:
            self._head = head
            self.tick += 1
            self._wake()

    @property
    def head(self) -> int:
        """The index of the newest audit entry seen."""
        return self._head

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
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
        """Wait until something was committed, at most `patience` seconds; whether it was."""
        event = self._moved
        if event is None:
            await asyncio.sleep(patience)
            return False
        try:
            await asyncio.wait_for(event.wait(), patience)
        except TimeoutError:
            return False
        return True
