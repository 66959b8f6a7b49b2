"""What a command runs with: environment, terminal, clock, network. Made once in `main`; tests make their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from twokey.cli.terminal import RealTerminal, Terminal

if TYPE_CHECKING:
    import httpx

DEFAULT_URL = "http://127.0.0.1:8080"


def utc_now() -> datetime:
    """The time now."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Runtime:
    """The world as a command sees it. `transport` replaces the network in tests."""

    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    terminal: Terminal = field(default_factory=RealTerminal)
    now: Callable[[], datetime] = utc_now
    transport: httpx.BaseTransport | None = None

    @property
    def url(self) -> str:
        """The server's address, without a slash at its end."""
        return (self.env.get("TWOKEY_URL") or DEFAULT_URL).rstrip("/")

    @property
    def state_folder(self) -> Path:
        """Where sessions are kept: the XDG state folder."""
        home = Path(self.env.get("HOME") or Path.home())
        return Path(self.env.get("XDG_STATE_HOME") or home / ".local" / "state") / "twokey"


CURRENT: ContextVar[Runtime] = ContextVar("runtime")
"""Set by `main` for the one command that runs."""


def runtime() -> Runtime:
    """The runtime of the running command."""
    return CURRENT.get()
