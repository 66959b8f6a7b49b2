"""What a process that keeps thousands of connections open does to itself before it listens.

Rules kept here:
- once per process, by whoever starts it: nothing here belongs to one server object;
- it only ever gives the process more room; what the operator has allowed is the limit.
"""

from __future__ import annotations

import gc
import resource
import sys

SWITCH = 0.001
"""Seconds that a busy thread keeps the interpreter from the event loop. Every broadcast feels Python's own 5 ms."""


def make_ready() -> None:
    """Let the event loop run without long pauses, and let as many connections in as the operator allows.

    What has been loaded until now stays for as long as the process does, so the collector need not walk through it
    again: with all modules loaded that stopped every stream for about 90 ms now and then.
    """
    sys.setswitchinterval(SWITCH)
    _open_files()
    gc.collect()
    gc.freeze()


def _open_files() -> None:
    """Raise the soft limit of open files, often 1,024, to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
