"""People, sessions and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from twokey.surfaces.shapes import Model


class SignIn(Model):
    username: str = Field(max_length=256)
    password: str = Field(max_length=1024)


class SessionView(Model):
    """Who is signed in. `csrf` must be sent back as `X-CSRF-Token` with every change."""

    username: str
    name: str
    roles: list[str]
    csrf: str
    expires_at: datetime


class OpenSession(Model):
    """One of the sessions somebody has open; `this` is the one that asks."""

    id: str
    label: str
    created_at: datetime
    expires_at: datetime
    this: bool


class NewPassword(Model):
    """The present password, and the one to come."""

    password: str = Field(max_length=1024)
    new_password: str = Field(min_length=12, max_length=1024)


class NewUser(Model):
    username: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")
    name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=12, max_length=1024)
    roles: list[str] = Field(default_factory=list)


class UserView(Model):
    username: str
    name: str
    roles: list[str]
    disabled: bool
    created_at: datetime


class NewToken(Model):
    name: str = Field(min_length=1, max_length=200)
    kind: Literal["service", "agent"]
    scopes: list[str] = Field(min_length=1)
    project: str
    environment: str
    expires_in_days: int | None = Field(default=90, ge=1, le=3650)
    on_behalf_of: str | None = None


class TokenView(Model):
    id: str
    name: str
    kind: str
    scopes: list[str]
    project: str
    environment: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    on_behalf_of: str | None


class CreatedToken(TokenView):
    """A token with its secret, which is shown this once."""

    secret: str
