"""Signing in elsewhere: what is remembered while somebody is at an identity provider, and whom it vouches for.

Rules kept here:
- a journey is one browser's, for ten minutes, and ends with its first answer, whatever that is;
- a provider vouches for a subject, which never changes hands; names and addresses in its answer can, and open no door.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec

JOURNEY_LENGTH = timedelta(minutes=10)
_OTHER = re.compile(r"[^a-z0-9_.-]+")
MOST_NAME = 60


class Unproven(Exception):
    """The provider vouches for nobody. The reason is for the log; `declined` where the provider itself said no."""

    def __init__(self, reason: str, *, declined: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.declined = reason, declined


class NoJourney(Unproven):
    """Whoever came back had not set out from here, or was back already."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """How a sign-in set out, and to which page it leads back (`after`).

    `anew`: the person is to show themselves again; `link`: who wants the subject bound to them.
    """

    state: str
    nonce: str
    verifier: str
    callback: str
    after: str
    anew: bool = False
    link: str = ""


class Journey(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in on its way, and the hash of what its browser holds."""

    id: str
    secret_hash: str
    setting: Setting
    expires_at: datetime
    over: bool = False


class Voucher(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a provider vouches for. `subject` is issuer and subject, which are one person for ever."""

    subject: str
    username: str
    name: str
    shown_at: datetime | None


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """What an access token of a provider says: for whom an agent acts here, through which client, and how far.

    `subject` is as in a voucher. `scopes` are whatever the provider gave; what of it counts here is decided here.
    """

    subject: str
    client: str
    scopes: frozenset[str]


MOST_MANDATE = timedelta(days=1)
"""A mandate cannot be revoked here, so none is good for longer."""


def username_of(voucher: Voucher) -> str:
    """A username made of what the provider calls the person; empty where nothing is left of it."""
    plain = voucher.username.partition("@")[0].lower()
    return _OTHER.sub("-", plain).strip("-._")[:MOST_NAME]
