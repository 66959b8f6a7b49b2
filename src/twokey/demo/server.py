"""The demo's server process: the same server as `twokey serve`, on a throw-away folder and on the demo's clock.

Rules kept here:
- its orders come on standard input as one line of JSON, so that no password stands in a list of processes; every later
  line sets the clock anew;
- it ends when its standard input ends, so that it never outlives the demo.
"""

from __future__ import annotations

import sys
import threading
from datetime import datetime
from pathlib import Path

import msgspec
import uvicorn

from twokey import wiring
from twokey.demo import scenario
from twokey.demo.clock import HurriedClock
from twokey.demo.orders import Orders
from twokey.domain.policy import Environment
from twokey.settings import Settings


class Hands:
    """The server's clock, whose pace the demo can change while it runs."""

    def __init__(self, clock: HurriedClock) -> None:
        self.clock = clock

    def __call__(self) -> datetime:
        """The time now."""
        return self.clock()


def initialise(settings: Settings, clock: Hands, password: str) -> None:
    """The environment with its first flags, and an administrator."""
    administrator = wiring.Administrator(
        username=scenario.ADMINISTRATOR.username, name=scenario.ADMINISTRATOR.name, password=password
    )
    environment = Environment(
        project=scenario.PROJECT,
        key=scenario.ENVIRONMENT,
        approvers=(scenario.RELEASE_ROLE,),
        widening_approvers=(scenario.RELEASE_ROLE,),
    )
    wiring.initialise(settings, environment, administrator, scenario.initial_state(clock().date()), clock)


def serve(orders: Orders) -> None:
    """Serve until told to stop."""
    settings = Settings(data=Path(orders.data), port=orders.port, monitor=0.0)
    clock = Hands(orders.clock)
    initialise(settings, clock, orders.password)
    server = wiring.build(settings, clock)
    listener = wiring.listener(server, settings, grace=1)
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
