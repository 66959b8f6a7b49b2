"""People and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from twokey.domain.identity import READING_SCOPES
from twokey.surfaces.shapes import Model


class NewUser(Model):
    """A person to come. Without a password they are invited: the answer holds the secret of a one-time link."""

    username: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")
    name: str = Field(min_length=1, max_length=200)
    password: str | None = Field(default=None, min_length=12, max_length=1024)
    roles: list[str] = Field(default_factory=list)


class UserView(Model):
    username: str
    name: str
    roles: list[str]
    disabled: bool
    created_at: datetime
    invited: bool
    factors: list[str]


class CreatedUser(UserView):
    """A new person; with the secret of their one-time link where they set their own password. Shown this once."""

    invitation: str | None


class Invitation(Model):
    """The secret of a one-time link: `/invitation#SECRET` in the control room. Shown this once."""

    invitation: str


class NewEnvironment(Model):
    """An environment to come: guarded, without flags, so that nothing moves for anyone.

    `approvers` are the roles that every change in it needs, `widening_approvers` those that one that widens needs as
    well.
    """

    project: str = Field(min_length=1, max_length=64)
    key: str = Field(min_length=1, max_length=64)
    approvers: list[str] = Field(default_factory=lambda: ["release_manager"], min_length=1, max_length=20)
    widening_approvers: list[str] | None = Field(default=None, min_length=1, max_length=20)


class NewToken(Model):
    """A token to come: reading alone unless `scopes` say more, for 90 days (an agent's for 30) unless said otherwise.

    `flags` bind a token that sends telemetry to these.
    """

    name: str = Field(min_length=1, max_length=200)
    kind: Literal["service", "agent"]
    scopes: list[str] = Field(default_factory=lambda: sorted(map(str, READING_SCOPES)), min_length=1)
    project: str
    environment: str
    expires_in_days: int | None = Field(default=90, ge=1, le=3650)
    on_behalf_of: str | None = None
    flags: list[str] = Field(default_factory=list, max_length=100)


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
    flags: list[str]


class CreatedToken(TokenView):
    """A token with its secret, which is shown this once."""

    secret: str
