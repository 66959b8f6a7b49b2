"""What was served by evaluating here, as exposures: for clients that report nothing themselves (`record`).

Rules kept here:
- recording costs an evaluation a look into memory; the telemetry store is written to from another thread;
- a unit that meets the same variation again is recorded once in `WINDOW` seconds;
- what waits is bounded: beyond `MOST` records a further one is dropped, and the log says how many were;
- a bulk answer is no exposure: it says what a client would serve, not that it did.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from twokey.domain.identity import Token
from twokey.domain.telemetry import Scope, Telemetry
from twokey.engine.bucketing import unit_text
from twokey.engine.wire import MAX_BATCH, Exposure, TelemetryBatch
from twokey.ports import Clock
from twokey.surfaces.ofrep.book import Part

WINDOW = 60.0
PAUSE = 0.5
MOST = 50_000
log = logging.getLogger(__name__)
Place = tuple[str, str]


class Exposures:
    """Keeps what was met until it is written."""

    def __init__(self, telemetry: Telemetry, clock: Clock) -> None:
        self._telemetry, self._clock = telemetry, clock
        self._met: dict[tuple[str | None, int], Part] = {}
        self._waiting: defaultdict[Place, list[Exposure]] = defaultdict(list)
        self._count = self._dropped = 0
        self._window = time.monotonic()
        self._writer: asyncio.Task[None] | None = None

    def met(self, token: Token, part: Part, context: Mapping[str, Any]) -> None:
        """This context was served this. Called in the event loop."""
        resolution, unit = part.resolution, context.get(part.unit_name)
        if type(unit) is not str:
            unit = unit_text(unit)
        known = (unit, id(part))
        if unit is None or known in self._met:
            return
        if self._count >= MOST:
            self._dropped += 1
            return
        if len(self._met) >= MOST:
            self._met.clear()
        self._met[known] = part  # held, so that its identity is nobody else's
        self._count += 1
        variation = str(resolution.variation)
        record = Exposure(
            flag=part.key,
            rule=resolution.rule,
            revision=resolution.revision,
            assigned=variation,
            served=variation,
            unit=unit,
            unit_name=part.unit_name,
            at=self._clock(),
            reason=str(resolution.reason),
        )
        self._waiting[token.project, token.environment].append(record)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.get_running_loop().create_task(self._write_soon())

    async def _write_soon(self) -> None:
        while self._count:
            await asyncio.sleep(PAUSE)
            if time.monotonic() - self._window > WINDOW:
                self._window = time.monotonic()
                self._met.clear()
            await asyncio.to_thread(self._write, self._take())

    def _take(self) -> dict[Place, list[Exposure]]:
        taken, self._waiting, self._count = self._waiting, defaultdict(list), 0
        if self._dropped:
            log.warning("%d exposures were dropped: more arrive than are written", self._dropped)
            self._dropped = 0
        return taken

    def _write(self, taken: dict[Place, list[Exposure]]) -> None:
        for (project, environment), records in taken.items():
            where = Scope(project=project, environment=environment)
            for at in range(0, len(records), MAX_BATCH):
                batch = TelemetryBatch(batch_id=uuid.uuid4().hex, exposures=tuple(records[at : at + MAX_BATCH]))
                try:
                    self._telemetry.add(where, batch, source="ofrep", received_at=self._clock())
                except Exception:
                    log.exception("%d exposures could not be written", len(batch.exposures))

    def flush(self) -> None:
        """Write what waits, now: the server is about to stop."""
        self._write(self._take())
