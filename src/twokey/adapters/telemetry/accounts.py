"""The accounts that are kept between looks: who may use one, and when it is void.

Rules kept here:
- an account is used by one reader at a time, and those of different questions at once;
- what was read before, or while, rows were deleted is never used again;
- the least used goes when there are too many: it can be read anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

from twokey.adapters.telemetry.ledger import Account, Question, bring_up, reaches, whole
from twokey.domain.guardrail import StageArms
from twokey.domain.telemetry import Window

MOST = 256
"""Questions whose sums are kept."""


class _Place:
    """Where one question's account lies."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.account: Account | None = None
        self.generation = -1


class Accounts:
    """The accounts of one store."""

    def __init__(self, most: int = MOST) -> None:
        self._lock = threading.Lock()
        self._places: OrderedDict[bytes, _Place] = OrderedDict()
        self._generation, self._most = 0, most

    def answer(
        self, cursor: duckdb.DuckDBPyConnection, question: Question, window: Window, arrival: Callable[[], int]
    ) -> tuple[tuple[StageArms, ...], ...]:
        """Both arms of each plan for each guardrail, from the account where one can be brought up, else read anew.

        `arrival` says what has been written: it is asked before the cursor's reading begins, which then holds it all.
        """
        place = self._place(question.key)
        with place.lock:
            generation, arrived = self._generation, arrival()
            cursor.begin()
            try:
                account = place.account if place.generation == generation else None
                place.account = None  # until this reading is through: half of one is none
                if account is not None and reaches(account, window):
                    bring_up(cursor, account, question, window, arrived)
                else:
                    account = whole(cursor, question, window, arrived)
            finally:
                cursor.rollback()  # nothing but scratch tables was written
            place.account, place.generation = account, generation
            return account.figures(question.guardrails, question.split)

    @contextmanager
    def voided(self) -> Iterator[None]:
        """While rows are deleted: what was read before, or is read meanwhile, is not used after."""
        self._void()
        try:
            yield
        finally:
            self._void()

    def _void(self) -> None:
        with self._lock:
            self._generation += 1

    def _place(self, key: bytes) -> _Place:
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            while len(self._places) > self._most:
                self._places.popitem(last=False)
            return place
