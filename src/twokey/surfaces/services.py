"""What the doors share: the store, the telemetry, secrets, the clock and the hub of published snapshots."""

from __future__ import annotations

from dataclasses import dataclass

from twokey.ports import Clock, Secrets, Store, Telemetry
from twokey.surfaces.hub import Hub


@dataclass(frozen=True, kw_only=True)
class Services:
    """Handed to every surface by the composition root."""

    store: Store
    telemetry: Telemetry
    secrets: Secrets
    clock: Clock
    hub: Hub
    secure_cookies: bool = False
