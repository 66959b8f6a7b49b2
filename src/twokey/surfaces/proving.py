"""Whether somebody is here: by password, by a code of their app, by a passkey.

Rules kept here:
- a proof is for one call: a code counts once, a passkey signs over the session and the very matter, a password is kept
  nowhere;
- guesses are counted by session, so that nobody else uses up the owner's tries; wrong codes are counted by person too,
  since six digits are few;
- checking takes as long whether somebody has that name or not.
"""

from __future__ import annotations

from collections.abc import Mapping

from twokey.domain.approval import Proof
from twokey.domain.credentials import Given, Passkey, Site
from twokey.domain.identity import Session, User
from twokey.engine.errors import Invalid
from twokey.steps import keep_factors
from twokey.surfaces.services import Services
from twokey.surfaces.throttle import Throttle


class Throttled(RuntimeError):
    """Too many attempts; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many attempts")
        self.retry_after = retry_after


class Prover:
    """Checks what people give as proof."""

    def __init__(self, services: Services, throttle: Throttle) -> None:
        self._services, self._throttle = services, throttle

    def password_fits(self, user: User | None, password: str) -> bool:
        """Whether this is the person's password; it takes as long where there is nobody, or nobody with a password."""
        encoded = user.password_hash if user is not None and user.password_hash else None
        return self._services.secrets.password_fits(encoded, password)

    def prove(self, user: User, session: Session, given: Given, about: str, site: Site) -> Proof | None:
        """Which proof this is that the session's owner is here, for this matter; nothing for a wrong one.

        Raises Throttled, and Invalid unless exactly one proof was given.
        """
        if not given.is_one:
            raise Invalid("password", "is not the only proof, or none was given", "one of password, code and passkey")
        if not self._throttle.prove(session.id):
            raise Throttled(60)
        proof = self._proof(user, session, given, about, site)
        if proof is not None:
            self._throttle.proved(session.id)
        return proof

    def _proof(self, user: User, session: Session, given: Given, about: str, site: Site) -> Proof | None:
        if given.password is not None:
            return Proof.PASSWORD if self.password_fits(user, given.password) else None
        if given.code is not None:
            return Proof.TOTP if self.code_fits(user, given.code) else None
        return Proof.PASSKEY if self.passkey_fits(session, given.passkey or {}, about, site) else None

    def code_fits(self, user: User, code: str) -> bool:
        """Whether this is a code of the person's app, which is then used. Raises Throttled."""
        self._count(user)
        services = self._services
        return keep_factors.use_code(services.store, services.factors, user.username, code.replace(" ", ""))

    def recovery_fits(self, user: User, code: str) -> bool:
        """Whether this is one of the person's recovery codes, which is then used. Raises Throttled."""
        self._count(user)
        return keep_factors.use_recovery_code(self._services.store, self._services.secrets, user.username, code)

    def _count(self, user: User) -> None:
        if not self._throttle.code(user.username):
            raise Throttled(600)

    def passkey_fits(self, session: Session, answer: Mapping[str, object], about: str, site: Site) -> bool:
        """Whether a passkey of the session's owner signed what this session was asked about this matter."""

        def fits(challenge: bytes, held: Passkey) -> int | None:
            return self._services.factors.passkey_fits(site, challenge, held, dict(answer))

        return keep_factors.use_passkey(self._services.store, session, about, str(answer.get("id", "")), fits)
