"""The accounts that are kept between looks: who may use one, and when it is void.

Rules kept here:
- an account is used by one reader at a time, and those of different questions at once; it is carried on to the question
  that follows its own as stages end and begin;
- before rows are deleted, what they had counted for is taken out of every account; nobody uses one until they are gone,
  and what was read otherwise before or while they went is never used again;
- at the end of a process, and with each deletion, they are kept beside the rows;
- the least used goes when there are too many: it can be read anew.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import duckdb
import msgspec

from twokey.adapters.telemetry.ledger import Account, Question, bring_up, forget, reaches, whole
from twokey.domain.guardrail import StageArms
from twokey.domain.telemetry import Window

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Account).decode
MOST = 256
"""Questions whose sums are kept."""


class _Place:
    """Where one question's account lies."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.account: Account | None = None
        self.generation = -1

    def take(self, generation: int) -> Account | None:
        """The account, which is gone until it is put back: half a reading is none."""
        account, self.account = self.account, None
        return account if self.generation == generation else None


class Accounts:
    """The accounts of one store."""

    def __init__(self, most: int = MOST) -> None:
        self._lock, self._deleting = threading.Lock(), threading.Lock()
        self._places: OrderedDict[bytes, _Place] = OrderedDict()
        self._lines: dict[bytes, bytes] = {}
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
                account = place.take(generation) or self._before(place, question, generation)
                if account is not None and reaches(account, question, window):
                    bring_up(cursor, account, question, window, arrived)
                else:
                    account = None
                if account is None or not account.sound:
                    account = whole(cursor, question, window, arrived)
            finally:
                cursor.rollback()  # nothing but scratch tables was written
            place.account, place.generation = account, generation
            self._lines[question.line] = question.key
            return account.figures(question.guardrails, question.split)

    def _before(self, place: _Place, question: Question, generation: int) -> Account | None:
        """The account of the question before this one of its line, unless it is just being used."""
        with self._lock:
            known = self._places.get(self._lines.get(question.line, b""))
        if known is None or known is place or not known.lock.acquire(blocking=False):
            return None
        try:
            return known.take(generation)
        finally:
            known.lock.release()

    def kept(self) -> list[tuple[bytes, bytes]]:
        """Every account by its key, encoded, for the next process that opens the store."""
        with self._lock:
            places = list(self._places.items())
        found: list[tuple[bytes, bytes]] = []
        for key, place in places:
            with place.lock:
                if place.account is not None and place.generation == self._generation:
                    found.append((key, _encode(place.account)))
        return found

    def take_up(self, kept: Sequence[tuple[bytes, bytes]]) -> int:
        """Go on with the accounts of the process before; the last arrival that one of them holds.

        What cannot be read is read anew from its rows.
        """
        latest = 0
        for key, body in kept:
            with suppress(msgspec.MsgspecError):
                account = _decode(body)
                place = self._place(key)
                place.account, place.generation = account, self._generation
                self._lines[account.question.line] = key
                latest = max(latest, account.arrival)
        return latest

    @contextmanager
    def without(self, cursor: duckdb.DuckDBPyConnection, before: int) -> Iterator[list[tuple[bytes, bytes]]]:
        """While what happened before a moment is deleted: the accounts as they are without it, encoded.

        They count once the caller has deleted it. Where that fails, all are read anew.
        """
        with self._deleting, ExitStack() as held:
            with self._lock:
                places = list(self._places.items())
            for _, place in places:
                held.enter_context(place.lock)
            generation = self._generation
            left: dict[bytes, Account] = {}
            cursor.begin()
            try:
                for key, place in places:
                    account = place.take(generation)
                    if account is not None and forget(cursor, account, before):
                        left[key] = account
            finally:
                cursor.rollback()  # nothing but scratch tables was written
            try:
                yield [(key, _encode(account)) for key, account in left.items()]
            except BaseException:
                left.clear()
                raise
            finally:
                with self._lock:
                    self._generation += 1
                for key, place in places:
                    place.account, place.generation = left.get(key), self._generation

    def _place(self, key: bytes) -> _Place:
        with self._lock:
            place = self._places.setdefault(key, _Place())
            self._places.move_to_end(key)
            while len(self._places) > self._most:
                gone, _ = self._places.popitem(last=False)
                self._lines = {line: kept for line, kept in self._lines.items() if kept != gone}
            return place
