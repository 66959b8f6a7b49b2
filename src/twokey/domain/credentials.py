"""What a person shows that it is they: codes, passkeys, recovery codes, one-time links; and what is asked of them.

Rules kept here:
- a code of an authenticator app counts once: a step of its clock that was used, or one before it, is not taken again;
- a passkey is good for the site it was made for, and signs over the session and the very matter that it is asked about;
- links and recovery codes are good once, and stored as hashes.
"""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec


class Totp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An authenticator app (RFC 6238). The secret is kept as it is: a server must know it to compare codes.

    `last_step` is the newest step of the clock whose code was taken. Until it is `confirmed` by a first code, it proves
    nothing.
    """

    secret: str
    confirmed: bool = False
    last_step: int = 0


class Passkey(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A passkey (WebAuthn). `id` and `public_key` are base64url, `site` the name that it was made for."""

    id: str
    public_key: str
    site: str
    name: str
    created_at: datetime
    sign_count: int = 0
    transports: tuple[str, ...] = ()


class Invitation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A one-time link by which somebody sets their own password. Only the sha256 of its secret is kept."""

    secret_hash: str
    expires_at: datetime


class Challenge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a session was last asked to sign with a passkey: about what, and until when. Good for one answer."""

    nonce: str
    about: str
    expires_at: datetime

    def signed(self, session: str) -> bytes:
        """The bytes that the passkey signs: they stand for this session and this matter, and for no other."""
        return sha256(msgspec.json.encode(["twokey-passkey", session, self.about, self.nonce])).digest()


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where the browser stands: the name that passkeys are bound to, and the whole origin."""

    name: str
    origin: str


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody gave as proof; exactly one of the three, or it is none."""

    password: str | None = None
    code: str | None = None
    passkey: dict[str, Any] | None = None

    @property
    def is_one(self) -> bool:
        """Whether exactly one was given."""
        return sum(each is not None for each in (self.password, self.code, self.passkey)) == 1
