"""The demo's server process: the same server as `twokey serve`, on a throw-away folder and on the demo's clock.

Rules kept here:
- its orders come on standard input as one line of JSON, so that no password stands in a list of processes; every later
  line sets the clock anew;
- it ends when its standard input ends, so that it never outlives the demo.
"""

from __future__ import annotations

import os
import sys
import threading
from datetime import datetime
from pathlib import Path

import msgspec
import uvicorn

from twokey import wiring
from twokey.adapters import system
from twokey.adapters.sql import SqlStore
from twokey.adapters.telemetry import DuckTelemetry
from twokey.demo import scenario
from twokey.demo.clock import HurriedClock
from twokey.demo.orders import Orders
from twokey.domain.identity import SYSTEM, User
from twokey.domain.policy import Environment
from twokey.settings import Settings
from twokey.steps.manage_access import create_environment, create_user
from twokey.surfaces.app import create_app
from twokey.surfaces.hub import Hub
from twokey.surfaces.services import Services
from twokey.worker import Worker


class Hands:
    """The server's clock, whose pace the demo can change while it runs."""

    def __init__(self, clock: HurriedClock) -> None:
        self.clock = clock

    def __call__(self) -> datetime:
        """The time now."""
        return self.clock()


def build(settings: Settings, clock: Hands, password: str) -> wiring.Server:
    """A server on the demo's clock, with the environment, its first flags and an administrator."""
    settings.data.mkdir(parents=True, exist_ok=True)
    store = SqlStore(settings.database_url, clock, system.new_id)
    store.migrate()
    _initialise(store, clock, password)
    telemetry = DuckTelemetry(settings.telemetry_path)
    services = Services(store=store, telemetry=telemetry, secrets=system, clock=clock, hub=Hub(store))
    worker = Worker(store, clock, wiring.jobs_of(store, telemetry), f"demo-{os.getpid()}")
    return wiring.Server(
        app=create_app(services), services=services, store=store, telemetry=telemetry, workers=(worker,)
    )


def _initialise(store: SqlStore, clock: Hands, password: str) -> None:
    administrator = User(
        id=scenario.ADMINISTRATOR.username,
        username=scenario.ADMINISTRATOR.username,
        name=scenario.ADMINISTRATOR.name,
        password_hash=system.hash_password(password),
        roles=frozenset(scenario.ADMINISTRATOR.roles),
        created_at=clock(),
    )
    environment = Environment(
        project=scenario.PROJECT,
        key=scenario.ENVIRONMENT,
        approvers=(scenario.RELEASE_ROLE,),
        widening_approvers=(scenario.RELEASE_ROLE,),
    )
    create_user(store, SYSTEM, administrator)
    create_environment(store, SYSTEM, environment, scenario.initial_state(clock().date()))


def serve(orders: Orders) -> None:
    """Serve until told to stop."""
    settings = Settings(data=Path(orders.data), port=orders.port)
    clock = Hands(orders.clock)
    server = build(settings, clock, orders.password)
    listener = uvicorn.Server(
        uvicorn.Config(
            server.app, host=settings.host, port=settings.port, log_level="warning", timeout_graceful_shutdown=1
        )
    )
    threading.Thread(target=_listen, args=(clock, listener), daemon=True).start()
    server.start()
    try:
        listener.run()
    finally:
        server.stop()


def _listen(clock: Hands, listener: uvicorn.Server) -> None:
    for line in sys.stdin.buffer:
        clock.clock = msgspec.json.decode(line, type=HurriedClock)
    listener.should_exit = True


if __name__ == "__main__":
    serve(msgspec.json.decode(sys.stdin.buffer.readline(), type=Orders))
