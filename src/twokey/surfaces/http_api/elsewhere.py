"""Signing in by an identity provider: there, and back again.

Rules kept here:
- a journey begins by a call from our own page, in the browser that ends it: its secret is a cookie for this path alone;
- whatever comes back, the person is led to a page, and hears no more than that it did not work; the log has the reason;
- a session that begins so is a recent proof only where the provider says that the person showed themselves just now.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from twokey.domain.elsewhere import JOURNEY_LENGTH, NoJourney, Setting, Unproven, Voucher
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor, ActorKind
from twokey.engine.errors import Invalid
from twokey.steps import sign_in_elsewhere
from twokey.steps.record_refusal import Attempt, record
from twokey.surfaces.auth import STEP_UP, Authenticator, check_same_site
from twokey.surfaces.calls import Authenticates, Calls, Fresh, Serves, StrictBodies, address_of, site
from twokey.surfaces.http_api.models.session import Address, SetOut, Ways
from twokey.surfaces.http_api.session import begin, own
from twokey.surfaces.services import Elsewhere, Services

log = logging.getLogger(__name__)
router = APIRouter(tags=["session"], route_class=StrictBodies)
PATH = "/api/v1/session/elsewhere"
COOKIE = "twokey_journey"
A_MOMENT = timedelta(minutes=2)


@router.get("/session/ways")
def ways(services: Serves) -> Ways:
    """How people sign in here."""
    return Ways(provider=services.elsewhere.provider.name if services.elsewhere else None)


@router.post("/session/elsewhere")
def set_out(
    body: SetOut, request: Request, response: Response, services: Serves, authenticator: Authenticates
) -> Address:
    """Begin to sign in by the identity provider: the address at it, where the browser goes next."""
    check_same_site(request.headers)
    return _set_out(body, "", request, response, services, authenticator)


@router.post("/account/elsewhere")
def set_out_to_bind(
    actor: Fresh, caller: Calls, request: Request, response: Response, services: Serves, authenticator: Authenticates
) -> Address:
    """Begin to bind one's own account to the identity provider, in place of what it was bound to."""
    own(caller)
    body = SetOut(after="/account", anew=True)
    return _set_out(body, actor.id, request, response, services, authenticator)


def _set_out(
    body: SetOut, link: str, request: Request, response: Response, services: Services, authenticator: Authenticator
) -> Address:
    chosen = _chosen(services)
    authenticator.count_journey(address_of(request))
    if not _is_ours(body.after):
        raise Invalid("after", "is no page of ours", "a path such as /cases")
    callback = f"{site(request).origin}{PATH}/callback"
    try:
        setting, address = chosen.provider.begin(callback, body.after, anew=body.anew, link=link)
    except Unproven as error:
        log.warning("nobody can sign in by the identity provider: %s", error.reason)
        raise Refused("the identity provider cannot be reached: sign in with a password, or try again") from None
    secret = services.secrets.new_secret("journey")
    sign_in_elsewhere.set_out(services.store, setting, services.secrets.hash_secret(secret))
    response.set_cookie(
        COOKIE,
        secret,
        path=PATH,
        httponly=True,
        samesite="lax",  # the provider leads back by a link of its own
        secure=services.secure_cookies,
        max_age=int(JOURNEY_LENGTH / timedelta(seconds=1)),
    )
    return Address(address=address)


@router.get("/session/elsewhere/callback", status_code=303, response_class=RedirectResponse)
def come_back(request: Request, services: Serves, authenticator: Authenticates) -> RedirectResponse:
    """Where the identity provider leads back to."""
    chosen = _chosen(services)
    hashed = services.secrets.hash_secret(request.cookies.get(COOKIE, ""))
    try:
        setting, voucher = sign_in_elsewhere.arrive(services.store, chosen.provider, hashed, dict(request.query_params))
        answer = _received(setting, voucher, chosen, request, services, authenticator)
    except (Unproven, Refused) as error:
        answer = _sent_away(services, error)
    answer.delete_cookie(COOKIE, path=PATH)
    return answer


def _received(
    setting: Setting,
    voucher: Voucher,
    chosen: Elsewhere,
    request: Request,
    services: Services,
    authenticator: Authenticator,
) -> RedirectResponse:
    answer, now = RedirectResponse(setting.after, 303), services.clock()
    if setting.anew and not _shown(voucher, now, A_MOMENT):
        raise Unproven("the provider did not have the person show themselves")
    if setting.link:
        sign_in_elsewhere.bind(services.store, Actor(id=setting.link, kind=ActorKind.PERSON), voucher)
        return answer
    user = sign_in_elsewhere.person_for(services.store, voucher, create=chosen.create)
    begin(services, authenticator, user, request, answer, proved=_shown(voucher, now, STEP_UP))
    return answer


def _shown(voucher: Voucher, now: datetime, within: timedelta) -> bool:
    """Whether the person showed themselves at the provider within this time, give or take what clocks differ."""
    return voucher.shown_at is not None and abs(now - voucher.shown_at) < within


def _sent_away(services: Services, error: Unproven | Refused) -> RedirectResponse:
    if not isinstance(error, NoJourney):  # nobody adds to the log without having set out, which is counted
        record(services.store, Attempt(actor=None, action="session.refuse", subject="elsewhere"), Refused(str(error)))
    why = "unknown" if isinstance(error, Refused) else "declined" if error.declined else "unproven"
    return RedirectResponse(f"/sign-in?refused={why}", 303)


def _chosen(services: Services) -> Elsewhere:
    if services.elsewhere is None:
        raise Refused("no identity provider is set up here")
    return services.elsewhere


def _is_ours(path: str) -> bool:
    return path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
