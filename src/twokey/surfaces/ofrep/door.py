"""OFREP 0.3 on raw ASGI: single and bulk evaluation from the snapshot in memory, and notices of change.

Rules kept here (facts from the protocol and its real clients):
- every answer, also 401, 404, 429 and 500, has `key` and `errorCode` where a client needs them, and `errorDetails`;
- a client key (scope `flags:evaluate_visible`) is told of flags that are `client_visible` alone: of any other it hears
  what it hears of a flag that does not exist;
- the ETag of a bulk answer covers the evaluated result for this context, the token and the ticket in it, never only the
  configuration;
- who comes back because of a notice is answered from a state at least as new as that notice (read your writes).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from twokey.domain.errors import NotFound
from twokey.domain.identity import Scope, Token
from twokey.surfaces.auth import Authenticator, Unauthenticated
from twokey.surfaces.hub import Edition, Place
from twokey.surfaces.ofrep.answers import Answer, Send, answer, encode, failure, too_many
from twokey.surfaces.ofrep.book import Book, Books
from twokey.surfaces.ofrep.exposures import Exposures
from twokey.surfaces.ofrep.notices import EVENTS, Notices, revision_of
from twokey.surfaces.ofrep.origins import Origins
from twokey.surfaces.ofrep.tickets import ticket_for
from twokey.surfaces.pace import Pace
from twokey.surfaces.services import Services

PREFIX = "/ofrep/"
FLAGS = "/ofrep/v1/evaluate/flags"
MAX_BODY = 256 * 1024
FULL = Scope.FLAGS_EVALUATE
EVALUATING = frozenset({Scope.FLAGS_EVALUATE, Scope.FLAGS_EVALUATE_VISIBLE})
NEVER = 10**9
INACTIVITY = 120
"""Seconds that a page may be hidden before its client lets go of its stream."""
log = logging.getLogger(__name__)
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class _Question(msgspec.Struct):
    context: dict[str, Any]


_decode = msgspec.json.Decoder(_Question).decode


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What the headers of a request say."""

    secret: str
    origin: bytes | None
    tags: bytes

    @classmethod
    def by(cls, headers: list[tuple[bytes, bytes]]) -> Asked:
        """Read the headers that matter."""
        named = dict(headers)
        bearer = named.get(b"authorization", b"")
        shown = bearer[7:].strip() if bearer[:7] == b"Bearer " or bearer[:7].lower() == b"bearer " else b""
        secret = (shown or named.get(b"x-api-key", b"")).decode("latin-1")
        return cls(secret, named.get(b"origin"), named.get(b"if-none-match", b""))


