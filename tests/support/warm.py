"""`twokey` commands as processes of their own that start at once: forked from a process that has imported the program.

Two of the two and a half seconds that a server takes to start are imports, and tests start some fifty servers, most of
them after a `kill -9`. One process per test process imports everything, opens nothing, and has one thread; each command
is a fork of it. What a command opens, reads and is told is its own, as are its death and its exit status.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

__all__ = ["Warm"]

IMPORTS = (
    "twokey.cli.main", "twokey.cli.local", "twokey.wiring", "twokey.surfaces.app", "twokey.adapters.telemetry",
    "uvicorn", "uvicorn.lifespan.on", "uvicorn.loops.uvloop", "uvicorn.protocols.http.httptools_impl",
)  # fmt: skip


class Warm:
    """A running command: as much of `subprocess.Popen` as tests need."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        self.pid: int = _ask(do="start", arguments=list(arguments), environment=dict(environment))

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = _ask(do="poll", pid=self.pid)
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("twokey", timeout)
            time.sleep(0.02)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def _ask(**what: Any) -> Any:
    asking, hearing = _mother(os.getpid())
    asking.sendall(json.dumps(what).encode() + b"\n")
    return json.loads(hearing.readline())


@cache
def _mother(process: int) -> tuple[socket.socket, Any]:
    """The process with the imports that belongs to the test process with this id, and ends when that does."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tests.support.warm", str(theirs.fileno())]
    subprocess.Popen(command, env={**os.environ, "PYTHONPATH": "src:."}, pass_fds=[theirs.fileno()])
    theirs.close()
    return ours, ours.makefile("rb")


# ---------------------------------------------------------------- in the process with the imports


def _serve(asked: socket.socket) -> None:
    for name in IMPORTS:
        __import__(name)
    for line in asked.makefile("rb"):
        what = json.loads(line)
        answer = _start(asked, what) if what["do"] == "start" else _poll(what["pid"])
        asked.sendall(json.dumps(answer).encode() + b"\n")


def _poll(child: int) -> int | None:
    found, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _start(asked: socket.socket, what: dict[str, Any]) -> int:
    sys.stdout.flush()
    if child := os.fork():
        return child
    code = 1
    with suppress(BaseException):
        code = _become(asked, what)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _become(asked: socket.socket, what: dict[str, Any]) -> int:
    """The command itself, in the fork."""
    from twokey.cli.main import main

    asked.close()
    os.environ.clear()
    os.environ.update(what["environment"])
    sys.argv = ["twokey", *what["arguments"]]
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except BaseException:  # noqa: BLE001 - a fork must never go on as the process that it was forked from
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
