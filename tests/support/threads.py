"""Doing things at once, so that what one thread fails at is not lost."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_threads(work: Callable[[T], object], *each: T) -> None:
    """Call `work` with each argument in a thread of its own; wait for all, and raise what the first failed at."""
    with ThreadPoolExecutor(max_workers=len(each)) as threads:
        for done in [threads.submit(work, one) for one in each]:
            done.result()
