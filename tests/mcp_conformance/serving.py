"""The fixtures' server on loopback: our transport and its check of strangers, without authorization."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.applications import Starlette

from tests.mcp_conformance.fixtures import server
from tests.support.process import free_port
from twokey.surfaces.mcp_server.answers import Receive, Scope, Send
from twokey.surfaces.mcp_server.transport import Transport
from twokey.surfaces.mcp_server.visitors import Visitors


@contextmanager
def served() -> Iterator[str]:
    """The address of a running server."""
    port = free_port()
    listening = uvicorn.Server(
        uvicorn.Config(application(), host="127.0.0.1", port=port, log_level="warning", timeout_graceful_shutdown=2)
    )
    thread = threading.Thread(target=listening.run, daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while not listening.started:
        assert time.monotonic() < end
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/mcp"
    listening.should_exit = True
    thread.join(timeout=20)


def application() -> Starlette:
    transport, visitors = Transport(server()), Visitors()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with transport.run():
            yield

    class Door:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if not await visitors.stop(scope, send):
                await transport(scope, receive, send)

    app = Starlette(lifespan=lifespan)
    app.router.add_route("/mcp", Door())  # type: ignore[arg-type]
    return app
