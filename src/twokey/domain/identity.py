"""Who acts. Every record says which kind of actor it was, and on whose behalf.

Rules kept here:
- only a person turns a key: `may_turn_key` is false for every other kind, whatever its scopes;
- a token's scopes are a closed set, and none of them approves, applies, reverses or changes policy.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from twokey.domain.credentials import Challenge, Invitation, Passkey, Totp


class ActorKind(StrEnum):
    """What kind of principal acts."""

    PERSON = "person"
    AGENT = "agent"
    SERVICE = "service"
    POLICY = "policy"
    SCHEDULE = "schedule"
    SYSTEM = "system"


class Scope(StrEnum):
    """What a bearer token may do. There is deliberately no scope that turns a key.

    A scope is hashed as the text that it is, which takes no Python code: each evaluation asks for one.

    A client key, which stands in a web page or an app for all to read, has `flags:evaluate_visible` alone: it evaluates
    the flags that are marked `client_visible`.
    """

    FLAGS_EVALUATE = "flags:evaluate"
    FLAGS_EVALUATE_VISIBLE = "flags:evaluate_visible"
    FLAGS_READ = "flags:read"
    SIGNALS_READ = "signals:read"
    SIGNALS_WRITE = "signals:write"
    EVIDENCE_READ = "evidence:read"
    TELEMETRY_WRITE = "telemetry:write"
    PROPOSALS_WRITE = "proposals:write"

    __hash__ = str.__hash__


AGENT_SCOPES = frozenset({Scope.FLAGS_READ, Scope.SIGNALS_READ, Scope.EVIDENCE_READ, Scope.PROPOSALS_WRITE})
"""An agent's token reads and drafts; it cannot send telemetry or signals, so it cannot make its own evidence."""

READING_SCOPES = frozenset({Scope.FLAGS_READ, Scope.SIGNALS_READ, Scope.EVIDENCE_READ})
"""What a token may do unless more was said."""
AGENT_DAYS = 30
"""After so many days an agent's token ends, unless another time was said."""
MOST_AGENT_TIME = timedelta(days=90)
"""No agent's token is good for longer."""


class Role:
    """Names of roles the product itself knows; teams name their approver roles freely."""

    ADMINISTRATOR = "administrator"
    SECURITY = "security"
    VIEWER = "viewer"


GUARDIANS = frozenset({Role.SECURITY, Role.ADMINISTRATOR})
"""Roles that guard the whole house: they are granted everywhere or not at all."""


def roles_in(grants: Iterable[str], project: str, environment: str) -> frozenset[str]:
    """The bare roles that hold in one environment. A grant is `role`, `role@project` or `role@project/environment`."""
    reached = {"", project, f"{project}/{environment}"}
    split = [grant.partition("@") for grant in grants]
    return frozenset(role for role, _, place in split if place in (reached if role not in GUARDIANS else {""}))


class Actor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A principal as it stands in records: id, kind, and for agents the person it acts for.

    `roles` are a person's grants at the time of acting, each for everywhere, a project or an environment; `scopes`,
    `name` and `flags` (those that it may tell of; none for all) are a token's. A person's display name is personal data
    and stands in the user record, not here.
    """

    id: str
    kind: ActorKind
    on_behalf_of: str | None = None
    roles: frozenset[str] = frozenset()
    scopes: frozenset[Scope] = frozenset()
    project: str | None = None
    environment: str | None = None
    flags: frozenset[str] = frozenset()
    name: str = ""

    @property
    def may_turn_key(self) -> bool:
        """Whether this kind of actor can approve, apply or reverse at all."""
        return self.kind is ActorKind.PERSON

    def holds(self, role: str) -> bool:
        """Whether a person holds this role everywhere (tokens hold none)."""
        return self.may_turn_key and role in self.roles

    def roles_in(self, project: str, environment: str) -> frozenset[str]:
        """The roles that a person holds in one environment (tokens hold none)."""
        return roles_in(self.roles, project, environment) if self.may_turn_key else frozenset()

    def reference(self) -> dict[str, str]:
        """What an audit entry keeps: id, kind, a token's name, delegation."""
        shown = {"id": self.id, "kind": str(self.kind), "name": self.name, "on_behalf_of": self.on_behalf_of or ""}
        return {key: value for key, value in shown.items() if value}


