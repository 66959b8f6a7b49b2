"""What every route leans on: strict bodies, the services, the caller, and the refusals on record.

Rules kept here:
- a body is JSON as RFC 8259 has it, in UTF-8: no NaN, no number that nothing can hold, no half of a surrogate pair;
- a refused attempt is on record once, with who tried what; that the recording fails never hides the refusal;
- nobody adds to the log without being known, but by a wrong password, and that is throttled.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Protocol

import msgspec
from fastapi import Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

from twokey.domain.approval import Proof
from twokey.domain.credentials import Given, Site
from twokey.domain.errors import Conflict, Invalid, NotFound, Refused
from twokey.domain.identity import Actor, Scope
from twokey.steps.record_refusal import Attempt, record
from twokey.surfaces.auth import (
    AUDIENCE,
    SAFE_METHODS,
    STEP_UP,
    Authenticator,
    Caller,
    ProofNeeded,
    Throttled,
    Unauthenticated,
    need_scope,
    site_of,
)
from twokey.surfaces.http_errors import MEDIA_TYPE, headers_of, problem_of
from twokey.surfaces.readings import Readings
from twokey.surfaces.services import Services
from twokey.surfaces.shapes import Problem

log = logging.getLogger(__name__)
OURS = (Invalid, NotFound, Conflict, Refused, Unauthenticated, Throttled)
READS_BY_POST = frozenset({"explain_flag", "preview_change"})
"""Routes that change nothing, and take a body all the same."""
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": title, "content": {MEDIA_TYPE: {}}}
    for status, title in (
        (401, "Not signed in"),
        (403, "Refused"),
        (404, "Not found"),
        (409, "What you relied on has moved"),
        (413, "Too large"),
        (422, "The input is not valid"),
        (429, "Too many attempts"),
    )
}

Before = Annotated[str | None, Query(max_length=200, description="The id after which to go on, from a list's end.")]
JSON_BODY: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
"""For routes that parse their body themselves."""


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _authenticator(request: Request) -> Authenticator:
    authenticator: Authenticator = request.app.state.authenticator
    return authenticator


class StrictBodies(APIRoute):
    """A route that reads its body strictly, so that what is checked, signed and stored is one and the same text."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, behind the check of the body."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            if self.body_field is not None:
                strict_json(await request.body())
            response = await handler(request)
            if request.method in SAFE_METHODS or self.name in READS_BY_POST:
                await run_in_threadpool(_note_reading, request)
            return response

        return handle


def _note_reading(request: Request) -> None:
    """What an assistant reads is on record before it has the answer."""
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        return
    path, given = request.url.path.partition("/api/v1")[2], request.path_params
    subject = next((given[name] for name in ("id", "key") if name in given), path)
    readings: Readings = request.app.state.readings
    readings.note(caller.actor, path, subject, _services(request).clock())


def strict_json(body: bytes) -> None:
    """Raise Invalid for a body that is not JSON in the strict sense. An empty one is for the route to judge."""
    try:
        if body:
            msgspec.json.decode(body)
    except RecursionError:
        raise Invalid("body", "is nested too deeply", "JSON of a sensible depth") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid("body", f"is not JSON: {error}", "a JSON object in UTF-8") from None


Serves = Annotated[Services, Depends(_services)]
Authenticates = Annotated[Authenticator, Depends(_authenticator)]


def _caller(request: Request, authenticator: Authenticates) -> Caller:
    caller = authenticator.caller(request.headers, request.cookies, request.scope.get(AUDIENCE, ""))
    request.state.caller = caller
    authenticator.check_origin(caller, request.method, request.headers, request.cookies)
    return caller


Calls = Annotated[Caller, Depends(_caller)]


def _actor(caller: Calls) -> Actor:
    return caller.actor


Acts = Annotated[Actor, Depends(_actor)]


def reads(scope: Scope) -> Any:
    """A dependency: people read; a token needs this scope."""

    def check(caller: Calls) -> Actor:
        need_scope(caller.actor, scope)
        return caller.actor

    return Depends(check)


