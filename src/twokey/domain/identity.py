"""Who acts. Every record says which kind of actor it was, and on whose behalf.

Rules kept here:
- only a person turns a key: `may_turn_key` is false for every other kind, whatever its scopes;
- a token's scopes are a closed set, and none of them approves, applies, reverses or changes policy.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

import msgspec


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

    `roles` are a person's grants at the time of acting, each for everywhere, a project or an environment; `scopes` and
    `name` a token's. A person's display name is personal data and stands in the user record, not here.
    """

    id: str
    kind: ActorKind
    on_behalf_of: str | None = None
    roles: frozenset[str] = frozenset()
    scopes: frozenset[Scope] = frozenset()
    project: str | None = None
    environment: str | None = None
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


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A person who signs in. `password_hash` is Argon2id in its encoded form."""

    id: str
    username: str
    name: str
    password_hash: str
    roles: frozenset[str] = frozenset()
    disabled: bool = False
    created_at: datetime


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A signed-in browser or terminal. Only the sha256 of its secret is kept."""

    id: str
    user: str
    secret_hash: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    label: str = ""


class Token(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A scoped bearer token of a service or agent. Only the sha256 of its secret is kept."""

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

    def actor(self) -> Actor:
        """The actor that calls with this token."""
        return Actor(
            id=self.id,
            kind=self.kind,
            on_behalf_of=self.on_behalf_of,
            scopes=self.scopes,
            project=self.project,
            environment=self.environment,
            name=self.name,
        )
