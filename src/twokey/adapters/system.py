"""The world's clock, chance and secrets.

Rules kept here:
- time is aware and in UTC;
- ids and secrets come from the operating system's generator; an id carries 60 bits, a secret 256;
- of a secret only its sha256 is stored: it has full entropy, so a fast hash gives nothing away;
- a password has little entropy, so it is stored as Argon2id, with OWASP's parameters (19 MiB, two passes, one lane): a
  key is turned with a password, and nobody should wait for the hash at 3 a.m. Checking one for a person who does not
  exist takes as long as for one who does.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

__all__ = ["hash_password", "hash_secret", "new_id", "new_secret", "outdated", "password_fits", "utc_now"]

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no i, l, o or u, so that an id read aloud or from paper stays one id."""
ID_LENGTH = 12
SECRET_BYTES = 32

_passwords = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


def new_id(prefix: str) -> str:
    """A new id such as `case-7k2m9qa3xv4b`."""
    return f"{prefix}-{''.join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))}"


def new_secret(prefix: str = "tk") -> str:
    """A new secret such as `tk_...`, to be shown once; the prefix lets people and scanners tell what leaked."""
    return f"{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"


def hash_secret(secret: str) -> str:
    """What is stored of a secret, and looked up: `sha256:` and 64 hexadecimal digits."""
    return "sha256:" + sha256(secret.encode("utf-8", "replace")).hexdigest()


def hash_password(password: str) -> str:
    """What is stored of a password: Argon2id in its encoded form, parameters and salt included."""
    return _passwords.hash(password.encode("utf-8", "replace"))


def password_fits(encoded: str | None, password: str) -> bool:
    """Whether this is the password. `encoded` is None where nobody has that name: the work is done all the same."""
    try:
        _passwords.verify(encoded if encoded is not None else _nobody(), password.encode("utf-8", "replace"))
    except (VerificationError, InvalidHashError):
        return False
    return encoded is not None


def outdated(encoded: str) -> bool:
    """Whether a password that was just seen to fit should be hashed anew, because the parameters were raised."""
    return _passwords.check_needs_rehash(encoded)


@cache
def _nobody() -> str:
    return hash_password(secrets.token_urlsafe(SECRET_BYTES))
