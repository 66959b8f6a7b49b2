"""People and tokens."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request
from msgspec.structs import replace

from twokey.domain.errors import Refused
from twokey.domain.identity import AGENT_DAYS, ActorKind, Role, Scope, Token, User
from twokey.engine.errors import Invalid
from twokey.steps import invite, manage_access
from twokey.surfaces.calls import Acts, Calls, Fresh, Serves, StrictBodies, prove
from twokey.surfaces.http_api.models.access import (
    CreatedToken,
    CreatedUser,
    Invitation,
    NewToken,
    NewUser,
    TokenView,
    UserView,
)
from twokey.surfaces.http_api.models.proposals import Prove

router = APIRouter(tags=["access"], route_class=StrictBodies)


@router.get("/users")
def list_users(actor: Acts, services: Serves) -> list[UserView]:
    """Everyone who can sign in; for people only."""
    if not actor.may_turn_key:
        raise Refused("a token does not read who there is")
    with services.store.read() as uow:
        return [_user_view(each) for each in uow.users.where(limit=1000)]


@router.post("/users", status_code=201)
def create_user(body: NewUser, actor: Fresh, services: Serves) -> CreatedUser:
    """Add a person. For administrators."""
    if not actor.holds(Role.ADMINISTRATOR):  # before a hash is computed, which costs on purpose
        raise Refused("only an administrator adds people")
    now = services.clock()
    user = User(id=body.username, username=body.username, name=body.name, roles=frozenset(body.roles), created_at=now)
    if body.password is not None:
        made = manage_access.create_user(
            services.store, actor, replace(user, password_hash=services.secrets.hash_password(body.password))
        )
        return CreatedUser(**_user_view(made).model_dump(), invitation=None)
    invitation, secret = invite.new_invitation(services.secrets, now)
    made = manage_access.create_user(services.store, actor, replace(user, invitation=invitation))
    return CreatedUser(**_user_view(made).model_dump(), invitation=secret)


@router.post("/users/{username}/invite")
def invite_user(username: str, actor: Fresh, services: Serves) -> Invitation:
    """A new one-time link for somebody who holds no roles. For administrators."""
    return Invitation(invitation=invite.invite(services.store, services.secrets, actor, username))


@router.post("/users/{username}/disable")
def disable_user(username: str, body: Prove, request: Request, caller: Calls, services: Serves) -> UserView:
    """Shut somebody out at once, with fresh proof. For administrators."""
    if prove(request, caller, body) is None:
        raise Refused("this needs fresh proof that you are here: your password, a code or a passkey")
    return _user_view(manage_access.disable_user(services.store, caller.actor, username))


def _user_view(user: User) -> UserView:
    return UserView(
        username=user.username,
        name=user.name,
        roles=sorted(user.roles),
        disabled=user.disabled,
        created_at=user.created_at,
        invited=user.invitation is not None,
        factors=[name for name, there in (("totp", user.has_totp), ("passkey", bool(user.passkeys))) if there],
    )


@router.get("/tokens")
def list_tokens(actor: Acts, services: Serves) -> list[TokenView]:
    """The tokens there are, without their secrets. For administrators."""
    if not actor.holds(Role.ADMINISTRATOR):
        raise Refused("only an administrator reads the list of tokens")
    with services.store.read() as uow:
        return [_token_view(each) for each in uow.tokens.where(limit=1000)]


@router.get("/token")
def show_token(actor: Acts, services: Serves) -> TokenView:
    """The token that this call came with: what it may do, and where. Its secret is in no answer."""
    if actor.may_turn_key:
        raise Refused("you came without a token")
    with services.store.read() as uow:
        return _token_view(uow.tokens.get(actor.id))


@router.post("/tokens", status_code=201)
def create_token(body: NewToken, actor: Fresh, services: Serves) -> CreatedToken:
    """Create a scoped token. Its secret is shown this once. For administrators."""
    days = body.expires_in_days
    if body.kind == "agent" and "expires_in_days" not in body.model_fields_set:
        days = AGENT_DAYS
    expires = services.clock() + timedelta(days=days) if days else None
    wanted = manage_access.TokenRequest(
        name=body.name,
        kind=ActorKind(body.kind),
        scopes=frozenset(_scope(each) for each in body.scopes),
        project=body.project,
        environment=body.environment,
        expires_at=expires,
        on_behalf_of=body.on_behalf_of,
        flags=tuple(body.flags),
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
        flags=list(token.flags),
    )