def check_reach(actor: Actor, project: str, environment: str) -> None:
    """A token reads in its own environment only. Raises NotFound, so that it learns nothing of the others."""
    if not actor.may_turn_key and (actor.project, actor.environment) != (project, environment):
        raise NotFound("environment", f"{project}/{environment}")


def address_of(request: Request) -> str:
    """The address the call came from."""
    return request.client.host if request.client else "unknown"


def fresh(caller: Calls, services: Serves) -> Actor:
    """The caller; a person must have shown within the last minutes that they are there. Raises ProofNeeded."""
    if caller.session is not None and not caller.session.is_proved(services.clock(), STEP_UP):
        raise ProofNeeded
    return caller.actor


Fresh = Annotated[Actor, Depends(fresh)]


class Proves(Protocol):
    """A body that carries a proof: exactly one of the three."""

    password: str | None
    code: str | None
    passkey: dict[str, Any] | None


def given_of(body: Proves) -> Given:
    """The proof that a body carries."""
    return Given(password=body.password, code=body.code, passkey=body.passkey)


def prove(request: Request, caller: Caller, body: Proves) -> Proof | None:
    """Fresh proof for this call. A passkey must have been asked about exactly this matter."""
    return _authenticator(request).prove(caller, given_of(body), matter_of(request, body), site(request))


def matter_of(request: Request, body: Proves) -> str:
    """What a proof is about: the call's path below the API's, and the digest that the body names, if it names one."""
    path = request.url.path.partition("/api/v1")[2]
    return f"{path} {getattr(body, 'digest', '')}".strip()


def site(request: Request) -> Site:
    """Where the caller's browser stands."""
    return site_of(request.headers, request.url.scheme)


def answer(request: Request, error: Exception) -> JSONResponse:
    """The HTTP answer to one of our errors; a refused attempt to change something goes on record."""
    if isinstance(error, RequestValidationError):
        error = _invalid(error)
    if not isinstance(error, OURS):
        log.exception("a request failed", exc_info=error)
    elif _worth_recording(request, error):
        _record(request, error)
    document = problem_of(error)
    return JSONResponse(document, document["status"], headers_of(error), media_type=MEDIA_TYPE)


def _worth_recording(request: Request, error: Exception) -> bool:
    """What was tried and refused: every call that would change something, and every reading that somebody may not."""
    return request.method not in SAFE_METHODS or isinstance(error, Refused)


def _record(request: Request, error: Exception) -> None:
    """Put a refusal of somebody who is known on record. Whatever happens here, the caller hears the refusal."""
    try:
        if (caller := _known_caller(request)) is not None:
            record(_services(request).store, _attempt(request, caller.actor), error)
    except Exception:
        log.exception("a refusal could not be put on record: %r", error)


def _known_caller(request: Request) -> Caller | None:
    """Who calls; found out here where the call was refused before anybody asked."""
    known: Caller | None = getattr(request.state, "caller", None)
    if known is not None:
        return known
    try:
        return _authenticator(request).caller(request.headers, request.cookies, request.scope.get(AUDIENCE, ""))
    except Unauthenticated:
        return None


def _attempt(request: Request, actor: Actor) -> Attempt:
    given = request.path_params
    place = {name: getattr(actor, name) or given.get(name, "") for name in ("project", "environment")}
    subject = next((given[name] for name in ("id", "key") if name in given), request.url.path)
    name = getattr(request.scope.get("route"), "name", "call")
    return Attempt(actor=actor, action=f"refused.{name}", subject=subject, **place)


def _invalid(error: RequestValidationError) -> Invalid:
    found = error.errors()
    # A field that is not there says more of a mistake than one that is missing for it.
    first = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    return Invalid(".".join(place) or "body", first["msg"], _accepted(first))


def _accepted(first: Any) -> str:
    context = first.get("ctx") or {}
    if first["type"] == "extra_forbidden":
        return "only the fields that the API names (/api/v1/openapi.json)"
    return ", ".join(f"{key} {value}" for key, value in context.items() if key != "error") or "see /api/v1/openapi.json"
