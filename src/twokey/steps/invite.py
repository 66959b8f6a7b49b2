"""One-time links, by which people set their own password.

Rules kept here:
- a link is good once, for two days, and kept as a hash; a new one voids the one before;
- whoever gives a link out could use it. So it is given for somebody who turns no key: one who holds roles is given them
  anew by an access proposal, after the link was used. The keeper of the server's machine can let anybody in again;
- using one ends every session of that person: whoever knew the old password is out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from twokey.domain.audit import Happening
from twokey.domain.credentials import Invitation
from twokey.domain.errors import Conflict, NotFound, Refused
from twokey.domain.identity import SYSTEM, Actor, Role, User
from twokey.ports import Secrets, Store, UnitOfWork
from twokey.steps.ask_gate import check_governs

GOOD_FOR = timedelta(days=2)


def new_invitation(secrets: Secrets, now: datetime) -> tuple[Invitation, str]:
    """An invitation, and the secret of its link, which is kept nowhere."""
    secret = secrets.new_secret("invitation")
    return Invitation(secret_hash=secrets.hash_secret(secret), expires_at=now + GOOD_FOR), secret


def invite(store: Store, secrets: Secrets, actor: Actor, username: str) -> str:
    """A new link for somebody who has no password yet, or forgot it; returns its secret.

    Raises Refused for anyone but an administrator and for somebody who holds roles, NotFound.
    """
    if not actor.holds(Role.ADMINISTRATOR):
        raise Refused("only an administrator invites people")
    return _invite(store, secrets, actor, username, anybody=False)


def recover(store: Store, secrets: Secrets, username: str) -> str:
    """A new link for anybody, made on the server's own machine by whoever keeps its store. On record as the system's.

    Raises Conflict, NotFound.
    """
    return _invite(store, secrets, SYSTEM, username, anybody=True)


def _invite(store: Store, secrets: Secrets, actor: Actor, username: str, *, anybody: bool) -> str:
    with store.begin() as uow:
        check_governs(uow, actor, "people")
        user = _user(uow, username)
        if user.disabled:
            raise Conflict(f"`{username}` was shut out", remedy="nobody who was shut out is invited")
        if user.roles and not anybody:
            raise Refused(
                f"`{username}` holds roles, and whoever gives a link out could use it: "
                "take the roles away by an access proposal, invite them, and propose the roles again"
            )
        invitation, secret = new_invitation(secrets, uow.now)
        uow.users.replace(replace(user, invitation=invitation))
        _record(uow, actor, "user.invite", username)
        return secret


def invited(store: Store, secrets: Secrets, secret: str) -> User:
    """Who this link is for. Raises Refused where it is unknown, used or too old."""
    with store.read() as uow:
        return _find(uow, secrets, secret)


def accept(store: Store, secrets: Secrets, secret: str, password: str) -> User:
    """Set the password of the person whom this link is for; the link is used. Raises Refused as `invited` does."""
    invited(store, secrets, secret)  # before a hash is computed, which costs on purpose
    hashed = secrets.hash_password(password)
    with store.begin() as uow:
        user = replace(_find(uow, secrets, secret), password_hash=hashed, invitation=None)
        uow.users.replace(user)
        _end_sessions(uow, user)
        _record(uow, user.actor(), "user.accept", user.username)
        return user


def _end_sessions(uow: UnitOfWork, user: User) -> None:
    for each in uow.sessions.where(user=user.username, limit=uow.sessions.count(user=user.username)):
        if each.revoked_at is None and uow.now < each.expires_at:
            uow.sessions.replace(replace(each, revoked_at=uow.now))
            _record(uow, user.actor(), "session.end", each.id)


def _find(uow: UnitOfWork, secrets: Secrets, secret: str) -> User:
    hashed = secrets.hash_secret(secret)
    for user in uow.users.where(limit=uow.users.count()):
        held = user.invitation
        if held is not None and held.secret_hash == hashed and uow.now < held.expires_at and not user.disabled:
            return user
    raise Refused("this link is unknown, was used, or is too old: ask for a new one")


def _user(uow: UnitOfWork, username: str) -> User:
    found = uow.users.where(username=username, limit=1)
    if not found:
        raise NotFound("user", username)
    return found[0]


def _record(uow: UnitOfWork, actor: Actor, action: str, subject: str) -> None:
    uow.audit.append(Happening(action=action, subject=subject, actor=actor.reference()))
