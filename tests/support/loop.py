"""One event loop for all clients of a test process, as a server has one for all of its requests.

Starlette's test client starts a thread and a loop for each request, and ends them after it: two of the three
milliseconds that a small request takes. Here they are started once.

- What asks from a thread of its own still has a loop of its own, so that those who race are held up by nothing of ours.
- A fork has no thread that runs the loop: it starts its own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import anyio
from anyio.from_thread import BlockingPortal
from starlette.testclient import TestClient

__all__ = ["Client"]


class Client(TestClient):
    """Starlette's client, on the loop of this process."""

    @contextmanager
    def _portal_factory(self) -> Iterator[BlockingPortal]:
        if self.portal is None and threading.current_thread() is threading.main_thread():
            yield _running(os.getpid())
        else:
            with super()._portal_factory() as own:
                yield own


@cache
def _running(process: int) -> BlockingPortal:
    """The loop of the process with this id, which runs until the process ends."""
    ready: list[BlockingPortal] = []
    started = threading.Event()

    async def run() -> None:
        async with BlockingPortal() as portal:
            ready.append(portal)
            started.set()
            await portal.sleep_until_stopped()

    threading.Thread(target=anyio.run, args=(run,), name="clients", daemon=True).start()
    started.wait()
    return ready[0]
