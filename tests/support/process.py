"""A real server process on loopback, over data that outlives it; and clients that talk to it by HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.support.warm import Warm
from tests.support.world import ENVIRONMENT, PASSWORD, PASSWORD_HASH, PROJECT, initial_state
from twokey.adapters import system
from twokey.domain.control import Control
from twokey.domain.identity import AGENT_SCOPES, SYSTEM, ActorKind, Scope, User
from twokey.domain.policy import Environment
from twokey.settings import Settings
from twokey.steps.manage_access import TokenRequest, create_token, create_user
from twokey.wiring import Administrator, initialise, open_store

PEOPLE = {
    "ines": ("support_ai_platform_owner",),
    "mara": ("release_manager",),
}
PLAIN = False
"""Nothing is verified over plain HTTP; reading the system's certificates takes 22 ms of CPU for each client."""
T = TypeVar("T")


FIRST_PORT, PORTS_EACH = int(os.environ.get("TWOKEY_TEST_PORTS", "20000")), 1_000
_ports = count()


def free_port() -> int:
    """A port that stays ours while what listens on it is stopped and started again.

    The system gives none of these away by itself, and each worker of the tests has a range of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = FIRST_PORT + worker * PORTS_EACH + next(_ports) % PORTS_EACH
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def eventually(look: Callable[[], T | None], *, seconds: float = 30.0, what: str = "it") -> T:
    """What `look` finds, once it finds something."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not happen within {seconds:g} seconds")
        time.sleep(0.1)


def agent_token(name: str = "agent") -> TokenRequest:
    """An assistant's token, as a person would ask for it."""
    return TokenRequest(
        name=name,
        kind=ActorKind.AGENT,
        scopes=AGENT_SCOPES,
        project=PROJECT,
        environment=ENVIRONMENT,
        expires_at=None,
        on_behalf_of="mara",
    )


class ServerProcess:
    """`twokey serve` over a data folder (and any database), started, killed and started again."""

    def __init__(
        self, folder: Path, *controls: Control, database: str = "", options: tuple[str, ...] = (), port: int = 0
    ) -> None:
        self.folder, self.port, self.options = folder, port or free_port(), options
        self.settings = Settings(data=folder, database=database, port=self.port)
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | Warm | None = None
        self.tokens: dict[str, str] = {}
        self._fill(*controls)

    def _fill(self, *controls: Control) -> None:
        administrator = Administrator(username="root", name="Root", password=PASSWORD)
        environment = Environment(project=PROJECT, key=ENVIRONMENT)
        initialise(self.settings, environment, administrator, initial_state(*controls))
        store = open_store(self.settings)
        for name, roles in PEOPLE.items():
            user = User(
                id=name,
                username=name,
                name=name.title(),
                password_hash=PASSWORD_HASH,
                roles=frozenset(roles),
                created_at=system.utc_now(),
            )
            create_user(store, SYSTEM, user)
        for name, scopes in {
            "signals": {Scope.SIGNALS_WRITE},
            "telemetry": {Scope.TELEMETRY_WRITE},
            "evaluate": {Scope.FLAGS_EVALUATE},
        }.items():
            wanted = TokenRequest(
                name=name,
                kind=ActorKind.SERVICE,
                scopes=frozenset(scopes),
                project=PROJECT,
                environment=ENVIRONMENT,
                expires_at=None,
            )
            self.tokens[name] = create_token(store, system, SYSTEM, wanted)[1]
        self.tokens["agent"] = create_token(store, system, SYSTEM, agent_token())[1]
        store.close()

    def start(self) -> ServerProcess:
        """The server; within tests it does without the imports of a new process (`tests.support.warm`)."""
        if "PYTEST_VERSION" not in os.environ:
            return self.start_cold()
        return self._until_ready(Warm(self._arguments(), os.environ))

    def start_cold(self) -> ServerProcess:
        """The server, from nothing, by the command that people use."""
        command = [sys.executable, "-m", "twokey.cli.main", *self._arguments()]
        return self._until_ready(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": "src"}))

    def _arguments(self) -> list[str]:
        arguments = ["serve", "--data", str(self.folder), "--port", str(self.port), "--monitor", "0", *self.options]
        return [*arguments, "--database", self.settings.database] if self.settings.database else arguments

    def _until_ready(self, process: subprocess.Popen[bytes] | Warm) -> ServerProcess:
        self.process = process
        eventually(self._ready, what="the server's start")
        return self

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the server ended at its start"
        try:
            return httpx.get(f"{self.url}/readyz", verify=PLAIN).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """As when the machine loses power: no clean-up runs."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=20)

    def holder(self, token: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.tokens[token]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, verify=PLAIN)

    def person(self, name: str) -> httpx.Client:
        client = httpx.Client(base_url=self.url, timeout=30, verify=PLAIN)
        answer = client.post("/api/v1/session", json={"username": name, "password": PASSWORD})
        answer.raise_for_status()
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client

    def approve(self, name: str, proposal: dict[str, Any]) -> dict[str, Any]:
        with closing(self.person(name)) as client:
            answer = client.post(
                f"/api/v1/proposals/{proposal['id']}/approve",
                json={"digest": proposal["digest"], "password": PASSWORD},
            )
            assert answer.status_code == 200, answer.text
            approved: dict[str, Any] = answer.json()
            return approved
