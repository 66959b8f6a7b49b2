"""The server on standard input and output: one agent, one token, the API over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import httpx

from twokey.surfaces.mcp_server.asking import ApiAsk
from twokey.surfaces.mcp_server.server import create_server

TIMEOUT = 30.0


def serve(url: str, token: str, scopes: Collection[str]) -> None:
    """Serve until the other side closes."""
    asyncio.run(_serve(url, token, frozenset(scopes)))


async def _serve(url: str, token: str, scopes: frozenset[str]) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, trust_env=False) as client:
        ask = ApiAsk(client, token)
        await create_server(lambda: ask, lambda: scopes).run_stdio_async()
