"""Notices of change (SSE, ADR-0008 of the protocol): a client hears *that* something moved, and asks again.

Rules kept here:
- a notice goes out only if something that this kind of key is told of has changed: a client key hears nothing of flags
  that it does not see;
- a client that connects for the first time, or was told of an older state, is sent a notice at once: what changed
  between its evaluation and its connection is not missed;
- a ticket that has run out is refused like a forged one: a client that is refused evaluates again, and takes the new
  ticket that it finds there. (One that was let in for a last notice would come back to the old address for ever.)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from twokey.domain.errors import NotFound
from twokey.domain.identity import Scope, Token
from twokey.ports import Clock
from twokey.surfaces.auth import Unauthenticated
from twokey.surfaces.hub import Broadcast, Edition
from twokey.surfaces.ofrep.answers import Headers, Send, answer, failure
from twokey.surfaces.ofrep.book import Books
from twokey.surfaces.ofrep.tickets import Ticket, read_ticket
from twokey.surfaces.services import Services
from twokey.surfaces.tokens import Tokens

EVENTS = "/ofrep/v1/events"
CURRENT = b": nothing new\n\n"
_OPENING: Headers = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
_TAG = re.compile(r'(?:W/)?"?([0-9]{1,18})-([0-9a-f]{16})"?', re.ASCII)
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


def revision_of(tag: str) -> int | None:
    """The revision that a notice's tag was made at, if it is one of ours."""
    found = _TAG.fullmatch(tag)
    return None if found is None else int(found[1])


class _Listener:
    """One client that waits for notices."""

    __slots__ = ("_books", "_clock", "_ends", "_greeted", "_token", "_tokens", "_told", "place")

    def __init__(self, books: Books, tokens: Tokens, clock: Clock, token: Token, ticket: Ticket, told: str) -> None:
        self._books, self._tokens, self._clock, self._token = books, tokens, clock, token
        self._ends, self._told, self._greeted = ticket.ends, told, False
        self.place = (token.project, token.environment)

    def due(self, edition: Edition) -> Sequence[bytes]:
        """A notice, where anything that its evaluation leans on is not as it was told."""
        notice = self._books.of(self.place, edition, full=Scope.FLAGS_EVALUATE in self._token.scopes).notice
        if notice.state != self._told:
            self._told, self._greeted = notice.state, True
            return (notice.frame,)
        if self._greeted:
            return ()
        self._greeted = True
        return (CURRENT,)

    def welcome(self) -> bool:
        """Whether its ticket and its token are still good."""
        return self._clock().timestamp() < self._ends and self._tokens.is_good(self._token)

    def farewell(self) -> bytes:
        """It will come back with a new ticket, or be told why not."""
        return b": the server ends this stream\n\n"


class Notices:
    """The ASGI application at `/ofrep/v1/events`."""

    def __init__(self, services: Services, tokens: Tokens, books: Books) -> None:
        self._hub, self._clock, self._tokens, self._books = services.hub, services.clock, tokens, books
        self._broadcast = Broadcast(services.hub)

    async def serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, origin: Headers) -> None:
        """Serve one client until it goes away."""
        if self._broadcast.full:
            retry = ((b"retry-after", b"5"),)
            await answer(send, failure(503, None, "GENERAL", "this process keeps no more streams open", retry), origin)
            return
        try:
            token, ticket = await self._admitted(scope["query_string"])
            await self._hub.edition_soon((token.project, token.environment))
        except (Unauthenticated, NotFound) as error:
            await answer(send, failure(401, None, "GENERAL", str(error)), origin)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [*_OPENING, *origin]})
        told = _last_event(scope["headers"])
        listener = _Listener(self._books, self._tokens, self._clock, token, ticket, told)
        await self._broadcast.serve(listener, receive, send)

    async def _admitted(self, query: bytes) -> tuple[Token, Ticket]:
        shown = parse_qs(query).get(b"ticket", [b""])[0].decode("latin-1")
        ticket = read_ticket(shown)
        if ticket is not None and self._clock().timestamp() < ticket.ends:
            token = await asyncio.to_thread(self._tokens.by_id, ticket.token)
            if ticket.is_of(token):
                return token, ticket
        raise Unauthenticated("this address is not one that the server gave out: evaluate again for a new one")


def _last_event(headers: list[tuple[bytes, bytes]]) -> str:
    """What the client was last told, if it says so."""
    for name, value in headers:
        if name == b"last-event-id" and (found := _TAG.fullmatch(value.decode("latin-1"))):
            return found[2]
    return ""
