"""A series as one line of blocks, for a terminal. A bucket in which nobody was measured is a gap, never a zero."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
GAP = "·"


def sparkline(values: Sequence[float | None], low: float | None = None, high: float | None = None) -> str:
    """One block a value, from `low` to `high` (default: the smallest and the largest); None is shown as a gap.

    Give the same `low` and `high` to lines that are to be compared. Values outside are drawn at the edge.
    """
    known = [value for value in values if value is not None]
    if not known:
        return GAP * len(values)
    low, high = min(known) if low is None else low, max(known) if high is None else high
    return "".join(GAP if value is None else _block(value, low, high) for value in values)


def _block(value: float, low: float, high: float) -> str:
    if high <= low:
        return BLOCKS[0]
    place = (min(max(value, low), high) - low) / (high - low)
    return BLOCKS[min(int(place * len(BLOCKS)), len(BLOCKS) - 1)]