class Ofrep:
    """The ASGI application under `/ofrep/`."""

    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        options = services.ofrep
        self._hub, self._clock = services.hub, services.clock
        self._authenticator, self._tokens = authenticator, authenticator.tokens
        self._books = Books()
        self._origins = Origins(options.origins)
        self._pace, self._visible_pace = Pace(options.per_minute), Pace(options.visible_per_minute)
        self._exposures = Exposures(services.telemetry, services.clock) if options.record else None
        self._notices = Notices(services, authenticator.tokens, self._books)
        if self._exposures is not None:
            services.hub.on_close(self._exposures.flush)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        path: str = scope["path"]
        asked = Asked.by(scope["headers"])
        if path == EVENTS and scope["method"] == "GET":
            await self._notices.serve(scope, receive, send, self._origins.headers(asked.origin))
            return
        key = path[len(FLAGS) + 1 :] if path.startswith(FLAGS + "/") else None
        try:
            given = await self._answer(scope, receive, key, asked)
        except Exception:
            log.exception("an evaluation request failed")
            given = failure(500, key, "GENERAL", "something went wrong here; the server's log has the details")
        await answer(send, given, self._origins.headers(asked.origin))

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, key: str | None, asked: Asked) -> Answer:
        if scope["method"] != "POST" or (key is None and scope["path"] != FLAGS):
            return self._misdirected(scope["method"], key, asked)
        try:
            token = self._tokens.known(asked.secret) or await self._authenticator.token_soon(asked.secret)
        except Unauthenticated as error:
            return failure(401, key, "GENERAL", str(error), ((b"www-authenticate", b"Bearer"),))
        full = FULL in token.scopes
        wait = self._pace.take(token.id) if full else self._wait_of_visitor(token, scope)
        if wait:
            return self._refused(token, key, wait)
        message = await receive()
        body = await _rest(message, receive) if message.get("more_body") else message.get("body", b"")
        if body is None or len(body) > MAX_BODY:
            return failure(413, key, "INVALID_CONTEXT", f"the body is larger than {MAX_BODY} bytes")
        try:
            context = _decode(body).context
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return _unreadable(key, error)
        query, place = scope["query_string"], (token.project, token.environment)
        try:
            edition = None if query else self._hub.held(place)
            book = self._books.of(place, edition or await self._edition(place, query), full=full)
        except NotFound as error:
            return failure(404, key, "GENERAL", str(error))
        if key is None:
            return self._bulk(book, token, context, asked, scope.get("root_path", ""))
        given, part = book.single(key, context)
        if part is not None and self._exposures is not None:
            self._exposures.met(token, part, context)
        return given

    def _misdirected(self, method: str, key: str | None, asked: Asked) -> Answer:
        """The answer to what asks for no evaluation."""
        if method == "OPTIONS":
            return self._origins.preflight(asked.origin)
        if method == "POST":
            return failure(404, None, "GENERAL", "there is no such address")
        return failure(405, key, "GENERAL", "send a POST request", ((b"allow", b"POST, OPTIONS"),))

    def _refused(self, token: Token, key: str | None, wait: int) -> Answer:
        if token.scopes & EVALUATING:
            return too_many(key, wait)
        return failure(403, key, "GENERAL", f"this token lacks the scope `{Scope.FLAGS_EVALUATE}`")

    def _wait_of_visitor(self, token: Token, scope: MutableMapping[str, Any]) -> int:
        """In how many seconds a client key may ask again: it counts by visitor. Any other token may never."""
        if Scope.FLAGS_EVALUATE_VISIBLE not in token.scopes:
            return NEVER
        client = scope.get("client")
        return self._visible_pace.take(f"{token.id} {client[0] if client else ''}")

    async def _edition(self, place: Place, query: bytes) -> Edition:
        """What is published, and no older than the notice that the request comes of. Raises NotFound."""
        held = self._hub.held(place) or await self._hub.edition_soon(place)
        told = parse_qs(query).get(b"flagConfigEtag") if query else None
        revision = revision_of(told[0].decode("latin-1")) if told else None
        if revision is not None and revision > held.snapshot.revision:
            await asyncio.to_thread(self._hub.refresh)
            held = self._hub.edition(place)
        return held

    def _bulk(self, book: Book, token: Token, context: dict[str, Any], asked: Asked, root: str) -> Answer:
        asker = context.get("targetingKey")
        ticket = ticket_for(token, asker if type(asker) is str else "", self._clock().timestamp())
        stream = {
            "type": "sse",
            "endpoint": {"requestUri": f"{root}{EVENTS}?ticket={ticket}"},
            "inactivityDelaySec": INACTIVITY,
        }
        body = b'{"flags":[%b],"metadata":%b,"eventStreams":[%b]}' % (book.bulk(context), book.metadata, encode(stream))
        digest = hashlib.sha256(token.id.encode())
        digest.update(body)
        tag = b'"' + digest.hexdigest()[:32].encode() + b'"'
        if tag in asked.tags:
            return Answer(304, b"", ((b"etag", tag),))
        return Answer(200, body, ((b"etag", tag),))


def _unreadable(key: str | None, error: Exception) -> Answer:
    """What to answer where there is no context in a body."""
    if isinstance(error, msgspec.ValidationError):
        return failure(400, key, "INVALID_CONTEXT", 'send {"context": {"targetingKey": "...", ...}}')
    return failure(400, key, "PARSE_ERROR", "the body is not JSON")


async def _rest(message: MutableMapping[str, Any], receive: Receive) -> bytes | None:
    """The whole body of which this is the beginning; nothing where it is larger than allowed."""
    parts = [message.get("body", b"")]
    size = len(parts[0])
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_BODY:
            return None
    return b"".join(parts)
