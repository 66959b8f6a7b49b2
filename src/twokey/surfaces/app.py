"""All doors in one ASGI application: API, webhooks, evaluation, stream, and the control room's files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from twokey import __version__
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor
from twokey.ports import Telemetry
from twokey.steps.record_refusal import Attempt, record
from twokey.surfaces import bodies, change_webhooks, signal_webhooks
from twokey.surfaces.auth import Authenticator
from twokey.surfaces.calls import OURS, PROBLEMS, answer
from twokey.surfaces.http_api import (
    access,
    account,
    audit,
    cases,
    changes,
    elsewhere,
    events,
    experiments,
    findings,
    flags,
    governance,
    happenings,
    policy,
    proposals,
    rollouts,
    runbooks,
    session,
    telemetry,
)
from twokey.surfaces.http_errors import MEDIA_TYPE, problem
from twokey.surfaces.mcp_server.door import ADDRESSES, AgentsDoor
from twokey.surfaces.ofrep import PREFIX, Ofrep
from twokey.surfaces.otlp import door as otlp
from twokey.surfaces.otlp.known import Flags
from twokey.surfaces.readings import Readings
from twokey.surfaces.services import Services
from twokey.surfaces.stream import Stream

API = "/api/v1"
MAX_BODY = 1024 * 1024
MAX_TELEMETRY = 16 * 1024 * 1024
INTAKE = (f"{API}/telemetry", "/otlp/")
"""Where telemetry comes in, in large bodies."""
AT_ONCE = 16
"""So many of these are taken at once; whoever comes then is asked to come again, so that memory has an end."""
GLANCE = 0.005
"""Seconds after which intake that gives way looks whether it still has to."""
BUSY = problem(429, "busy", "Too much at once", "more telemetry arrives than is written: send this batch again")
ROOM = Path(__file__).parent / "control_room"
log = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
EVERYWHERE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer of the API and of the pages."""
BY_TLS = (b"strict-transport-security", b"max-age=63072000; includeSubDomains")


def create_app(services: Services) -> Doors:
    """The whole server as one ASGI application."""
    authenticator = Authenticator(services)
    app = create_api(services, authenticator)
    headers = (*EVERYWHERE, BY_TLS) if services.secure_cookies else EVERYWHERE
    agents = app.state.agents = _agents(services, authenticator, app)
    ofrep, stream = Ofrep(services, authenticator), Stream(services, authenticator)
    return Doors(app, ofrep, stream, agents, services.telemetry, headers)


def _agents(services: Services, authenticator: Authenticator, app: FastAPI) -> AgentsDoor:
    def note(agent: Actor, tool: str, error: Refused) -> None:
        """Put on record that a tool was refused. Whatever happens here, the agent hears the refusal."""
        place = {"project": agent.project or "", "environment": agent.environment or ""}
        try:
            record(services.store, Attempt(actor=agent, action="refused.tool", subject=tool, **place), error)
        except Exception:
            log.exception("a refusal could not be put on record: %r", error)

    elsewhere = services.elsewhere
    issuer = elsewhere.provider.issuer if elsewhere and elsewhere.agents else None
    return AgentsDoor(authenticator, app, services.agents, issuer, note)


def create_api(services: Services, authenticator: Authenticator) -> FastAPI:
    """The API, the webhooks and the control room."""
    app = FastAPI(
        title="Twokey",
        version=__version__,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        responses=PROBLEMS,
    )
    app.state.services, app.state.authenticator = services, authenticator
    app.state.readings = Readings(services.store)
    app.state.telemetry_flags = Flags(services.store, services.hub)
    for module in (
        session,
        elsewhere,
        account,
        access,
        governance,
        policy,
        flags,
        cases,
        proposals,
        changes,
        rollouts,
        experiments,
        findings,
        happenings,
        runbooks,
        audit,
        telemetry,
        events,
    ):
        app.include_router(module.router, prefix=API)
    app.include_router(signal_webhooks.router)
    app.include_router(otlp.router)
    app.include_router(change_webhooks.router)
    for kind in (*OURS, RequestValidationError, Exception):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(HTTPException, _plain_problem)
    app.add_api_route("/healthz", _healthy, include_in_schema=False)
    app.add_api_route("/readyz", _ready, include_in_schema=False)
    app.add_api_route("/{path:path}", _room, include_in_schema=False)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    watcher = asyncio.create_task(app.state.services.hub.run())
    try:
        async with app.state.agents.run():
            yield
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)


