"""The agents' door over HTTP: who comes in, how far, and how often. Behind it stand the tools; behind them the API.

Rules kept here:
- the token stands in the Authorization header of every request, once; in an address it is refused, good or not;
- agents alone come in, by a token of ours or by one that the identity provider made for this very address; people have
  the pages, and services the API: what acts for nobody has no business here;
- a tool is asked with the caller's own token, of the API in this process, and of nobody else;
- a tool whose scope is missing is refused with the scope that would do, and the refusal is on record;
- each token has its requests a minute.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import httpx

from twokey.domain.errors import Refused
from twokey.domain.identity import Actor
from twokey.surfaces import bodies
from twokey.surfaces.auth import AUDIENCE, Authenticator, Unauthenticated
from twokey.surfaces.mcp_server.answers import (
    FIRST_SCOPES,
    WELL_KNOWN,
    Receive,
    Scope,
    Send,
    answer,
    challenge,
    header,
    metadata,
    refuse,
)
from twokey.surfaces.mcp_server.asking import ApiAsk
from twokey.surfaces.mcp_server.tools import SCOPE_OF
from twokey.surfaces.mcp_server.visitors import Visitors, shared
from twokey.surfaces.pace import Pace
from twokey.surfaces.services import Agents

if TYPE_CHECKING:
    from twokey.surfaces.mcp_server.transport import Transport

PATH = "/mcp"
_IN_ADDRESS = {"access_token", "token", "authorization"}
ADDRESSES = frozenset({PATH, WELL_KNOWN, WELL_KNOWN + PATH})
PATIENCE = 30.0
PREFLIGHT = (
    (b"access-control-allow-methods", b"POST"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name",
    ),
    (b"access-control-max-age", b"7200"),
)
log = logging.getLogger(__name__)
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Note = Callable[[Actor, str, Refused], None]
"""Puts on record that a tool was refused to an agent."""


@dataclass(frozen=True)
class Visit:
    """One agent's request: who it is, and by which token."""

    agent: Actor
    token: str = field(repr=False)


_visit: ContextVar[Visit] = ContextVar("visit")


