"""How often one token may ask, in this process.

Rule: asking the limiter costs about as much as an evaluation, so a token takes its share of a minute in blocks, each at
most a thousandth of it. That is how exactly the limit is kept.
"""

from __future__ import annotations

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

_FINE = 1_000
_MOST = 20_000
"""Askers whose begun block is remembered; when there are more, all begin a new one."""


class Pace:
    """Counts what each token asks for."""

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._block = max(1, per_minute // _FINE)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._left: dict[str, int] = {}

    def take(self, token: str) -> int:
        """Take one request; 0, or in how many seconds there is one again."""
        left = self._left.get(token, 0)
        if left:
            self._left[token] = left - 1
            return 0
        if self._limiter.hit(self._item, token, cost=self._block):
            if self._block > 1:
                if len(self._left) >= _MOST:
                    self._left.clear()
                self._left[token] = self._block - 1
            return 0
        reset = self._limiter.get_window_stats(self._item, token).reset_time
        return max(1, math.ceil(reset - time.time()))