def _healthy() -> PlainTextResponse:
    return PlainTextResponse("ok\n")


def _ready(request: Request) -> PlainTextResponse:
    """Ready when the store answers."""
    with request.app.state.services.store.read() as uow:
        uow.flags.environments()
    return PlainTextResponse("ok\n")


def _room(path: str) -> Response:
    """A file of the control room; any other path is one of its pages."""
    if path.startswith(("api/", "signals/", "changes/", "ofrep/", "otlp/", "stream/", "mcp/", ".well-known/")):
        raise HTTPException(404, "there is no such address")
    file = (ROOM / path).resolve()
    if path and file.is_relative_to(ROOM) and file.is_file():
        lasting = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
        return FileResponse(file, headers={**SECURITY, "Cache-Control": lasting})
    if not (ROOM / "index.html").is_file():
        return PlainTextResponse("The control room is not built: run `make setup`.\n", 503, SECURITY)
    return FileResponse(ROOM / "index.html", headers={**SECURITY, "Cache-Control": "no-cache"})


async def _plain_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = str(error.detail) if isinstance(error, HTTPException) else "something went wrong"
    document = problem(status, "http", detail, detail)
    return Response(msgspec.json.encode(document), status, media_type=MEDIA_TYPE)


class Doors:
    """Sends evaluation and stream requests past the API's machinery, and bounds every body."""

    def __init__(
        self,
        api: FastAPI,
        ofrep: Ofrep,
        stream: Stream,
        agents: AgentsDoor,
        telemetry: Telemetry,
        headers: tuple[tuple[bytes, bytes], ...] = EVERYWHERE,
    ) -> None:
        self._api, self._ofrep, self._stream, self._headers = api, ofrep, stream, headers
        self._agents, self._telemetry = agents, telemetry
        self._intake = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application, for any server."""
        await self.door(scope, receive, send)

    def door(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The application for a server that is told of its interface.

        It is no coroutine function, which a server could tell by itself: that saves an evaluation a twentieth of its
        time.
        """
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(PREFIX):
            return self._ofrep(scope, receive, send)
        if scope["type"] == "http" and path == "/stream/v1/snapshot":
            return self._stream(scope, receive, send)
        return self._bounded(scope, receive, self._hardened(send))

    def _hardened(self, send: Send) -> Send:
        """Says on every answer what browsers shall not do with it."""

        async def sent(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        return sent

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._behind(scope)(scope, receive, send)
        elif scope["method"] in ("GET", "HEAD"):
            with self._telemetry.first():  # somebody waits for the answer
                await self._behind(scope)(scope, receive, send)
        elif not scope["path"].startswith(INTAKE):
            with self._telemetry.first():
                await self._take(scope, receive, send, MAX_BODY)
        elif self._intake.locked():
            await _refuse(send, BUSY, (b"retry-after", b"1"))
        else:
            async with self._intake:
                await self._give_way()
                await self._take(scope, receive, send, MAX_TELEMETRY)

    async def _give_way(self) -> None:
        """Let looks at the evidence go first, before a batch is even read; no longer than one of them may ask."""
        end = asyncio.get_running_loop().time() + (left := self._telemetry.ahead())
        while left > 0 and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(min(left, GLANCE))
            left = self._telemetry.ahead()

    async def _take(self, scope: Scope, receive: Receive, send: Send, limit: int) -> None:
        body = await bodies.whole(receive, limit)
        if scope["path"].startswith(INTAKE):
            await self._give_way()  # a look may have come while it was read
        if body is None:
            too_large = problem(413, "too-large", "Too large", f"the body is larger than {limit} bytes", field="body")
            await _refuse(send, too_large, (b"connection", b"close"))
        else:
            await self._behind(scope)(scope, bodies.again(body, receive), send)

    def _behind(self, scope: Scope) -> FastAPI | AgentsDoor:
        """Who answers what comes by here: the API, but at the agents' own addresses."""
        return self._agents if scope["type"] == "http" and scope["path"] in ADDRESSES else self._api


async def _refuse(send: Send, document: dict[str, Any], header: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", MEDIA_TYPE.encode()), header]
    await send({"type": "http.response.start", "status": document["status"], "headers": headers})
    await send({"type": "http.response.body", "body": msgspec.json.encode(document)})
