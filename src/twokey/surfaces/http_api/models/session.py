"""Signing in, sessions, and what one proves by."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from twokey.surfaces.shapes import Model

Factor = Literal["password", "totp", "passkey", "recovery_code"]


class SignIn(Model):
    username: str = Field(max_length=256)
    password: str = Field(max_length=1024)


class SessionView(Model):
    """Who is signed in. `csrf` must be sent back as `X-CSRF-Token` with every change.

    `proofs` are the ways in which they can show that they are here.
    """

    username: str
    name: str
    roles: list[str]
    csrf: str
    expires_at: datetime
    proofs: list[Factor]


class SecondNeeded(Model):
    """The password was right; a second factor is owed before `expires_at`, with this ticket.

    `question` is what a passkey shall sign: `PublicKeyCredentialRequestOptions` as JSON.
    """

    ticket: str
    factors: list[Factor]
    question: dict[str, Any] | None
    expires_at: datetime


class Second(Model):
    """The ticket of the first step, and exactly one of the three."""

    ticket: str = Field(max_length=256)
    code: str | None = Field(default=None, max_length=16)
    recovery_code: str | None = Field(default=None, max_length=64)
    passkey: dict[str, Any] | None = None


class OpenSession(Model):
    """One of the sessions somebody has open; `this` is the one that asks."""

    id: str
    label: str
    created_at: datetime
    last_seen: datetime
    expires_at: datetime
    this: bool


class About(Model):
    """What a passkey shall prove: the path of a call below `/api/v1`, then a blank and the digest, if it names one."""

    about: str = Field(min_length=1, max_length=1000)


class Question(Model):
    """What a passkey shall sign: `PublicKeyCredentialRequestOptions` as JSON."""

    question: dict[str, Any]


class PasskeyView(Model):
    id: str
    name: str
    site: str
    created_at: datetime


class AccountView(Model):
    """What one proves by."""

    username: str
    has_password: bool
    provider: bool
    totp: bool
    passkeys: list[PasskeyView]
    recovery_codes: int


class NewPassword(Model):
    """The present password, and the one to come."""

    password: str = Field(max_length=1024)
    new_password: str = Field(min_length=12, max_length=1024)


class TotpSecret(Model):
    """The secret of an authenticator app, shown this once; `address` is what the app reads, `qr` a picture of it."""

    secret: str
    address: str
    qr: str


class Code(Model):
    code: str = Field(max_length=16)


class RecoveryCodes(Model):
    """Codes for the day when the second factor is lost, each good once. Shown this once; none where some are left."""

    recovery_codes: list[str]


class PasskeyWish(Model):
    """What a browser shall make a passkey by: `PublicKeyCredentialCreationOptions` as JSON."""

    wish: dict[str, Any]


class NewPasskey(Model):
    name: str = Field(min_length=1, max_length=100)
    passkey: dict[str, Any]


class KeptPasskey(RecoveryCodes):
    """A passkey that is kept from now on."""

    passkey: PasskeyView


class Invited(Model):
    """Who an invitation is for."""

    username: str
    name: str


class Ways(Model):
    """How people sign in here beside the password: the name of an identity provider, if there is one."""

    provider: str | None


class SetOut(Model):
    """A sign-in by the identity provider: to which page; `anew` has the person show themselves there again."""

    after: str = Field(default="/cases", max_length=2000)
    anew: bool = False


class Address(Model):
    """Where the browser goes next."""

    address: str


class LinkSecret(Model):
    """The secret of a one-time link."""

    secret: str = Field(max_length=256)


class Accept(LinkSecret):
    """The secret of a one-time link, and the password that its owner chose."""

    password: str = Field(min_length=12, max_length=1024)
