"""How a server is set up. Every setting has an option of `twokey serve` and a variable `TWOKEY_...`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Provider:
    """An OpenID provider that people may sign in by, and this server as its client.

    `issuer` as the provider's own document names it. `name` stands on the button; without it the provider's host does.
    `create` adds those whom nobody here knows, without roles. `agents` is the project and environment that agents come
    into by its access tokens, if they do.
    """

    issuer: str
    client_id: str
    secret: str = field(default="", repr=False)
    name: str = ""
    create: bool = False
    agents: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where data lies and where the server listens.

    `data` is the folder of the embedded stores. `database` is the control store's address; without it, SQLite in the
    data folder. `workers` is how many threads do the jobs of this process. `proxies` are the addresses or networks of
    reverse proxies that are believed when they say who is calling; what anybody else says of that is ignored.
    `provider` is who people may sign in by beside their password.
    `audit_name` is what the audit log is called in its checkpoints; without it, a name made from its key.
    `monitor` is how many seconds lie between two looks at the guardrails of every flag; 0 for none.
    `keep_days` is how long telemetry is kept, in days; 0 for ever. Of contexts only `keep_attributes` are kept, where
    any are named.
    `telemetry` is the address of a ClickHouse that keeps telemetry; without it, an embedded store in the data folder.
    `prometheus` are pairs of `project/environment` (empty for all others) and the address of the Prometheus that
    guardrails by query are asked of.
    `github_secrets` are pairs of `project/environment` and the secret that GitHub's webhook for it is signed with.
    `runbooks` is a folder of Markdown files that the analyst may cite.
    `checkpoint_to` are the folders and addresses that each signed checkpoint of the log is sent to.

    Of clients that evaluate here (OFREP): `origins` are the web origins whose pages may ask, `*` for any; `evaluations`
    is how many requests a minute one token may make, `visible_evaluations` how many one address may make with a client
    key; `record_evaluations` keeps what single evaluations served as exposures.

    Of agents that come over HTTP (MCP): `public_url` is the address at which this server is reached, and which tokens
    for it are made for; `agent_hosts` are further names that it is called by, `agent_origins` the web origins whose
    pages may ask; `agent_calls` is how many requests a minute one token may make.
    """

    data: Path = field(default_factory=lambda: Path("twokey-data"))
    database: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    secure_cookies: bool = False
    proxies: tuple[str, ...] = ()
    audit_name: str = ""
    checkpoint_to: tuple[str, ...] = ()
    monitor: float = 60.0
    keep_days: int = 90
    keep_attributes: tuple[str, ...] = ()
    telemetry: str = field(default="", repr=False)
    prometheus: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    github_secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    runbooks: Path | None = None
    provider: Provider | None = None
    origins: tuple[str, ...] = ("*",)
    evaluations: int = 3_000_000
    visible_evaluations: int = 6_000
    record_evaluations: bool = False
    public_url: str = ""
    agent_hosts: tuple[str, ...] = ()
    agent_origins: tuple[str, ...] = ()
    agent_calls: int = 600

    @property
    def database_url(self) -> str:
        """The control store's address."""
        return self.database or f"sqlite:///{(self.data / 'twokey.db').resolve()}"

    @property
    def telemetry_path(self) -> Path:
        """The embedded telemetry store's file."""
        return self.data / "telemetry.duckdb"
