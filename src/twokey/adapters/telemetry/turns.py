"""Who goes first: a look at guardrails goes before batches that wait to be written.

Rules kept here:
- while a look is on its way, batches wait at the door of the store; those that are in work go on;
- a look is waited for no longer than `PATIENCE` after it began, however long it takes: intake always goes on;
- nobody who waits holds anything that a look needs.

Both want the same interpreter and the same two or three cores. A batch is a few milliseconds of work that nobody waits
for; a look is a person, or a rollout that may have to be taken back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 0.1
"""Seconds after its beginning that a look is waited for."""


class Turns:
    """Tells batches of the looks that are on their way."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._looks: dict[int, float] = {}
        self._next = 0

    @contextmanager
    def first(self) -> Iterator[None]:
        """Go before all batches that have not begun."""
        with self._changed:
            mine = self._next = self._next + 1
            self._looks[mine] = time.monotonic() + PATIENCE
        try:
            yield
        finally:
            with self._changed:
                del self._looks[mine]
                self._changed.notify_all()

    def left(self) -> float:
        """Seconds for which the looks that are on their way may still be waited for."""
        if not self._looks:
            return 0.0
        with self._changed:
            return max(0.0, max(self._looks.values(), default=0.0) - time.monotonic())

    def wait(self) -> None:
        """Let the looks that are on their way go first."""
        if not self._looks:
            return
        with self._changed:
            end = max(self._looks.values(), default=0.0)  # later ones are not waited for: they come one after another
            while self._looks and (left := min(end, max(self._looks.values())) - time.monotonic()) > 0:
                self._changed.wait(left)
