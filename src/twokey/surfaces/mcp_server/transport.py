"""Streamable HTTP: one path, both eras of the protocol, and no state between two requests.

Rules kept here:
- nothing is remembered of a client: a session id is none of ours, is worth nothing, and is answered as such (404);
- there is no stream to listen on: GET and DELETE are 405;
- blanks around a header's value are no part of it, whatever the server below left of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import INVALID_REQUEST

from twokey.surfaces.mcp_server.answers import Receive, Scope, Send, answer, header

MOST_BODY = 1024 * 1024


class Transport:
    """A server's tools over HTTP, for whoever was let in."""

    def __init__(self, server: MCPServer[Any]) -> None:
        self._server = server
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve within this block, in the task that entered it."""
        self._server.streamable_http_app(
            stateless_http=True,
            max_request_body_size=MOST_BODY,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # see `visitors`
        )
        self._manager = self._server.session_manager
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] != "POST":
            await answer(send, 405, headers=((b"allow", b"POST, OPTIONS"),))
        elif header(scope, b"mcp-session-id"):
            error = {"code": INVALID_REQUEST, "message": "Session not found: this server keeps none"}
            await answer(send, 404, {"jsonrpc": "2.0", "id": None, "error": error})
        elif self._manager is None:
            raise RuntimeError
        else:
            trimmed = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
            await self._manager.handle_request({**scope, "headers": trimmed}, receive, send)
