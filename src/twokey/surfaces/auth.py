"""Who is calling: a person by session cookie, or a service or agent by bearer token.

Rules kept here:
- a cookie is only good together with the session's CSRF token on every changing call, from our own origin;
- a token is good in its project and environment, for its scopes, until it expires or is revoked;
- a failed sign-in costs the same time whether the user exists or not;
- passwords are not guessed, and guessing at one locks nobody out: see `throttle`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from twokey.domain.approval import Proof
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor, Scope, Session, Token, User
from twokey.steps.manage_access import person
from twokey.surfaces.services import Services
from twokey.surfaces.throttle import Throttle
from twokey.surfaces.tokens import Tokens
from twokey.surfaces.tokens import Unauthenticated as Unauthenticated  # the word of this floor for a stranger

COOKIE = "twokey_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Throttled(RuntimeError):
    """Too many attempts; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many attempts")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Caller:
    """An authenticated caller: the actor, and for a person the session they came with."""

    actor: Actor
    user: User | None = None
    session: Session | None = None


def csrf_of(secret: str) -> str:
    """The CSRF token of a session: derived from its secret, so that a page can be told it again."""
    return hashlib.sha256(b"twokey-csrf:" + secret.encode()).hexdigest()[:40]


class Authenticator:
    """Finds out who is calling. Holds the throttle of guesses and the tokens that were used."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._throttle = Throttle()
        self.tokens = Tokens(services.store, services.secrets, services.clock, services.hub)

    def caller(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Caller:
        """The caller of an API request. Raises Unauthenticated."""
        if bearer := bearer_of(headers):
            return Caller(self.token(bearer).actor())
        secret = cookies.get(COOKIE)
        if not secret:
            raise Unauthenticated("sign in, or send a bearer token")
        user, session = self._session(secret)
        return Caller(person(user), user, session)

    def check_origin(self, caller: Caller, method: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> None:
        """Refuse a changing call by cookie that a foreign page could have caused."""
        if caller.session is None or method in SAFE_METHODS:
            return
        check_same_site(headers)
        if not hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), csrf_of(cookies[COOKIE]).encode()):
            raise Refused("the CSRF token is missing or wrong: reload the page")

    def _session(self, secret: str) -> tuple[User, Session]:
        hashed, now = self._services.secrets.hash_secret(secret), self._services.clock()
        with self._services.store.read() as uow:
            found = uow.sessions.where(secret_hash=hashed, limit=1)
            if not found or found[0].revoked_at or now >= found[0].expires_at:
                raise Unauthenticated("the session has ended: sign in again")
            user = uow.users.where(username=found[0].user, limit=1)
        if not user or user[0].disabled:
            raise Unauthenticated("the session has ended: sign in again")
        return user[0], found[0]

    def token(self, bearer: str) -> Token:
        """The token of a bearer secret; raises Unauthenticated where it is unknown, expired or revoked."""
        return self.tokens.find(bearer)

    async def token_soon(self, bearer: str) -> Token:
        """`token`, for a coroutine: the store is asked in another thread, and only where memory has no answer."""
        known = self.tokens.known(bearer)
        return known if known is not None else await asyncio.to_thread(self.tokens.find, bearer)

    def sign_in(self, username: str, password: str, address: str) -> User:
        """The user, if the password fits. Raises Throttled, Unauthenticated."""
        if not self._throttle.sign_in(username, address):
            raise Throttled(60)
        user = self._user(username, password)
        if user is None:
            self._throttle.failed(username, address)
            raise Unauthenticated("username or password is wrong")
        self._throttle.signed_in(username, address)
        return user

    def _user(self, username: str, password: str) -> User | None:
        """Who has this name and this password; it takes as long where nobody has the name."""
        with self._services.store.read() as uow:
            found = uow.users.where(username=username, limit=1)
        good = self._services.secrets.password_fits(found[0].password_hash if found else None, password)
        return found[0] if good and found and not found[0].disabled else None

    def prove(self, caller: Caller, password: str) -> Proof | None:
        """Fresh proof that the signed-in person is here; nothing for a token, or for a wrong password.

        Raises Throttled. Guesses are counted by session, so that nobody else can use up the owner's tries.
        """
        if caller.user is None or caller.session is None:
            return None
        if not self._throttle.prove(caller.session.id):
            raise Throttled(60)
        if self._user(caller.user.username, password) is None:
            return None
        self._throttle.proved(caller.session.id)
        return Proof.PASSWORD


def bearer_of(headers: Mapping[str, str]) -> str | None:
    """The bearer secret of a request, from `Authorization` or `X-API-Key`."""
    authorization = headers.get("authorization", "")
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer" and value:
        return value.strip()
    return headers.get("x-api-key") or None


def check_same_site(headers: Mapping[str, str]) -> None:
    """Refuse a changing call that a foreign page caused, by what browsers say of it: Fetch Metadata, then Origin."""
    site = headers.get("sec-fetch-site", "same-origin")
    origin = headers.get("origin")
    foreign = origin is not None and origin.partition("://")[2] != headers.get("host", "")
    if site not in ("same-origin", "none") or foreign:
        raise Refused("this call comes from another site")


def need_scope(actor: Actor, scope: Scope) -> None:
    """Refuse a token without this scope. People read everything they can see; their moves are checked by the steps."""
    if not actor.may_turn_key and scope not in actor.scopes:
        raise Refused(f"this token lacks the scope `{scope}`")
