"""The bearer tokens in memory, so that a request that carries one touches no database.

Rules kept here:
- a token that this process revokes is over when the revoking call returns; one that another process revokes, when the
  hub has seen it; an expired one at once, by the clock;
- tokens that are known stay known while the database is away; a token about which something new is on record, and which
  cannot be read again, is forgotten;
- secrets that nobody has are remembered too, briefly and in bounded number, so that guessing costs the database little;
- tokens are found by the sha256 of their secret, so what a comparison's time gives away is about the hash alone.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from twokey.domain.identity import Token
from twokey.ports import Clock, Secrets, Store
from twokey.surfaces.hub import Hub, Moved

MOST_UNKNOWN = 10_000
UNKNOWN_SECONDS = 5.0


class Unauthenticated(PermissionError):
    """Nobody, or nobody we know, is calling."""


class Tokens:
    """Finds the token of a secret. Holds those that were used: as many as there are, at most."""

    def __init__(self, store: Store, secrets: Secrets, clock: Clock, hub: Hub) -> None:
        self._store, self._clock = store, clock
        self._hash = secrets.hash_secret
        self._held: dict[str, Token] = {}
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()
        self._readings = 0
        hub.listen(self._moved)

    def known(self, secret: str) -> Token | None:
        """The token, if memory has it; None where the store must be asked. Raises Unauthenticated."""
        hashed = self._hash(secret)
        token = self._held.get(hashed)
        if token is None:
            if self._unknown.get(hashed, 0.0) > time.monotonic():
                raise Unauthenticated("this token is not known")
            return None
        if token.revoked_at is None and token.expires_at is None:
            return token
        return self._good(token)

    def find(self, secret: str) -> Token:
        """The token; asks the store where memory does not have it. Raises Unauthenticated."""
        return self.known(secret) or self._good(self._read(self._hash(secret)))

    def by_id(self, id: str) -> Token:
        """The token of this id, as the store has it. Raises Unauthenticated."""
        readings = self._readings
        with self._store.read() as uow:
            found = uow.tokens.find(id)
        if found is None:
            raise Unauthenticated("this token is not known")
        with self._lock:
            if readings == self._readings:
                return self._good(self._keep(found.secret_hash, (found,)))
        return self.by_id(id)

    def is_good(self, token: Token) -> bool:
        """Whether a token that was found here is still good. Touches memory alone."""
        held = self._held.get(token.secret_hash)
        return held is not None and not self._is_over(held)

    def _good(self, token: Token) -> Token:
        if self._is_over(token):
            raise Unauthenticated("the token is expired or revoked")
        return token

    def _is_over(self, token: Token) -> bool:
        expires = token.expires_at
        return token.revoked_at is not None or (expires is not None and self._clock() >= expires)

    def _read(self, hashed: str) -> Token:
        """The token as the store has it. What was read while something was revoked is read again."""
        while True:
            readings = self._readings
            with self._store.read() as uow:
                found = uow.tokens.where(secret_hash=hashed, limit=1)
            with self._lock:
                if readings == self._readings:
                    return self._keep(hashed, found)

    def _keep(self, hashed: str, found: tuple[Token, ...]) -> Token:
        if found:
            self._held[hashed] = found[0]
            return found[0]
        self._unknown[hashed] = time.monotonic() + UNKNOWN_SECONDS
        if len(self._unknown) > MOST_UNKNOWN:
            self._unknown.popitem(last=False)
        raise Unauthenticated("this token is not known")

    def _moved(self, moved: Moved) -> None:
        """Something is on record about these tokens: look at them again."""
        if moved.tokens == frozenset():
            return
        with self._lock:
            self._readings += 1
            self._unknown.clear()
            stale = [each for each in self._held.values() if moved.tokens is None or each.id in moved.tokens]
            try:
                with self._store.read() as uow:
                    fresh = [uow.tokens.find(each.id) for each in stale]
            except Exception:
                for each in stale:
                    del self._held[each.secret_hash]
                raise
            for old, new in zip(stale, fresh, strict=True):
                if new is None:
                    del self._held[old.secret_hash]
                else:
                    self._held[old.secret_hash] = new
