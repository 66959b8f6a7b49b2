"""What the doors share: the store, the telemetry, secrets, the clock and the hub of published snapshots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from twokey.ports import Clock, Factors, IdentityProvider, Runbooks, Secrets, Signer, Store, Telemetry
from twokey.surfaces.hub import Hub


@dataclass(frozen=True, kw_only=True)
class Evaluating:
    """How clients that evaluate here are met.

    `origins` are the web origins whose pages may ask (`*` for any). `per_minute` is how many requests one token may
    make, `visible_per_minute` how many one address may make with a client key. `record` keeps what single evaluations
    served as exposures, for clients that report nothing themselves.
    """

    origins: tuple[str, ...] = ("*",)
    per_minute: int = 3_000_000
    visible_per_minute: int = 6_000
    record: bool = False


@dataclass(frozen=True, kw_only=True)
class Agents:
    """How agents are met that come over HTTP.

    `address` is the public address of this server. `hosts` and `origins` are what they may call it, and which pages may
    ask, beside this very machine and that address. `per_minute` is how many requests one token may make.
    """

    address: str = ""
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    per_minute: int = 600


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """The identity provider that people may sign in by; `create` adds those whom nobody here knows, without roles.

    `agents` is the project and environment that its access tokens let agents into, where they do.
    """

    provider: IdentityProvider
    create: bool = False
    agents: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Services:
    """Handed to every surface by the composition root."""

    store: Store
    telemetry: Telemetry
    secrets: Secrets
    factors: Factors
    signer: Signer | None = None
    elsewhere: Elsewhere | None = None
    clock: Clock
    hub: Hub
    secure_cookies: bool = False
    github_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    ofrep: Evaluating = Evaluating()
    agents: Agents = Agents()
    runbooks: Runbooks | None = None
    png: Callable[[str], bytes] | None = None
