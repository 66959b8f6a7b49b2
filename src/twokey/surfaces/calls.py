"""What every route leans on: the services, the caller, and the refusals on record."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from twokey.domain.approval import Proof
from twokey.domain.errors import Conflict, Invalid, NotFound, Refused
from twokey.domain.identity import Actor, Scope
from twokey.steps.record_refusal import Attempt, record
from twokey.surfaces.auth import SAFE_METHODS, Authenticator, Caller, Throttled, Unauthenticated, need_scope
from twokey.surfaces.http_errors import MEDIA_TYPE, headers_of, problem_of
from twokey.surfaces.services import Services
from twokey.surfaces.shapes import Problem

log = logging.getLogger(__name__)
OURS = (Invalid, NotFound, Conflict, Refused, Unauthenticated, Throttled)
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

JSON_BODY: dict[str, Any] = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
"""For routes that parse their body themselves."""


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def _authenticator(request: Request) -> Authenticator:
    authenticator: Authenticator = request.app.state.authenticator
    return authenticator


Serves = Annotated[Services, Depends(_services)]
Authenticates = Annotated[Authenticator, Depends(_authenticator)]


def _caller(request: Request, authenticator: Authenticates) -> Caller:
    caller = authenticator.caller(request.method, request.headers, request.cookies)
    request.state.caller = caller
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


def prove(request: Request, caller: Caller, password: str) -> Proof | None:
    """Fresh proof by password for this call."""
    return _authenticator(request).prove(caller, password, address_of(request))


def answer(request: Request, error: Exception) -> JSONResponse:
    """The HTTP answer to one of our errors; a refused attempt to change something goes on record."""
    if isinstance(error, RequestValidationError):
        error = _invalid(error)
    if not isinstance(error, OURS):
        log.exception("a request failed", exc_info=error)
    elif request.method not in SAFE_METHODS:
        _record(request, error)
    document = problem_of(error)
    return JSONResponse(document, document["status"], headers_of(error), media_type=MEDIA_TYPE)


def _record(request: Request, error: Exception) -> None:
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None and not request.url.path.endswith("/session"):
        return
    route = request.scope.get("route")
    subject = next(iter(request.path_params.values()), request.url.path)
    actor = caller.actor if caller else None
    attempt = Attempt(
        actor=actor,
        action=f"refused.{getattr(route, 'name', 'call')}",
        subject=str(subject),
        project=(actor.project if actor else "") or request.path_params.get("project", ""),
        environment=(actor.environment if actor else "") or request.path_params.get("environment", ""),
    )
    record(_services(request).store, attempt, error)


def _invalid(error: RequestValidationError) -> Invalid:
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part != "body"]
    return Invalid(".".join(place) or "body", first["msg"], _accepted(first))


def _accepted(first: Any) -> str:
    context = first.get("ctx") or {}
    if first["type"] == "extra_forbidden":
        return "only the fields that the API names (/api/v1/openapi.json)"
    return ", ".join(f"{key} {value}" for key, value in context.items() if key != "error") or "see /api/v1/openapi.json"
