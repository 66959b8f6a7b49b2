"""A sign of life on standard error for whatever takes longer than a second; silent where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from twokey.documents.text import plain

PATIENCE = 1.0
"""Seconds before anything is shown."""


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Show `doing` with a spinner while the block runs, once it has run for a second."""
    if not sys.stderr.isatty():
        yield
        return
    done = Event()
    watcher = Thread(target=_watch, args=(doing, done), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _watch(doing: str, done: Event) -> None:
    if done.wait(PATIENCE):
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(plain(doing) + " …")):
        done.wait()
