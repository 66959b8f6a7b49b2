"""Who is calling: a person by session cookie, or a service or agent by bearer token.

Rules kept here:
- a cookie is only good together with the session's CSRF token on every changing call, from our own origin;
- a sign-in always begins a session of a new secret; where a second factor is in use, the password alone opens a half
  one, which does nothing but wait for it;
- a token is good in its project and environment, for its scopes, until it expires or is revoked;
- a failed sign-in costs the same time whether the user exists or not;
- passwords are not guessed, and guessing at one locks nobody out: see `throttle`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from twokey.domain.approval import Proof
from twokey.domain.credentials import Given, Site
from twokey.domain.elsewhere import Unproven
from twokey.domain.errors import Refused
from twokey.domain.identity import AGENT_SCOPES, Actor, ActorKind, Scope, Session, Token, User
from twokey.engine.errors import Invalid
from twokey.steps import manage_access
from twokey.surfaces.proving import Prover
from twokey.surfaces.proving import Throttled as Throttled  # the word of this floor for too many guesses
from twokey.surfaces.services import Elsewhere, Services
from twokey.surfaces.throttle import Throttle
from twokey.surfaces.tokens import Tokens
from twokey.surfaces.tokens import Unauthenticated as Unauthenticated  # the word of this floor for a stranger

log = logging.getLogger(__name__)
COOKIE = "twokey_session"
CSRF_HEADER = "x-csrf-token"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
AUDIENCE = "twokey.audience"
"""In a request's scope, where a door of this very process asks for an agent: the address that its token is for."""
SIGN_IN = "sign-in"
"""What a passkey is asked about at the second step of a sign-in."""
A_MINUTE = timedelta(minutes=1)
"""How exactly it is kept when a session was last used."""
STEP_UP = timedelta(minutes=10)
"""For so long after a proof its session may touch what guards the house."""


class ProofNeeded(Refused):
    """The session may do this, once its owner shows again that they are there."""

    def __init__(self) -> None:
        super().__init__("this needs fresh proof that you are here: it guards the house")


@dataclass(frozen=True)
class Caller:
    """An authenticated caller: the actor, and for a person the session they came with."""

    actor: Actor
    user: User | None = None
    session: Session | None = None


def cookie_name(*, secure: bool) -> str:
    """The session cookie's name. Behind TLS one that no other host and no plain connection can set."""
    return f"__Host-{COOKIE}" if secure else COOKIE


def csrf_of(secret: str) -> str:
    """The CSRF token of a session: derived from its secret, so that a page can be told it again."""
    return hashlib.sha256(b"twokey-csrf:" + secret.encode()).hexdigest()[:40]


