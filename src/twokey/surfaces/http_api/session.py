"""Signing in and out, the sessions somebody has open, and fresh proof within one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from twokey.domain.credentials import Given
from twokey.domain.errors import Refused
from twokey.domain.identity import Session, User
from twokey.steps import keep_factors, manage_access
from twokey.steps.record_refusal import Attempt, record
from twokey.surfaces.auth import SIGN_IN, Authenticator, Unauthenticated, check_same_site, csrf_of
from twokey.surfaces.calls import Authenticates, Calls, Serves, StrictBodies, address_of, prove, site
from twokey.surfaces.http_api.models.session import (
    About,
    Factor,
    OpenSession,
    Question,
    Second,
    SecondNeeded,
    SessionView,
    SignIn,
)
from twokey.surfaces.services import Services
from twokey.surfaces.shapes import Proven

router = APIRouter(tags=["session"], route_class=StrictBodies)
OWED: dict[int | str, dict[str, Any]] = {202: {"model": SecondNeeded, "description": "A second factor is owed"}}


@router.post("/session", responses=OWED, response_model=SessionView | SecondNeeded)
def sign_in(
    body: SignIn, request: Request, response: Response, services: Serves, authenticator: Authenticates
) -> SessionView | SecondNeeded:
    """Sign in with a password. Sets the session cookie, unless a second factor is owed (202)."""
    check_same_site(request.headers)
    try:
        user = authenticator.sign_in(body.username, body.password, address_of(request))
    except Unauthenticated as error:
        record(services.store, Attempt(actor=None, action="session.refuse", subject=body.username[:64]), error)
        raise
    if user.has_second_factor:
        response.status_code = 202
        return _owed(services, user, request)
    return begin(services, authenticator, user, request, response)


def _owed(services: Services, user: User, request: Request) -> SecondNeeded:
    ticket = services.secrets.new_secret("second")
    half = manage_access.open_half(services.store, user, services.secrets.hash_secret(ticket), _label(request))
    factors: list[Factor] = [each for each in proofs_of(user) if each != "password"]
    question = None
    if user.passkeys:
        challenge = keep_factors.ask(services.store, services.secrets, half, SIGN_IN)
        question = services.factors.passkey_question(site(request), user.passkeys, challenge)
    return SecondNeeded(
        ticket=ticket, factors=[*factors, "recovery_code"], question=question, expires_at=half.expires_at
    )


@router.post("/session/second")
def second(
    body: Second, request: Request, response: Response, services: Serves, authenticator: Authenticates
) -> SessionView:
    """The second step of a sign-in. Sets the session cookie."""
    check_same_site(request.headers)
    given = Given(code=body.code, passkey=body.passkey)
    user, half = authenticator.half(body.ticket)
    try:
        authenticator.second(user, half, given, body.recovery_code, site(request))
    except Unauthenticated as error:
        record(services.store, Attempt(actor=user.actor(), action="session.refuse", subject=user.username), error)
        raise
    return begin(services, authenticator, user, request, response)


def begin(
    services: Services,
    authenticator: Authenticator,
    user: User,
    request: Request,
    response: Response,
    *,
    proved: bool = True,
) -> SessionView:
    """Begin a session of somebody who signed in, and hand its cookie over."""
    secret = services.secrets.new_secret("session")
    hashed = services.secrets.hash_secret(secret)
    session = manage_access.open_session(services.store, user, hashed, _label(request), proved=proved)
    response.set_cookie(
        authenticator.cookie,
        secret,
        httponly=True,
        samesite="strict",
        secure=services.secure_cookies,
        max_age=int(manage_access.SESSION_LENGTH / timedelta(seconds=1)),
    )
    return _session_view(user, session, secret)


@router.get("/session")
def read_session(caller: Calls, request: Request, authenticator: Authenticates) -> SessionView:
    """Who is signed in."""
    user, session = own(caller)
    return _session_view(user, session, request.cookies[authenticator.cookie])


@router.delete("/session", status_code=204)
def sign_out(caller: Calls, response: Response, services: Serves, authenticator: Authenticates) -> None:
    """End this session."""
    if caller.session is not None:
        manage_access.end_session(services.store, caller.actor, caller.session.id)
    response.delete_cookie(authenticator.cookie, secure=services.secure_cookies, httponly=True, samesite="strict")


@router.post("/session/challenge")
def challenge(body: About, request: Request, caller: Calls, services: Serves) -> Question:
    """What a passkey shall sign to prove that its owner is here, for this matter. What was asked before is void."""
    user, session = own(caller)
    if not user.passkeys:
        raise Refused("you keep no passkey")
    asked = keep_factors.ask(services.store, services.secrets, session, body.about)
    return Question(question=services.factors.passkey_question(site(request), user.passkeys, asked))


@router.post("/session/proof", status_code=204)
def give_proof(body: Proven, request: Request, caller: Calls) -> None:
    """Show that one is here: for ten minutes this session may touch what guards the house."""
    own(caller)
    if prove(request, caller, body) is None:
        raise Refused("this is no proof that you are here")


@router.get("/sessions")
def list_sessions(caller: Calls, services: Serves) -> list[OpenSession]:
    """One's own sessions that are still good, newest first."""
    user, session = own(caller)
    with services.store.read() as uow:
        found = manage_access.open_sessions(uow, user.username)
    return [
        OpenSession(
            id=each.id,
            label=each.label,
            created_at=each.created_at,
            last_seen=each.last_seen,
            expires_at=each.expires_at,
            this=each.id == session.id,
        )
        for each in found
    ]


@router.delete("/sessions/{id}", status_code=204)
def end_session(id: str, caller: Calls, services: Serves) -> None:
    """End one session at once: one's own, or for administrators anybody's."""
    manage_access.end_session(services.store, caller.actor, id)


@router.delete("/sessions", status_code=204)
def end_other_sessions(caller: Calls, services: Serves) -> None:
    """End all of one's own sessions but this."""
    _, session = own(caller)
    manage_access.end_other_sessions(services.store, caller.actor, session.id)


def own(caller: Calls) -> tuple[User, Session]:
    """The signed-in person and their session. Raises Refused for a token."""
    if caller.user is None or caller.session is None:
        raise Refused("a bearer token has no session")
    return caller.user, caller.session


def proofs_of(user: User) -> list[Factor]:
    """The ways in which somebody can show that they are here, the strongest first."""
    held: tuple[tuple[Factor, bool], ...] = (
        ("passkey", bool(user.passkeys)),
        ("totp", user.has_totp),
        ("password", bool(user.password_hash)),
    )
    return [name for name, there in held if there]


def _label(request: Request) -> str:
    return request.headers.get("user-agent", "")


def _session_view(user: User, session: Session, secret: str) -> SessionView:
    return SessionView(
        username=user.username,
        name=user.name,
        roles=sorted(user.roles),
        csrf=csrf_of(secret),
        expires_at=session.expires_at,
        proofs=proofs_of(user),
    )
