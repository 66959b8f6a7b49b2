"""A clock that begins in the past, runs fast until it has caught up with the present, and is the real one from then on.

So the demo's history has honest times: server and traffic share this clock, and every record was made when it says.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import msgspec


class CatchUpClock(msgspec.Struct, frozen=True, kw_only=True):
    """Shows `start` at the real time `anchor` (seconds since the epoch), then runs `speed` times as fast.

    It never shows more than the real time: once there, it stays with it.
    """

    start: datetime
    anchor: float
    speed: float = 1.0

    def __call__(self) -> datetime:
        """The time now, aware, UTC."""
        real = time.time()
        behind = real - self.start.timestamp()
        return self.start + timedelta(seconds=min((real - self.anchor) * self.speed, behind))

    def behind(self) -> timedelta:
        """How far it is behind the present."""
        return datetime.now(UTC) - self()

    def faster(self, seconds: float) -> CatchUpClock:
        """The same clock, from now on so fast that it catches up within these seconds."""
        real = time.time()
        left = (datetime.fromtimestamp(real, UTC) - self()).total_seconds()
        return CatchUpClock(start=self(), anchor=real, speed=1 + left / seconds)


def ago(minutes: float) -> CatchUpClock:
    """A clock that many minutes behind, at the pace of the real one."""
    real = time.time()
    return CatchUpClock(start=datetime.fromtimestamp(real, UTC) - timedelta(minutes=minutes), anchor=real)
