"""A clock that begins in the past and is hurried towards the present, stretch by stretch; then it is the real one.

So the demo's history has honest times: server and traffic share this clock, and every record was made when it says.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import msgspec


class HurriedClock(msgspec.Struct, frozen=True, kw_only=True):
    """Shows `start` at the real time `anchor` (seconds since the epoch), and never more than the real time.

    For the next `stretch` real seconds it runs `speed` times as fast as the real one, afterwards at the same pace.
    """

    start: datetime
    anchor: float
    speed: float = 1.0
    stretch: float = 0.0

    def __call__(self) -> datetime:
        """The time now, aware, UTC."""
        return self._at(time.time())

    def _at(self, real: float) -> datetime:
        passed = real - self.anchor
        told = passed + min(passed, self.stretch) * (self.speed - 1)
        return self.start + timedelta(seconds=min(told, real - self.start.timestamp()))

    def behind(self) -> timedelta:
        """How far it is behind the present."""
        real = time.time()
        return datetime.fromtimestamp(real, UTC) - self._at(real)

    def hurried(self, minutes: float, seconds: float) -> HurriedClock:
        """The same clock, from now on so fast that these minutes pass within these seconds."""
        real = time.time()
        return HurriedClock(start=self._at(real), anchor=real, speed=minutes * 60 / seconds, stretch=seconds)


def ago(minutes: float) -> HurriedClock:
    """A clock that many minutes behind, at the pace of the real one."""
    real = time.time()
    return HurriedClock(start=datetime.fromtimestamp(real, UTC) - timedelta(minutes=minutes), anchor=real)
