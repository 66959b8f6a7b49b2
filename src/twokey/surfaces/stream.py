"""The snapshot stream (SSE) on raw ASGI: first the snapshot, then a patch for every revision that follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from twokey.domain.errors import NotFound, Refused
from twokey.domain.identity import Scope, Token
from twokey.engine import Snapshot
from twokey.engine.patch import diff
from twokey.engine.wire import PatchMessage, SnapshotMessage, StreamMessage
from twokey.surfaces.auth import Authenticator, Unauthenticated, bearer_of, need_scope
from twokey.surfaces.http_errors import MEDIA_TYPE, headers_of, problem_of
from twokey.surfaces.services import Services

HEARTBEAT = 15.0
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Stream:
    """The ASGI application at `/stream/v1/snapshot`."""

    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        self._hub, self._authenticator = services.hub, authenticator

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one client until it goes away."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            token = await asyncio.to_thread(self._authenticator.token, bearer_of(headers) or "")
            need_scope(token.actor(), Scope.FLAGS_EVALUATE)
            snapshot = await asyncio.to_thread(self._hub.snapshot, token.project, token.environment)
        except (Unauthenticated, Refused, NotFound) as error:
            await _refuse(send, error)
            return
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")],
            }
        )
        sender = asyncio.create_task(self._send_all(token, snapshot, send))
        try:
            await _until_gone(receive)
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)

    async def _send_all(self, token: Token, snapshot: Snapshot, send: Send) -> None:
        await _frame(send, snapshot.revision, _whole(snapshot))
        while True:
            moved = await self._hub.moved(HEARTBEAT)
            newest = self._hub.snapshot(token.project, token.environment)
            if newest.revision != snapshot.revision:
                await _frame(send, newest.revision, _patch(snapshot, newest))
                snapshot = newest
            elif not moved:
                await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})


def _whole(snapshot: Snapshot) -> SnapshotMessage:
    return SnapshotMessage(revision=snapshot.revision, digest=snapshot.digest, snapshot=msgspec.Raw(snapshot.to_json()))


def _patch(old: Snapshot, new: Snapshot) -> PatchMessage:
    return PatchMessage(
        from_revision=old.revision,
        to_revision=new.revision,
        digest=new.digest,
        patch=msgspec.Raw(diff(old, new).to_json()),
    )


async def _frame(send: Send, revision: int, message: StreamMessage) -> None:
    kind = "snapshot" if isinstance(message, SnapshotMessage) else "patch"
    head = f"id: {revision}\nevent: {kind}\ndata: ".encode()
    body = head + msgspec.json.encode(message) + b"\n\n"
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, error: Exception) -> None:
    document = problem_of(error)
    headers = [(b"content-type", MEDIA_TYPE.encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in headers_of(error).items()]
    await send({"type": "http.response.start", "status": document["status"], "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(document)})
