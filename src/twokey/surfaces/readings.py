"""What assistants read by the API is on record, before they have the answer.

Rules kept here:
- every address that an agent's token reads is on record once in ten minutes, by this process;
- a token that reads more addresses than anybody needs is held up, so that nobody fills the log by reading.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from threading import Lock

from twokey.domain.identity import Actor, ActorKind
from twokey.ports import Store
from twokey.steps.record_reading import Reading, record
from twokey.surfaces.auth import Throttled

ONCE_IN = timedelta(minutes=10)
MOST = 600
"""Addresses that one token may read within that time."""


class Readings:
    """Remembers what was put on record lately, by token."""

    def __init__(self, store: Store) -> None:
        self._store, self._lock = store, Lock()
        self._known: dict[str, OrderedDict[str, datetime]] = {}

    def note(self, actor: Actor, path: str, subject: str, now: datetime) -> None:
        """Put a reading on record, unless it was lately. Raises Throttled for a token that reads too much."""
        if actor.kind is not ActorKind.AGENT or not self._is_new(actor.id, path, now):
            return
        reading = Reading(
            actor=actor,
            path=path,
            subject=subject,
            project=actor.project or "",
            environment=actor.environment or "",
        )
        record(self._store, reading)

    def _is_new(self, token: str, path: str, now: datetime) -> bool:
        with self._lock:
            known = self._known.setdefault(token, OrderedDict())
            while known and next(iter(known.values())) <= now - ONCE_IN:
                known.popitem(last=False)
            if path in known:
                return False
            if len(known) >= MOST:
                raise Throttled(int(ONCE_IN.total_seconds()))
            known[path] = now
            return True
