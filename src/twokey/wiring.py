"""The composition root: the one place that knows which adapter stands behind which port."""

from __future__ import annotations

import logging
import os
import secrets as random
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import uvicorn

from twokey.adapters import factors, system
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.keeping import keeper
from twokey.adapters.prometheus import Prometheus
from twokey.adapters.runbooks import FolderRunbooks
from twokey.adapters.signing import FileSigner
from twokey.adapters.sql import SqlStore
from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.control import State
from twokey.domain.elsewhere import Unproven
from twokey.domain.errors import Conflict, Refused
from twokey.domain.guarded_rollout import LIVE
from twokey.domain.identity import SYSTEM, Role, User
from twokey.domain.job import JobKind
from twokey.domain.policy import Environment
from twokey.engine.errors import Invalid
from twokey.engine.settling import settle_types
from twokey.ports import Clock, Keeper, Runbooks, Signer, Store, Telemetry
from twokey.settings import Settings
from twokey.steps import (
    apply_change,
    check_evidence,
    draft_proposal,
    export_checkpoint,
    guard_rollout,
    invite,
    keep_orders,
    monitor_guardrails,
    receive_signal,
    run_schedule,
    sign_checkpoint,
    triage_case,
)
from twokey.steps.manage_access import set_up
from twokey.surfaces.app import Doors, create_app
from twokey.surfaces.hub import Hub, make_ready
from twokey.surfaces.services import Agents, Elsewhere, Evaluating, Services
from twokey.worker import Work, Worker

MINIMUM_PASSWORD = 12
TIMER, EVERY = "timer", timedelta(minutes=1)
"""How often the audit log is signed while nothing is decided."""
log = logging.getLogger(__name__)

settle_types()  # all that the server decodes is imported by now, and none of its threads runs yet


