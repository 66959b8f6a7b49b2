"""How often a password may be guessed at, so that guessing is hopeless and locks nobody out.

Rules kept here:
- one name from one address has ten tries a minute, counted before the password is looked at, so that guesses at once
  are counted too; the right password clears the count;
- one address fails fifty times a minute, whatever the names; one name a hundred times, wherever from;
- the last two never hold up somebody who signed in with that name from that address before: who floods a colleague's
  account from elsewhere, or shares their address, does not lock them out;
- proof within a session is counted by that session, which nobody else has;
- codes are counted by person, thirty an hour: six digits are few. A password and a passkey are still taken, so whoever
  stole a session does not lock its owner out.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from limits import RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

TRIES = RateLimitItemPerMinute(10)
BY_ADDRESS = RateLimitItemPerMinute(50)
BY_NAME = RateLimitItemPerMinute(100)
CODES = RateLimitItemPerHour(30)
REMEMBERED = 10_000
"""So many pairs of name and address that signed in are known; the longest unused is forgotten first."""


class Throttle:
    """Counts guesses in this process."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._familiar: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._lock = Lock()

    def sign_in(self, name: str, address: str) -> bool:
        """Take one try; whether there was one left."""
        if not self._is_familiar(name, address) and not self._calm(name, address):
            return False
        return self._limiter.hit(TRIES, "sign-in", name, address)

    def failed(self, name: str, address: str) -> None:
        """A try that failed counts against the name and the address."""
        self._limiter.hit(BY_NAME, "name", name)
        self._limiter.hit(BY_ADDRESS, "address", address)

    def signed_in(self, name: str, address: str) -> None:
        """The right password: this pair is familiar from now on."""
        self._limiter.clear(TRIES, "sign-in", name, address)
        with self._lock:
            self._familiar[name, address] = None
            self._familiar.move_to_end((name, address))
            if len(self._familiar) > REMEMBERED:
                self._familiar.popitem(last=False)

    def prove(self, session: str) -> bool:
        """Take one try at the proof that this session's owner is here; whether there was one left."""
        return self._limiter.hit(TRIES, "proof", session)

    def proved(self, session: str) -> None:
        """The right password."""
        self._limiter.clear(TRIES, "proof", session)

    def code(self, name: str) -> bool:
        """Take one try at a code of this person; whether there was one left."""
        return self._limiter.hit(CODES, "code", name)

    def journey(self, address: str) -> bool:
        """Take one try at a sign-in by an identity provider from this address; whether there was one left."""
        return self._limiter.hit(BY_ADDRESS, "journey", address)

    def link(self, address: str) -> bool:
        """Take one try at a one-time link from this address; whether there was one left."""
        return self._limiter.hit(TRIES, "link", address)

    def _is_familiar(self, name: str, address: str) -> bool:
        with self._lock:
            return (name, address) in self._familiar

    def _calm(self, name: str, address: str) -> bool:
        return self._limiter.test(BY_NAME, "name", name) and self._limiter.test(BY_ADDRESS, "address", address)
