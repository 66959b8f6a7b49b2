"""Sign-in, people and tokens."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request, Response

from twokey.domain.errors import Refused
from twokey.domain.identity import ActorKind, Role, Scope, Session, Token, User
from twokey.engine.errors import Invalid
from twokey.steps import manage_access
from twokey.steps.record_refusal import Attempt, record
from twokey.surfaces.auth import COOKIE, Unauthenticated, check_same_site, csrf_of
from twokey.surfaces.calls import Acts, Authenticates, Calls, Serves, StrictBodies, address_of, prove
from twokey.surfaces.http_api.models import (
    CreatedToken,
    NewPassword,
    NewToken,
    NewUser,
    OpenSession,
    Prove,
    SessionView,
    SignIn,
    TokenView,
    UserView,
)

router = APIRouter(tags=["access"], route_class=StrictBodies)


@router.post("/session")
def sign_in(
    body: SignIn, request: Request, response: Response, services: Serves, authenticator: Authenticates
) -> SessionView:
    """Sign in with a password. Sets the session cookie."""
    check_same_site(request.headers)
    try:
        user = authenticator.sign_in(body.username, body.password, address_of(request))
    except Unauthenticated as error:
        record(services.store, Attempt(actor=None, action="session.refuse", subject=body.username[:64]), error)
        raise
    secret = services.secrets.new_secret("session")
    label = request.headers.get("user-agent", "")
    session = manage_access.open_session(services.store, user, services.secrets.hash_secret(secret), label)
    response.set_cookie(
        COOKIE,
        secret,
        httponly=True,
        samesite="strict",
        secure=services.secure_cookies,
        max_age=int(manage_access.SESSION_LENGTH / timedelta(seconds=1)),
    )
    return _session_view(user, session, secret)


@router.get("/session")
def read_session(caller: Calls, request: Request) -> SessionView:
    """Who is signed in."""
    if caller.user is None or caller.session is None:
        raise Refused("a bearer token has no session")
    return _session_view(caller.user, caller.session, request.cookies[COOKIE])


@router.delete("/session", status_code=204)
def sign_out(caller: Calls, response: Response, services: Serves) -> None:
    """End this session."""
    if caller.session is not None:
        manage_access.end_session(services.store, caller.actor, caller.session.id)
    response.delete_cookie(COOKIE)


@router.get("/sessions")
def list_sessions(caller: Calls, services: Serves) -> list[OpenSession]:
    """One's own sessions that are still good, newest first."""
    if caller.user is None or caller.session is None:
        raise Refused("a bearer token has no session")
    with services.store.read() as uow:
        found = manage_access.open_sessions(uow, caller.user.username)
    return [
        OpenSession(
            id=each.id,
            label=each.label,
            created_at=each.created_at,
            expires_at=each.expires_at,
            this=each.id == caller.session.id,
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
    if caller.session is None:
        raise Refused("a bearer token has no session")
    manage_access.end_other_sessions(services.store, caller.actor, caller.session.id)


@router.post("/password", status_code=204)
def change_password(body: NewPassword, request: Request, caller: Calls, services: Serves) -> None:
    """Another password for oneself, with the present one. All other sessions end."""
    if prove(request, caller, body.password) is None or caller.session is None:
        raise Refused("the present password is wrong")
    hashed = services.secrets.hash_password(body.new_password)
    manage_access.change_password(services.store, caller.actor, hashed, caller.session.id)


def _session_view(user: User, session: Session, secret: str) -> SessionView:
    return SessionView(
        username=user.username,
        name=user.name,
        roles=sorted(user.roles),
        csrf=csrf_of(secret),
        expires_at=session.expires_at,
    )


@router.get("/users")
def list_users(actor: Acts, services: Serves) -> list[UserView]:
    """Everyone who can sign in; for people only."""
    if not actor.may_turn_key:
        raise Refused("a token does not read who there is")
    with services.store.read() as uow:
        return [_user_view(each) for each in uow.users.where(limit=1000)]


@router.post("/users", status_code=201)
def create_user(body: NewUser, actor: Acts, services: Serves) -> UserView:
    """Add a person. For administrators."""
    if not actor.holds(Role.ADMINISTRATOR):  # before a hash is computed, which costs on purpose
        raise Refused("only an administrator adds people")
    user = User(
        id=body.username,
        username=body.username,
        name=body.name,
        password_hash=services.secrets.hash_password(body.password),
        roles=frozenset(body.roles),
        created_at=services.clock(),
    )
    return _user_view(manage_access.create_user(services.store, actor, user))


@router.post("/users/{username}/disable")
def disable_user(username: str, body: Prove, request: Request, caller: Calls, services: Serves) -> UserView:
    """Shut somebody out at once, with fresh proof. For administrators."""
    if prove(request, caller, body.password) is None:
        raise Refused("this needs fresh proof that you are here: your password")
    return _user_view(manage_access.disable_user(services.store, caller.actor, username))


def _user_view(user: User) -> UserView:
    return UserView(
        username=user.username,
        name=user.name,
        roles=sorted(user.roles),
        disabled=user.disabled,
        created_at=user.created_at,
    )


@router.get("/tokens")
def list_tokens(actor: Acts, services: Serves) -> list[TokenView]:
    """The tokens there are, without their secrets. For administrators."""
    if not actor.holds(Role.ADMINISTRATOR):
        raise Refused("only an administrator reads the list of tokens")
    with services.store.read() as uow:
        return [_token_view(each) for each in uow.tokens.where(limit=1000)]


@router.post("/tokens", status_code=201)
def create_token(body: NewToken, actor: Acts, services: Serves) -> CreatedToken:
    """Create a scoped token. Its secret is shown this once. For administrators."""
    expires = services.clock() + timedelta(days=body.expires_in_days) if body.expires_in_days else None
    wanted = manage_access.TokenRequest(
        name=body.name,
        kind=ActorKind(body.kind),
        scopes=frozenset(_scope(each) for each in body.scopes),
        project=body.project,
        environment=body.environment,
        expires_at=expires,
        on_behalf_of=body.on_behalf_of,
    )
    token, secret = manage_access.create_token(services.store, services.secrets, actor, wanted)
    return CreatedToken(**_token_view(token).model_dump(), secret=secret)


@router.delete("/tokens/{id}", status_code=204)
def revoke_token(id: str, actor: Acts, services: Serves) -> None:
    """End a token at once. For administrators."""
    manage_access.revoke_token(services.store, actor, id)


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise Invalid("scopes", f"`{text}` is no scope", ", ".join(sorted(Scope))) from None


def _token_view(token: Token) -> TokenView:
    return TokenView(
        id=token.id,
        name=token.name,
        kind=str(token.kind),
        scopes=sorted(token.scopes),
        project=token.project,
        environment=token.environment,
        created_at=token.created_at,
        created_by=token.created_by,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
        on_behalf_of=token.on_behalf_of,
    )