def open_store(settings: Settings, clock: Clock = system.utc_now, *, migrate: bool = True) -> SqlStore:
    """The control store, brought to the present schema unless it shall only be read."""
    settings.data.mkdir(parents=True, exist_ok=True)
    store = SqlStore(settings.database_url, clock, system.new_id, gatekeeper)
    if migrate:
        store.migrate()
    return store


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that is put together: its application, its stores and its workers."""

    app: Doors
    services: Services
    store: SqlStore
    telemetry: Telemetry
    workers: tuple[Worker, ...]
    monitor: float = 0.0
    keep_days: int = 0

    def start(self) -> None:
        """Let the workers begin, and the clock ask for checkpoints, a look at the guardrails and an end of the old."""
        with self.store.begin() as uow:
            uow.jobs.enqueue(JobKind.SIGN_CHECKPOINT, TIMER, uow.now)
            if self.monitor:  # soon: whoever looks after it reads only what is new
                soon = timedelta(seconds=min(self.monitor, 5.0))
                uow.jobs.enqueue(JobKind.MONITOR_GUARDRAILS, TIMER, uow.now + soon)
            if self.keep_days:
                uow.jobs.enqueue(JobKind.PRUNE_TELEMETRY, TIMER, uow.now + EVERY)
        for each in self.workers:
            each.start()

    def stop(self) -> None:
        """Let the workers finish the job at hand, and close the stores."""
        for each in self.workers:
            each.stop()
        self.telemetry.close()
        self.store.close()


def build(settings: Settings, clock: Clock = system.utc_now) -> Server:
    """Put a server together. It listens nowhere yet."""
    store = open_store(settings, clock)
    telemetry = _telemetry(settings)
    keepers = tuple(keeper(each) for each in settings.checkpoint_to)
    signer = FileSigner(settings.data, settings.audit_name, exported=bool(keepers))
    runbooks = FolderRunbooks(settings.runbooks) if settings.runbooks else None
    services = Services(
        store=store,
        telemetry=telemetry,
        secrets=system,
        factors=factors,
        signer=signer,
        elsewhere=_elsewhere(settings),
        clock=clock,
        hub=Hub(store),
        png=_png,
        secure_cookies=settings.secure_cookies,
        github_secrets=dict(settings.github_secrets),
        ofrep=Evaluating(
            origins=settings.origins,
            per_minute=settings.evaluations,
            visible_per_minute=settings.visible_evaluations,
            record=settings.record_evaluations,
        ),
        agents=Agents(
            address=_address(settings),
            hosts=settings.agent_hosts,
            origins=settings.agent_origins,
            per_minute=settings.agent_calls,
        ),
        runbooks=runbooks,
    )
    work = jobs_of(store, telemetry, signer, keepers, settings.monitor, settings.keep_days, runbooks)
    owner = f"{os.getpid()}-{random.token_hex(4)}"
    workers = tuple(Worker(store, clock, work, f"{owner}-{index}") for index in range(settings.workers))
    return Server(
        app=create_app(services),
        services=services,
        store=store,
        telemetry=telemetry,
        workers=workers,
        monitor=settings.monitor,
        keep_days=settings.keep_days,
    )


def _telemetry(settings: Settings) -> Telemetry:
    """Where telemetry is kept: in ClickHouse where its address is given, else in the data folder."""
    queries = Prometheus(dict(settings.prometheus)) if settings.prometheus else None
    attributes = frozenset(settings.keep_attributes) or None
    if not settings.telemetry:
        return DuckTelemetry(settings.telemetry_path, attributes=attributes, queries=queries)
    try:
        from twokey.adapters.telemetry.clickhouse import connect
    except ImportError:
        remedy = "install `twokey[server,clickhouse]`"
        raise Conflict("telemetry in ClickHouse needs its client", remedy=remedy) from None
    return connect(settings.telemetry, keep_days=settings.keep_days, attributes=attributes, queries=queries)


def _png(svg: str) -> bytes:
    """Loaded when the first picture is asked for."""
    from twokey.adapters.raster import png

    return png(svg)


def _address(settings: Settings) -> str:
    """The public address, checked. Raises Invalid."""
    parts = urlsplit(settings.public_url)
    plain = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    if settings.public_url and not (parts.scheme in ("http", "https") and parts.hostname and plain):
        raise Invalid("public_url", f"is `{settings.public_url}`", "an address such as https://twokey.example.com")
    if settings.provider and settings.provider.agents and not settings.public_url:
        raise Invalid("public_url", "is missing", "the address that the identity provider makes agents' tokens for")
    return settings.public_url.rstrip("/")


def _elsewhere(settings: Settings) -> Elsewhere | None:
    chosen = settings.provider
    if chosen is None:
        return None
    from twokey.adapters.oidc import OpenIdProvider

    try:
        provider = OpenIdProvider(chosen.issuer, chosen.client_id, chosen.secret, chosen.name)
    except Unproven as error:
        raise Invalid("oidc_issuer", error.reason, "an https address") from None
    return Elsewhere(provider=provider, create=chosen.create, agents=chosen.agents)


def jobs_of(
    store: Store,
    telemetry: Telemetry,
    signer: Signer | None = None,
    keepers: Sequence[Keeper] = (),
    monitor: float = 0.0,
    keep_days: int = 0,
    runbooks: Runbooks | None = None,
) -> dict[JobKind, Work]:
    """What each kind of job does. Without a signer no checkpoint is signed; the keepers are sent each that is.

    `monitor` is how many seconds lie between two looks at all guardrails, `keep_days` for how long telemetry is kept; 0
    for none, and for ever. `runbooks` are what triage may cite.
    """
    return {
        JobKind.TRIAGE_CASE: lambda case: triage_case.triage(store, telemetry, case, runbooks),
        JobKind.DRAFT_PROPOSAL: lambda finding: draft_proposal.draft_from_finding(store, telemetry, finding),
        JobKind.CHECK_EVIDENCE: lambda case: check_evidence.check(store, telemetry, case),
        JobKind.EXPIRE_PROPOSAL: lambda proposal: run_schedule.expire_proposal(store, proposal),
        JobKind.SIGN_CHECKPOINT: lambda subject: _sign(store, signer, subject) if signer else None,
        JobKind.EXPORT_CHECKPOINT: lambda size: export_checkpoint.export(store, keepers, int(size)),
        JobKind.GUARD_ROLLOUT: lambda rollout: guard_rollout.look(store, telemetry, rollout),
        JobKind.MONITOR_GUARDRAILS: lambda _: _monitor(store, telemetry, monitor) if monitor else None,
        JobKind.PRUNE_TELEMETRY: lambda _: _prune(store, telemetry, keep_days) if keep_days else None,
        JobKind.ASK_ORDERS: lambda proposal: _ask_orders(store, telemetry, proposal),
        JobKind.APPLY_SCHEDULED: lambda proposal: apply_change.apply_scheduled(store, proposal),
    }


def _prune(store: Store, telemetry: Telemetry, days: int) -> None:
    """Delete telemetry that is too old, but nothing that a rollout on its way rests on; again tomorrow."""
    with store.read() as uow:
        running = [each.started_at for status in LIVE for each in uow.rollouts.where(status=str(status), limit=500)]
        before = min([uow.now - timedelta(days=days), *running])
    gone = telemetry.prune(before)
    log.info("telemetry before %s is gone: %s", before, gone)
    with store.begin() as uow:
        uow.jobs.enqueue(JobKind.PRUNE_TELEMETRY, TIMER, uow.now + timedelta(days=1))


def _monitor(store: Store, telemetry: Telemetry, seconds: float) -> None:
    """Receive what our own guardrails have to tell; look again after a while, whatever came of it."""
    try:
        for told in monitor_guardrails.look(store, telemetry):
            receive_signal.receive(store, SYSTEM, told.project, told.environment, told.alerts)
    finally:
        with store.begin() as uow:
            uow.jobs.enqueue(JobKind.MONITOR_GUARDRAILS, TIMER, uow.now + timedelta(seconds=seconds))


def _sign(store: Store, signer: Signer, subject: str) -> None:
    """Sign the audit log; when the clock asked for it, also again after a while, whatever came of it."""
    try:
        sign_checkpoint.sign_checkpoint(store, signer)
    except Refused:
        if subject != TIMER:
            raise  # the worker puts it on record
        log.exception("the audit log is not signed")
    if subject == TIMER:
        with store.begin() as uow:
            uow.jobs.enqueue(JobKind.SIGN_CHECKPOINT, TIMER, uow.now + EVERY)


def accept_restored(settings: Settings, reason: str, clock: Clock = system.utc_now) -> bool:
    """Accept a control store that contradicts what was signed last, on record; whether it did.

    For whoever has the machine: what was signed before is kept, and the log goes on under a new name.
    """
    if not reason.strip():
        raise Invalid("reason", "is empty", "what happened to the database, in a sentence")
    store, signer = open_store(settings, clock), FileSigner(settings.data, settings.audit_name)
    try:
        if not sign_checkpoint.accept_restored(store, SYSTEM, signer.last(), reason):
            return False
        signer.set_aside()
        return True
    finally:
        store.close()


def _ask_orders(store: Store, telemetry: Telemetry, proposal_id: str) -> None:
    """See what the telemetry says now, then let a standing order agree, if one does."""
    with store.read() as uow:
        case = uow.proposals.get(proposal_id).case
    if case is not None:
        check_evidence.check(store, telemetry, case)
    keep_orders.turn(store, proposal_id)


def listener(server: Server, settings: Settings, *, grace: int = 3) -> uvicorn.Server:
    """What answers on the network: `run()` serves until interrupted, or until its `should_exit` is set.

    Open streams are told to end; what still runs has `grace` seconds.
    """
    config = uvicorn.Config(
        server.app.door,
        interface="asgi3",
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # longer than proxies keep a connection: none is closed under a request on its way
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        timeout_graceful_shutdown=grace,
    )
    return _Listener(config, server.services.hub)


class _Listener(uvicorn.Server):
    """Tells those who hold connections open of the end, before it waits for them."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop to listen, and let what is open end."""
        self._hub.close()
        await super().shutdown(sockets)


