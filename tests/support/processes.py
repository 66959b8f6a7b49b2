"""Processes that a test starts and that may die at any point.

A child is forked, so that it starts at once and needs no script. It opens its own store, and leaves without running
anything that its parent has registered for its own end.
"""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from typing import NoReturn, ParamSpec

P = ParamSpec("P")

KILLED = -signal.SIGKILL


def start(work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> int:
    """Call `work` in a child; the child's process id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        work(*args, **kwargs)
        status = 0
    except BaseException:  # noqa: BLE001 - a child must never go on with its parent's tests
        traceback.print_exc()
    finally:
        os._exit(status)


def wait(child: int) -> int:
    """How a child ended: its exit status, or the negative number of the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die() -> NoReturn:
    """End this process as `kill -9` would: nothing is cleaned up, nothing flushed."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")