class AgentsDoor:
    """The door, as an ASGI application for the addresses that are its own."""

    def __init__(self, authenticator: Authenticator, api: App, agents: Agents, issuer: str | None, note: Note) -> None:
        self._authenticator, self._api, self._issuer, self._note = authenticator, api, issuer, note
        self._address = agents.address.rstrip("/")
        self._audience = self._address + PATH
        self._visitors = Visitors(agents.address, agents.hosts, agents.origins)
        self._pace = Pace(agents.per_minute)
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self._inside, raise_app_exceptions=False),
            base_url="http://twokey",
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            trust_env=False,
        )
        self._host: asyncio.Task[None] | None = None
        self._wanted, self._ready = asyncio.Event(), asyncio.Event()
        self._transport: Transport | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Be open within this block."""
        self._wanted, self._ready = asyncio.Event(), asyncio.Event()
        host = self._host = asyncio.create_task(self._serve())
        try:
            yield
        finally:
            host.cancel()
            await asyncio.gather(host, return_exceptions=True)
            self._host = self._transport = None

    async def _serve(self) -> None:
        """Run the protocol, in one task of its own. It is loaded when the first agent asks."""
        await self._wanted.wait()
        try:
            transport = await asyncio.to_thread(self._load)
            async with transport.run():
                self._transport = transport
                self._ready.set()
                await asyncio.Event().wait()
        except Exception:  # nobody waits for this task, and agents hear no more than that the door is shut
            log.exception("the agents' door has shut")
            self._transport = None

    def _load(self) -> Transport:
        from twokey.surfaces.mcp_server.server import create_server
        from twokey.surfaces.mcp_server.transport import Transport

        return Transport(create_server(self._ask, lambda: _visit.get().agent.scopes))

    def _ask(self) -> ApiAsk:
        return ApiAsk(self._client, _visit.get().token)

    async def _inside(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The API, as an agent asks it that came in here."""
        scope[AUDIENCE] = self._audience
        await self._api(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request to an address of ours. Its body is bounded already."""
        if await self._visitors.stop(scope, send):
            return
        send = shared(send, header(scope, b"origin"))
        if scope["method"] == "OPTIONS":
            await answer(send, 204, headers=PREFLIGHT)
        elif scope["path"] != PATH:
            await self._say(scope, send)
        elif (visit := await self._let_in(scope, send)) is not None:
            await self._visited(visit, scope, receive, send)

    async def _say(self, scope: Scope, send: Send) -> None:
        """What this resource is, and who gives tokens for it."""
        if scope["method"] not in ("GET", "HEAD"):
            await answer(send, 405, headers=((b"allow", b"GET, HEAD, OPTIONS"),))
        else:
            servers = [self._issuer] if self._issuer else []
            await answer(send, 200, metadata(self._base(scope) + PATH, servers))

    def _base(self, scope: Scope) -> str:
        """This server's address: the public one, else by the name that it was called, which is ours."""
        return self._address or f"{scope.get('scheme', 'http')}://{header(scope, b'host')}"

    async def _let_in(self, scope: Scope, send: Send) -> Visit | None:
        """Who asks; nothing for somebody who was told to stay outside."""
        given = [value.decode("latin-1") for key, value in scope["headers"] if key == b"authorization"]
        where = f"{self._base(scope)}{WELL_KNOWN}{PATH}"
        if len(given) > 1 or _IN_ADDRESS & parse_qs(scope.get("query_string", b"").decode("latin-1")).keys():
            told = "one token, in the Authorization header, and never in the address"
            headers = challenge(where, FIRST_SCOPES, "invalid_request", told)
            await refuse(send, 400, "invalid_request", told, headers)
            return None
        scheme, _, token = (given[0] if given else "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            await refuse(send, 401, "unauthorized", "an agent's bearer token is needed", challenge(where, FIRST_SCOPES))
            return None
        try:
            agent = await asyncio.to_thread(self._authenticator.agent, token.strip(), self._audience)
        except Unauthenticated as error:
            headers = challenge(where, FIRST_SCOPES, "invalid_token", str(error))
            await refuse(send, 401, "invalid_token", str(error), headers)
            return None
        return Visit(agent, token.strip())

    async def _visited(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        """An agent's request: within its requests a minute, and its scopes."""
        if wait := self._pace.take(visit.agent.id):
            told = f"this token has asked too often: again in {wait} seconds"
            await refuse(send, 429, "too_many_requests", told, ((b"retry-after", str(wait).encode()),))
            return
        body = await bodies.whole(receive) or b""
        tool, lacking = _lacking(scope, body, visit.agent)
        if lacking:
            await self._refuse_scope(visit.agent, tool, lacking, scope, send)
        elif (transport := await self._opened()) is None:
            await refuse(send, 503, "unavailable", "this door is not open yet, or no longer")
        else:
            mark = _visit.set(visit)
            try:
                await transport(scope, bodies.again(body, receive), send)
            finally:
                _visit.reset(mark)

    async def _refuse_scope(self, agent: Actor, tool: str, lacking: frozenset[str], scope: Scope, send: Send) -> None:
        told = f"this token lacks the scope `{' '.join(sorted(lacking))}`"
        await asyncio.to_thread(self._note, agent, tool, Refused(told))
        wanted = {*lacking, *map(str, agent.scopes)}
        where = f"{self._base(scope)}{WELL_KNOWN}{PATH}"
        await refuse(send, 403, "insufficient_scope", told, challenge(where, wanted, "insufficient_scope", told))

    async def _opened(self) -> Transport | None:
        if self._transport is None and self._host is not None:
            self._wanted.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ready.wait(), PATIENCE)
        return self._transport


def _lacking(scope: Scope, body: bytes, agent: Actor) -> tuple[str, frozenset[str]]:
    """The tool that is called, and the scopes that are missing for it; or for anything, where there is none at all.

    Where headers and body name different tools nothing is said here: the protocol refuses that.
    """
    if not agent.scopes:
        return PATH, frozenset(FIRST_SCOPES)
    try:
        call = json.loads(body)
        tool = call["params"]["name"] if call["method"] == "tools/call" else ""
    except (ValueError, LookupError, TypeError, RecursionError):
        return "", frozenset()
    named = header(scope, b"mcp-name")
    if not isinstance(tool, str) or (named and named != tool):
        return "", frozenset()
    return tool, frozenset({SCOPE_OF[tool]} - agent.scopes if tool in SCOPE_OF else ())