SYSTEM = Actor(id="twokey", kind=ActorKind.SYSTEM)
SCHEDULE = Actor(id="schedule", kind=ActorKind.SCHEDULE)
ANALYST = Actor(id="analyst", kind=ActorKind.AGENT, on_behalf_of="twokey")


RESERVED = frozenset({SYSTEM.id, SCHEDULE.id, ANALYST.id, "anonymous"})


def is_reserved(username: str) -> bool:
    """Whether this is a name of the product itself, which nobody may have."""
    return username in RESERVED or username.startswith(("token-", "session-"))


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person who signs in. `password_hash` is Argon2id in its encoded form.

    It is empty for somebody who has no password: invited and not yet in, or signed in by an identity provider.
    `recovery_hashes` are the sha256 of the recovery codes that are left. `subject` is who this is to an identity
    provider: its issuer and its name for them.
    """

    id: str
    username: str
    name: str
    password_hash: str = ""
    roles: frozenset[str] = frozenset()
    disabled: bool = False
    created_at: datetime
    totp: Totp | None = None
    passkeys: tuple[Passkey, ...] = ()
    recovery_hashes: tuple[str, ...] = ()
    invitation: Invitation | None = None
    subject: str = ""

    @property
    def has_totp(self) -> bool:
        """Whether an authenticator app is in use."""
        return self.totp is not None and self.totp.confirmed

    @property
    def has_second_factor(self) -> bool:
        """Whether a password alone does not sign this person in."""
        return self.has_totp or bool(self.passkeys)

    @property
    def can_prove(self) -> bool:
        """Whether there is anything that this person can show when asked for fresh proof."""
        return bool(self.password_hash) or self.has_second_factor

    def actor(self) -> Actor:
        """The actor that this person is."""
        return Actor(id=self.username, kind=ActorKind.PERSON, roles=self.roles)


IDLE = timedelta(hours=2)
"""A session that nobody used for so long is over."""


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A signed-in browser or terminal. Only the sha256 of its secret is kept.

    `half` is a password that was right, where a second factor is still to come: it reads and does nothing. `proved_at`
    is when its owner last showed that they are there; `challenge` what a passkey was last asked to sign.
    """

    id: str
    user: str
    secret_hash: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    label: str = ""
    half: bool = False
    seen_at: datetime | None = None
    proved_at: datetime | None = None
    challenge: Challenge | None = None

    @property
    def last_seen(self) -> datetime:
        """When it was last used, to the minute."""
        return self.seen_at or self.created_at

    def is_proved(self, now: datetime, within: timedelta) -> bool:
        """Whether its owner showed not long ago that they are there."""
        return self.proved_at is not None and now - self.proved_at < within

    def is_good(self, now: datetime) -> bool:
        """Whether it still opens doors: neither ended nor run out, nor unused for too long."""
        return self.revoked_at is None and now < self.expires_at and now - self.last_seen < IDLE


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A scoped bearer token of a service or agent. Only the sha256 of its secret is kept.

    Where it names `flags`, it tells telemetry of those alone.
    """

    id: str
    name: str
    kind: ActorKind
    secret_hash: str
    scopes: frozenset[Scope]
    project: str
    environment: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    on_behalf_of: str | None = None
    flags: tuple[str, ...] = ()

    def is_over(self, now: datetime) -> bool:
        """Whether it was ended, or has run out."""
        return self.revoked_at is not None or (self.expires_at is not None and now >= self.expires_at)

    def actor(self) -> Actor:
        """The actor that calls with this token."""
        return Actor(
            id=self.id,
            kind=self.kind,
            on_behalf_of=self.on_behalf_of,
            scopes=self.scopes,
            project=self.project,
            environment=self.environment,
            flags=frozenset(self.flags),
            name=self.name,
        )
