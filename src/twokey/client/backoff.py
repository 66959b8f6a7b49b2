"""How long to wait before trying again: longer each time, up to a cap, and never in step with other clients."""

import random

FIRST = 0.5
CAP = 30.0
LONGEST_REQUEST = 3600.0
"""A server's `Retry-After` is obeyed up to this many seconds."""


class Backoff:
    """Doubling from `first` to `cap` seconds, each wait drawn between half and all of it."""

    def __init__(self, first: float = FIRST, cap: float = CAP) -> None:
        self._first, self._cap = first, cap
        self._failures = 0

    def reset(self) -> None:
        """What was lost has been there long enough: begin again with short waits."""
        self._failures = 0

    def next(self, retry_after: float | None = None) -> float:
        """Seconds to wait now; at least what the server asked for, and a little more so that not all come at once."""
        longest = min(self._cap, self._first * 2 ** min(self._failures, 16))
        self._failures += 1
        drawn = random.uniform(longest / 2, longest)  # noqa: S311 - spreads load, protects nothing
        return drawn if retry_after is None else min(retry_after, LONGEST_REQUEST) + drawn
