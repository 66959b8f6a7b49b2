"""The snapshot stream (SSE) on raw ASGI.

Rules kept here:
- a client that says where it is (`Last-Event-ID`) gets exactly the patches it has missed, one after the other; any
  other gets the whole snapshot first; then both get a patch for every revision that follows;
- a client that has missed nothing is told so at once, with a comment;
- only a token that may evaluate every flag may follow: a snapshot shows all of the targeting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

import msgspec

from twokey.domain.errors import NotFound, Refused
from twokey.domain.identity import Scope, Token
from twokey.surfaces.auth import Authenticator, Unauthenticated, bearer_of
from twokey.surfaces.http_errors import MEDIA_TYPE, headers_of, problem, problem_of
from twokey.surfaces.hub import Broadcast, Edition, Mark, Receive, Send
from twokey.surfaces.services import Services
from twokey.surfaces.tokens import Tokens

PATH = "/stream/v1/snapshot"
COMMENT = b": nothing new\n\n"
_OPENING = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # nginx would keep the events to itself until it has a buffer full
    ],
}


class Follower:
    """A client that follows the snapshots of its token's environment."""

    __slots__ = ("_at", "_token", "_tokens", "place")

    def __init__(self, tokens: Tokens, token: Token, at: Mark | None) -> None:
        self._tokens, self._token, self._at = tokens, token, at
        self.place = (token.project, token.environment)

    def due(self, edition: Edition) -> Sequence[bytes]:
        """The patches it has missed, or the whole snapshot."""
        at = self._at
        if at is edition.mark:  # that very object: what was written last, and not what a client has told
            return ()
        missed = None if at is None else edition.since(at)
        self._at = edition.mark
        if missed is None:
            return edition.whole()
        return missed or (COMMENT,)

    def welcome(self) -> bool:
        """Whether its token is still good."""
        return self._tokens.is_good(self._token)

    def farewell(self) -> bytes:
        """It will come back, or be told why not."""
        return b": the server ends this stream\n\n"


class Stream:
    """The ASGI application at `/stream/v1/snapshot`."""

    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        self._hub, self._authenticator = services.hub, authenticator
        self._broadcast = Broadcast(services.hub)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one client until it goes away."""
        if scope["method"] != "GET":
            await _answer(send, problem(405, "method", "Method not allowed", "send a GET request"), {"Allow": "GET"})
            return
        if self._broadcast.full:
            full = problem(503, "full", "Too many streams", "this process keeps no more connections open")
            await _answer(send, full, {"Retry-After": "5"})
            return
        try:
            follower = await self._admitted(scope)
        except (Unauthenticated, Refused, NotFound) as error:
            await _answer(send, problem_of(error), headers_of(error))
            return
        await send(_OPENING)
        await self._broadcast.serve(follower, receive, send)

    async def _admitted(self, scope: MutableMapping[str, Any]) -> Follower:
        """The client, with what it follows in memory. Raises Unauthenticated, Refused, NotFound."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        token = await self._authenticator.token_soon(bearer_of(headers) or "")
        _check_scope(token)
        edition = await self._hub.edition_soon((token.project, token.environment))
        at = Mark.parse(headers.get("last-event-id", ""))
        if at is not None and at.revision > edition.mark.revision:
            await asyncio.to_thread(self._hub.refresh)  # it was elsewhere, and knows more than we do
        elif at is None or edition.since(at) is None:
            await asyncio.to_thread(edition.whole)
        return Follower(self._authenticator.tokens, token, at)


def _check_scope(token: Token) -> None:
    if Scope.FLAGS_EVALUATE not in token.scopes:
        raise Refused(
            f"this token lacks the scope `{Scope.FLAGS_EVALUATE}`: the snapshot stream shows every flag, "
            "whom it targets and whom a segment lists"
        )


async def _answer(send: Send, document: dict[str, Any], headers: dict[str, str]) -> None:
    shown: Iterable[tuple[str, str]] = ({"Content-Type": MEDIA_TYPE} | headers).items()
    encoded = [(name.lower().encode(), value.encode()) for name, value in shown]
    await send({"type": "http.response.start", "status": document["status"], "headers": encoded})
    await send({"type": "http.response.body", "body": msgspec.json.encode(document)})
