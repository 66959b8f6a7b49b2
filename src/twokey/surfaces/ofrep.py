"""OFREP 0.3 on raw ASGI: single and bulk evaluation from the snapshot in memory.

Rules kept here (facts from the protocol and its real clients):
- every answer, also 401, 404, 429 and 500, has `key` and `errorCode` where a client needs them, and `errorDetails`;
- numbers have the flag's declared type; `variant`, `reason` and `metadata` are always there;
- the ETag of a bulk answer covers the evaluated result for this context and the token, never only the configuration.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

import msgspec

from twokey.domain.errors import NotFound
from twokey.domain.identity import Scope, Token
from twokey.engine import Resolution, Snapshot, evaluate
from twokey.engine.flag import Flag, FlagType
from twokey.surfaces.auth import Authenticator, Unauthenticated, bearer_of
from twokey.surfaces.services import Services

PREFIX = "/ofrep/v1/evaluate/flags"
MAX_BODY = 256 * 1024
log = logging.getLogger(__name__)
Headers = dict[str, str]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_encode = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True):
    """Status, body and headers of one answer."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Ofrep:
    """The ASGI application under `/ofrep/v1`."""

    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        self._services, self._authenticator = services, authenticator

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        key = _key_of(scope["path"])
        try:
            answer = await self._answer(scope, receive, key)
        except Exception:
            log.exception("an evaluation request failed")
            answer = _failure(500, key, "GENERAL", "something went wrong here; the server's log has the details")
        headers = [(b"content-type", b"application/json"), *answer.headers]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: MutableMapping[str, Any], receive: Receive, key: str | None) -> Answer:
        if scope["method"] != "POST":
            return _failure(405, key, "GENERAL", "send a POST request", ((b"allow", b"POST"),))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            token = self._authenticator.token(bearer_of(headers) or "")
        except Unauthenticated as error:
            return _failure(401, key, "GENERAL", str(error), ((b"www-authenticate", b"Bearer"),))
        if Scope.FLAGS_EVALUATE not in token.scopes:
            return _failure(403, key, "GENERAL", "this token lacks the scope `flags:evaluate`")
        body = await _read(receive)
        if body is None:
            return _failure(413, key, "INVALID_CONTEXT", f"the body is larger than {MAX_BODY} bytes")
        return self._evaluate(token, key, body, headers)

    def _evaluate(self, token: Token, key: str | None, body: bytes, headers: Headers) -> Answer:
        try:
            snapshot = self._services.hub.snapshot(token.project, token.environment)
        except NotFound as error:
            return _failure(404, key, "GENERAL", str(error))
        context = _context(body)
        if isinstance(context, str):
            return _failure(400, key, "PARSE_ERROR" if context.startswith("the body") else "INVALID_CONTEXT", context)
        if key is None:
            return _bulk(snapshot, context, token, headers)
        return _single(snapshot, key, context)


def _key_of(path: str) -> str | None:
    rest = path.removeprefix(PREFIX).strip("/")
    return unquote(rest) or None


async def _read(receive: Receive) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY:
            return None
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def _context(body: bytes) -> dict[str, Any] | str:
    """The context of a request, or what is wrong with it."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "the body is not JSON"
    if not isinstance(document, dict) or not isinstance(document.get("context"), dict):
        return 'send {"context": {"targetingKey": "...", ...}}'
    context: dict[str, Any] = document["context"]
    return context


def _single(snapshot: Snapshot, key: str, context: dict[str, Any]) -> Answer:
    resolution = evaluate(snapshot, key, context)
    if resolution.error is not None:
        code = str(resolution.error.code)
        status = 404 if code == "FLAG_NOT_FOUND" else 400
        return _failure(status, key, code, resolution.error.message)
    return Answer(200, _encode(_success(snapshot, snapshot.flags[key], resolution, context)))


def _bulk(snapshot: Snapshot, context: dict[str, Any], token: Token, headers: Headers) -> Answer:
    flags = []
    for key, flag in snapshot.flags.items():
        resolution = evaluate(snapshot, key, context)
        if resolution.error is None:
            flags.append(_success(snapshot, flag, resolution, context))
    body = _encode({"flags": flags, "metadata": _set_metadata(snapshot)})
    etag = f'"{hashlib.sha256(token.id.encode() + body).hexdigest()[:32]}"'
    named = ((b"etag", etag.encode()),)
    if headers.get("if-none-match") == etag:
        return Answer(304, b"", named)
    return Answer(200, body, named)


def _set_metadata(snapshot: Snapshot) -> dict[str, str]:
    return {"flagSetId": f"{snapshot.project}/{snapshot.environment}", "version": str(snapshot.revision)}


def _success(snapshot: Snapshot, flag: Flag, resolution: Resolution, context: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {**_set_metadata(snapshot), "revision": flag.revision, "unit": flag.unit}
    if resolution.rule is not None:
        metadata["rule"] = resolution.rule
    if isinstance(target := context.get("targetingKey"), str):
        metadata["contextId"] = target
    value = resolution.value
    return {
        "key": flag.key,
        "value": float(value) if flag.type is FlagType.NUMBER else value,
        "variant": resolution.variation,
        "reason": str(resolution.reason),
        "metadata": metadata,
    }


def _failure(
    status: int, key: str | None, code: str, details: str, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Answer:
    body = {"errorCode": code, "errorDetails": details} | ({"key": key} if key is not None else {})
    return Answer(status, _encode(body), headers)
