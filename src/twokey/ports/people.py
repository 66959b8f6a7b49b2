"""How people show who they are: secrets, second factors, and providers that vouch for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from twokey.domain.credentials import Passkey, Site
from twokey.domain.elsewhere import Mandate, Setting, Voucher


class Secrets(Protocol):
    """Secrets and proofs. What is stored is only ever a hash."""

    def new_secret(self, prefix: str) -> str:
        """A new random bearer secret, `<prefix>_<random>`."""
        ...

    def hash_secret(self, secret: str) -> str:
        """The sha256 of a secret of high entropy, as stored and looked up."""
        ...

    def hash_password(self, password: str) -> str:
        """The Argon2id hash of a password, in its encoded form."""
        ...

    def password_fits(self, encoded: str | None, password: str) -> bool:
        """Whether a password fits. `encoded` is None where nobody has that name: it takes as long all the same."""
        ...


class Factors(Protocol):
    """Second factors: codes of authenticator apps, recovery codes, passkeys. What does not verify is None."""

    def new_totp(self) -> str:
        """A secret for an authenticator app."""
        ...

    def totp_address(self, secret: str, username: str) -> str:
        """The `otpauth://` address that apps read."""
        ...

    def totp_step(self, secret: str, code: str, now: datetime) -> int | None:
        """The step of the app's clock that this is the code of, near `now`."""
        ...

    def new_recovery_code(self) -> str:
        """A code for the day when everything else is lost."""
        ...

    def passkey_wish(
        self, site: Site, username: str, name: str, held: tuple[Passkey, ...], challenge: bytes
    ) -> dict[str, Any]:
        """What a browser is asked to make a passkey by."""
        ...

    def passkey_question(self, site: Site, held: tuple[Passkey, ...], challenge: bytes) -> dict[str, Any]:
        """What a browser is asked to sign by."""
        ...

    def read_passkey(
        self, site: Site, challenge: bytes, answer: dict[str, Any], name: str, now: datetime
    ) -> Passkey | None:
        """The passkey that a browser made for this challenge."""
        ...

    def passkey_fits(self, site: Site, challenge: bytes, held: Passkey, answer: dict[str, Any]) -> int | None:
        """The passkey's new count of signatures, if it signed this challenge here."""
        ...


class IdentityProvider(Protocol):
    """Somebody else who knows people, and vouches for them. What does not hold raises Unproven."""

    name: str
    issuer: str

    def begin(self, callback: str, after: str, *, anew: bool, link: str) -> tuple[Setting, str]:
        """What to remember of a sign-in, and the address that it leads to."""
        ...

    def finish(self, setting: Setting, answer: Mapping[str, str], now: datetime) -> Voucher:
        """Whom the provider vouches for at the end of a journey."""
        ...

    def mandate(self, token: str, audience: str, now: datetime) -> Mandate:
        """What an access token that it made for this audience says."""
        ...
