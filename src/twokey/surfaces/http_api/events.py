"""Live updates for pages: a tick whenever something was committed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from twokey.surfaces.calls import Calls
from twokey.surfaces.hub import Hub

router = APIRouter(tags=["events"])
HEARTBEAT = 15.0


@router.get("/events", response_class=StreamingResponse)
async def events(caller: Calls, request: Request) -> StreamingResponse:
    """Server-sent events: `changed` with the index of the newest audit entry."""
    hub: Hub = request.app.state.services.hub
    return StreamingResponse(
        _ticks(hub, request), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


async def _ticks(hub: Hub, request: Request) -> AsyncIterator[bytes]:
    seen = -1
    while not hub.closing and not await request.is_disconnected():
        if hub.tick != seen:
            seen = hub.tick
            data = msgspec.json.encode({"tick": seen, "entry": hub.head}).decode()
            yield f"event: changed\ndata: {data}\n\n".encode()
        elif not await hub.moved(HEARTBEAT):
            yield b": still here\n\n"