def serve(settings: Settings) -> None:
    """Serve until interrupted."""
    server = build(settings)
    make_ready()
    server.start()
    try:
        listener(server, settings).run()
    finally:
        server.stop()


@dataclass(frozen=True, kw_only=True)
class Administrator:
    """The first person: who may add others, and govern access alone until there is a second of the security role."""

    username: str
    name: str
    password: str | None = None


def initialise(
    settings: Settings,
    environment: Environment,
    administrator: Administrator,
    initial: State | None,
    clock: Clock = system.utc_now,
) -> str | None:
    """Create the first environment and the first administrator. Raises Conflict where they exist, Invalid.

    Returns the secret of a one-time link, by which the administrator chooses a password, where none was given.
    """
    password = administrator.password
    if password is not None and len(password) < MINIMUM_PASSWORD:
        raise Invalid("password", f"is shorter than {MINIMUM_PASSWORD} characters", "a longer one")
    store = open_store(settings, clock)
    invitation, secret = invite.new_invitation(system, clock())
    try:
        user = User(
            id=administrator.username,
            username=administrator.username,
            name=administrator.name,
            password_hash=system.hash_password(password) if password is not None else "",
            invitation=invitation if password is None else None,
            roles=frozenset({Role.ADMINISTRATOR, Role.SECURITY}),
            created_at=clock(),
        )
        set_up(store, environment, initial, user)
    finally:
        store.close()
    return secret if password is None else None


def recover(settings: Settings, username: str, clock: Clock = system.utc_now) -> str:
    """The secret of a one-time link for anybody, by whoever keeps the store. Raises NotFound, Conflict."""
    store = open_store(settings, clock)
    try:
        return invite.recover(store, system, username)
    finally:
        store.close()


__all__ = ["Administrator", "Server", "build", "initialise", "jobs_of", "listener", "open_store", "recover", "serve"]
