"""Sign somebody in for whom an identity provider vouches.

Rules kept here:
- a journey is its browser's, which holds the secret: of two answers one counts;
- a subject signs in the person it is bound to. Nobody is bound by a name or an address: people bind their own account,
  while signed in, with recent proof; or a new person is made, who holds no roles;
- who was shut out stays out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hmac import compare_digest

from msgspec.structs import replace

from twokey.domain.audit import Happening
from twokey.domain.elsewhere import JOURNEY_LENGTH, Journey, NoJourney, Setting, Unproven, Voucher, username_of
from twokey.domain.errors import Refused
from twokey.domain.identity import SYSTEM, Actor, User, is_reserved
from twokey.ports import IdentityProvider, Store, UnitOfWork


def set_out(store: Store, setting: Setting, secret_hash: str) -> None:
    """Remember a sign-in that is on its way, for the browser that holds the secret."""
    with store.begin() as uow:
        until = uow.now + JOURNEY_LENGTH
        uow.journeys.add(Journey(id=uow.new_id("journey"), secret_hash=secret_hash, setting=setting, expires_at=until))


def arrive(
    store: Store, provider: IdentityProvider, secret_hash: str, answer: Mapping[str, str]
) -> tuple[Setting, Voucher]:
    """Whom the provider vouches for at the end of a journey, which is then over. Raises Unproven."""
    setting, now = _end(store, secret_hash)
    if not compare_digest(answer.get("state", "").encode(), setting.state.encode()):
        raise Unproven("the answer belongs to another journey")
    return setting, provider.finish(setting, answer, now)


def _end(store: Store, secret_hash: str) -> tuple[Setting, datetime]:
    with store.begin() as uow:
        found = uow.journeys.where(secret_hash=secret_hash, limit=1)
        if not found or found[0].over or uow.now >= found[0].expires_at:
            raise NoJourney("there is no such journey, or it is over")
        uow.journeys.replace(replace(found[0], over=True))
        return found[0].setting, uow.now


def person_for(store: Store, voucher: Voucher, *, create: bool) -> User:
    """The person whom a subject is bound to; a new one where that was set up. Raises Refused."""
    with store.begin() as uow:
        bound = _bound(uow, voucher)
        if bound is not None and bound.disabled:
            raise Refused("this person was shut out")
        if bound is not None:
            return bound
        if not create:
            raise Refused("nobody here is bound to this person: sign in with a password, and bind your account")
        return _new_person(uow, voucher)


def _bound(uow: UnitOfWork, voucher: Voucher) -> User | None:
    people = uow.users.where(limit=uow.users.count())
    return next((each for each in people if each.subject == voucher.subject), None)


def _new_person(uow: UnitOfWork, voucher: Voucher) -> User:
    username = _free(uow, username_of(voucher))
    user = User(
        id=username,
        username=username,
        name=voucher.name[:200] or username,
        created_at=uow.now,
        subject=voucher.subject,
    )
    uow.users.add(user)
    _record(uow, SYSTEM, "user.create", username, {"roles": [], "elsewhere": True})
    return user


def _free(uow: UnitOfWork, wanted: str) -> str:
    """A username that nobody has: a name that is taken is never taken over."""
    for name in (wanted, *(f"{wanted or 'person'}-{number}" for number in range(2, 100))):
        if name and not is_reserved(name) and not uow.users.where(username=name, limit=1):
            return name
    raise Refused("there are too many people of this name")


def bind(store: Store, actor: Actor, voucher: Voucher) -> None:
    """Bind a subject to one's own account, in place of the one before. Raises Refused where it is somebody else's."""
    with store.begin() as uow:
        bound = _bound(uow, voucher)
        if bound is not None and bound.username != actor.id:
            raise Refused("this person is bound to somebody else here")
        (user,) = uow.users.where(username=actor.id, limit=1)
        uow.users.replace(replace(user, subject=voucher.subject))
        _record(uow, actor, "user.bind", actor.id, {})


def _record(uow: UnitOfWork, actor: Actor, action: str, subject: str, detail: dict[str, object]) -> None:
    uow.audit.append(Happening(action=action, subject=subject, actor=actor.reference(), detail=detail))