class Authenticator:
    """Finds out who is calling. Holds the throttle of guesses and the tokens that were used."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._throttle = Throttle()
        self._prover = Prover(services, self._throttle)
        self.cookie = cookie_name(secure=services.secure_cookies)
        self.tokens = Tokens(services.store, services.secrets, services.clock, services.hub)

    def caller(self, headers: Mapping[str, str], cookies: Mapping[str, str], audience: str = "") -> Caller:
        """The caller of an API request; one that came through the agents' door names that as `audience`.

        Raises Unauthenticated.
        """
        bearer = bearer_of(headers)
        if audience:
            return Caller(self.agent(bearer or "", audience))
        if bearer:
            return Caller(self.token(bearer).actor())
        secret = cookies.get(self.cookie)
        if not secret:
            raise Unauthenticated("sign in, or send a bearer token")
        user, session = self._session(secret)
        if self._services.clock() - session.last_seen >= A_MINUTE:
            self._see(session)
        return Caller(user.actor(), user, session)

    def check_origin(self, caller: Caller, method: str, headers: Mapping[str, str], cookies: Mapping[str, str]) -> None:
        """Refuse a changing call by cookie that a foreign page could have caused."""
        if caller.session is None or method in SAFE_METHODS:
            return
        check_same_site(headers)
        if not hmac.compare_digest(headers.get(CSRF_HEADER, "").encode(), csrf_of(cookies[self.cookie]).encode()):
            raise Refused("the CSRF token is missing or wrong: reload the page")

    def is_still_good(self, caller: Caller) -> bool:
        """Whether somebody whom this found is still to be let in. Asks the store."""
        now = self._services.clock()
        with self._services.store.read() as uow:
            if caller.session is None:
                token = uow.tokens.find(caller.actor.id)
                return token is not None and not token.is_over(now)
            session = uow.sessions.find(caller.session.id)
            user = uow.users.where(username=caller.actor.id, limit=1)
        return session is not None and session.is_good(now) and bool(user) and not user[0].disabled

    def _session(self, secret: str, *, half: bool = False) -> tuple[User, Session]:
        hashed, now = self._services.secrets.hash_secret(secret), self._services.clock()
        with self._services.store.read() as uow:
            found = uow.sessions.where(secret_hash=hashed, limit=1)
            if not found or found[0].half is not half or not found[0].is_good(now):
                raise Unauthenticated("the session has ended: sign in again")
            user = uow.users.where(username=found[0].user, limit=1)
        if not user or user[0].disabled:
            raise Unauthenticated("the session has ended: sign in again")
        return user[0], found[0]

    def _see(self, session: Session) -> None:
        """Keep that the session is in use. Whatever happens here, the call goes on."""
        try:
            manage_access.see_session(self._services.store, session)
        except Exception:
            log.exception("that a session is in use could not be kept")

    def token(self, bearer: str) -> Token:
        """The token of a bearer secret; raises Unauthenticated where it is unknown, expired or revoked."""
        return self.tokens.find(bearer)

    def agent(self, bearer: str, audience: str) -> Actor:
        """The agent whom a bearer secret lets in at the door of this address. Raises Unauthenticated.

        A token of ours must be an agent's. One of the identity provider must be made for this address; its agent is
        called by a name of its own, for the log, and acts for the person whom the provider's subject is bound to.
        """
        if self._services.elsewhere and self._services.elsewhere.agents and bearer.count(".") == 2:
            return self._mandated(self._services.elsewhere, bearer, audience)
        token = self.token(bearer)
        if token.kind is not ActorKind.AGENT:
            raise Unauthenticated("this door is for agents: that is no agent's token")
        return token.actor()

    def _mandated(self, elsewhere: Elsewhere, bearer: str, audience: str) -> Actor:
        try:
            mandate = elsewhere.provider.mandate(bearer, audience, self._services.clock())
        except Unproven as error:
            log.warning("an agent is not let in: %s", error.reason)
            raise Unauthenticated("the access token does not hold here") from None
        person = self._bound_to(mandate.subject)
        if person is None:
            raise Unauthenticated("the access token is for nobody who is known here")
        project, environment = elsewhere.agents or ("", "")
        called = self._services.secrets.hash_secret(f"{mandate.subject} {mandate.client}").rpartition(":")[2]
        return Actor(
            id=f"token-elsewhere-{called[:16]}",
            kind=ActorKind.AGENT,
            on_behalf_of=person,
            scopes=AGENT_SCOPES & {each for each in Scope if each in mandate.scopes},
            project=project,
            environment=environment,
            name=mandate.client[:200],
        )

    def _bound_to(self, subject: str) -> str | None:
        """The person whom a provider's subject is bound to, and who was not shut out."""
        with self._services.store.read() as uow:
            people = uow.users.where(limit=uow.users.count())
        return next((each.username for each in people if each.subject == subject and not each.disabled), None)

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
        good = self._prover.password_fits(found[0] if found else None, password)
        return found[0] if good and not found[0].disabled else None

    def half(self, ticket: str) -> tuple[User, Session]:
        """Who gave the right password, and now owes a second factor. Raises Unauthenticated."""
        return self._session(ticket, half=True)

    def second(self, user: User, half: Session, given: Given, recovery_code: str | None, site: Site) -> None:
        """Check the second factor of a sign-in; the ticket is then void. Raises Throttled, Unauthenticated, Invalid."""
        if given.password is not None or (recovery_code is not None) == given.is_one:
            raise Invalid("code", "is not the only proof, or none was given", "one of code, recovery_code and passkey")
        if recovery_code is None:
            good = self._prover.prove(user, half, given, SIGN_IN, site) is not None
        else:
            good = self._prover.recovery_fits(user, recovery_code)
        if not good:
            raise Unauthenticated("the second factor is wrong, or was used before")
        manage_access.end_session(self._services.store, user.actor(), half.id)

    def count_journey(self, address: str) -> None:
        """Count a sign-in that sets out to an identity provider. Raises Throttled."""
        if not self._throttle.journey(address):
            raise Throttled(60)

    def count_link(self, address: str) -> None:
        """Count a try at a one-time link. Raises Throttled."""
        if not self._throttle.link(address):
            raise Throttled(60)

    def prove(self, caller: Caller, given: Given, about: str, site: Site) -> Proof | None:
        """Fresh proof that the signed-in person is here, for this matter; nothing for a token, or for a wrong one.

        Raises Throttled, and Invalid unless exactly one proof was given.
        """
        if caller.user is None or caller.session is None:
            return None
        proof = self._prover.prove(caller.user, caller.session, given, about, site)
        if proof is not None:
            manage_access.note_proof(self._services.store, caller.session)
        return proof


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


def site_of(headers: Mapping[str, str], scheme: str) -> Site:
    """Where the caller's browser stands, by what it says; a foreign origin was refused before."""
    host = headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return Site(name=name, origin=headers.get("origin") or f"{scheme}://{host}")


def need_scope(actor: Actor, scope: Scope) -> None:
    """Refuse a token without this scope. People read everything they can see; their moves are checked by the steps."""
    if not actor.may_turn_key and scope not in actor.scopes:
        raise Refused(f"this token lacks the scope `{scope}`")
