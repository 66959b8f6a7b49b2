"""Tickets: what stands in the address of a change notice, because a browser's EventSource sends no headers.

Rules kept here:
- a ticket is good for hearing *that* something changed, and for nothing else;
- it is good for `PERIOD` to twice that, ends at once with its token, and needs no memory: it is signed with what the
  server stores of the token, so that it outlives a restart and is good on every replica;
- the same asker gets the same ticket for a period, so that its address stays; different askers' periods begin at
  different times.
"""

from __future__ import annotations

import hmac
import re
from typing import NamedTuple
from zlib import crc32

from twokey.domain.identity import Token

PERIOD = 6 * 3600
_TICKET = re.compile(r"([A-Za-z0-9-]{1,64})\.([0-9]{1,12})\.([0-9a-f]{32})", re.ASCII)


class Ticket(NamedTuple):
    """A ticket as it was shown: the token's id, the second since 1970 when it ends, the signature."""

    token: str
    ends: int
    signature: str

    def __str__(self) -> str:
        return f"{self.token}.{self.ends}.{self.signature}"

    def is_of(self, token: Token) -> bool:
        """Whether it was made for this token, whenever."""
        return hmac.compare_digest(self.signature, _sign(token, self.ends))


def ticket_for(token: Token, asker: str, now: float) -> Ticket:
    """The ticket that this asker has now."""
    offset = crc32(asker.encode()) % PERIOD
    ends = ((int(now) - offset) // PERIOD + 2) * PERIOD + offset
    return Ticket(token.id, ends, _sign(token, ends))


def read_ticket(text: str) -> Ticket | None:
    """The ticket in this text, if it has the shape of one."""
    found = _TICKET.fullmatch(text)
    return None if found is None else Ticket(found[1], int(found[2]), found[3])


def _sign(token: Token, ends: int) -> str:
    message = f"ofrep-events\0{token.id}\0{ends}".encode()
    return hmac.digest(token.secret_hash.encode(), message, "sha256").hex()[:32]
