"""One's own account: the password, and the second factors. Adding or removing one asks for recent proof."""

from __future__ import annotations

from datetime import datetime

import segno
from fastapi import APIRouter, Request

from twokey.domain.credentials import Passkey
from twokey.domain.errors import Refused
from twokey.steps import invite, keep_factors, manage_access
from twokey.surfaces.auth import check_same_site
from twokey.surfaces.calls import Authenticates, Calls, Fresh, Serves, StrictBodies, address_of, prove, site
from twokey.surfaces.http_api.models.session import (
    Accept,
    AccountView,
    Code,
    Invited,
    KeptPasskey,
    LinkSecret,
    NewPasskey,
    NewPassword,
    PasskeyView,
    PasskeyWish,
    RecoveryCodes,
    TotpSecret,
)
from twokey.surfaces.http_api.session import own
from twokey.surfaces.shapes import Proven

router = APIRouter(tags=["account"], route_class=StrictBodies)
ADDING = "add a passkey"
"""What a browser is asked about when it makes a passkey; no call has such a path."""


@router.get("/account")
def show_account(caller: Calls) -> AccountView:
    """What one proves by."""
    user, _ = own(caller)
    return AccountView(
        username=user.username,
        has_password=bool(user.password_hash),
        provider=bool(user.subject),
        totp=user.has_totp,
        passkeys=[_passkey_view(each) for each in user.passkeys],
        recovery_codes=len(user.recovery_hashes),
    )


@router.post("/password", status_code=204)
def change_password(body: NewPassword, request: Request, caller: Calls, services: Serves) -> None:
    """Another password for oneself, with the present one. All other sessions end."""
    _, session = own(caller)
    if prove(request, caller, Proven(password=body.password)) is None:
        raise Refused("the present password is wrong")
    hashed = services.secrets.hash_password(body.new_password)
    manage_access.change_password(services.store, caller.actor, hashed, session.id)


@router.post("/account/totp", status_code=201)
def begin_totp(actor: Fresh, caller: Calls, services: Serves) -> TotpSecret:
    """A new authenticator app. It proves nothing until its first code confirms it."""
    own(caller)
    secret = keep_factors.begin_totp(services.store, services.factors, actor)
    address = services.factors.totp_address(secret, actor.id)
    picture = segno.make(address, error="m").svg_data_uri(scale=4, border=2, dark="#111", light="#fff")
    return TotpSecret(secret=secret, address=address, qr=picture)


@router.post("/account/totp/confirm")
def confirm_totp(body: Code, actor: Fresh, caller: Calls, services: Serves) -> RecoveryCodes:
    """Put the app in use, by its first code."""
    own(caller)
    codes = keep_factors.confirm_totp(services.store, services.factors, services.secrets, actor, body.code)
    return RecoveryCodes(recovery_codes=list(codes))


@router.delete("/account/totp", status_code=204)
def remove_totp(actor: Fresh, caller: Calls, services: Serves) -> None:
    """Take the authenticator app out of use."""
    own(caller)
    keep_factors.remove_totp(services.store, actor)


@router.post("/account/passkeys/wish")
def wish_passkey(actor: Fresh, request: Request, caller: Calls, services: Serves) -> PasskeyWish:
    """What the browser shall make a passkey by."""
    user, session = own(caller)
    challenge = keep_factors.ask(services.store, services.secrets, session, ADDING)
    wish = services.factors.passkey_wish(site(request), user.username, user.name, user.passkeys, challenge)
    return PasskeyWish(wish=wish)


@router.post("/account/passkeys", status_code=201)
def add_passkey(body: NewPasskey, actor: Fresh, request: Request, caller: Calls, services: Serves) -> KeptPasskey:
    """Keep the passkey that the browser made."""
    _, session = own(caller)
    where = site(request)

    def read(challenge: bytes, now: datetime) -> Passkey | None:
        return services.factors.read_passkey(where, challenge, body.passkey, body.name, now)

    made, codes = keep_factors.add_passkey(services.store, services.factors, services.secrets, session, ADDING, read)
    return KeptPasskey(passkey=_passkey_view(made), recovery_codes=list(codes))


@router.delete("/account/passkeys/{id}", status_code=204)
def remove_passkey(id: str, actor: Fresh, caller: Calls, services: Serves) -> None:
    """Forget a passkey."""
    own(caller)
    keep_factors.remove_passkey(services.store, actor, id)


@router.post("/account/recovery-codes", status_code=201)
def renew_recovery_codes(actor: Fresh, caller: Calls, services: Serves) -> RecoveryCodes:
    """Other recovery codes; the old ones are void."""
    own(caller)
    codes = keep_factors.new_recovery_codes(services.store, services.factors, services.secrets, actor)
    return RecoveryCodes(recovery_codes=list(codes))


@router.post("/invitations/show")
def show_invitation(body: LinkSecret, request: Request, services: Serves, authenticator: Authenticates) -> Invited:
    """Who a one-time link is for. It stays good."""
    check_same_site(request.headers)
    authenticator.count_link(address_of(request))
    user = invite.invited(services.store, services.secrets, body.secret)
    return Invited(username=user.username, name=user.name)


@router.post("/invitations/accept", status_code=204)
def accept_invitation(body: Accept, request: Request, services: Serves, authenticator: Authenticates) -> None:
    """Choose one's password by a one-time link, which is then used. Sign in with it next."""
    check_same_site(request.headers)
    authenticator.count_link(address_of(request))
    invite.accept(services.store, services.secrets, body.secret, body.password)


def _passkey_view(passkey: Passkey) -> PasskeyView:
    return PasskeyView(id=passkey.id, name=passkey.name, site=passkey.site, created_at=passkey.created_at)
