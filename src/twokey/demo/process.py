"""Starting the demo's server, waiting until it answers, and ending it with everything it left."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import httpx
import msgspec

from twokey.demo.clock import HurriedClock
from twokey.demo.orders import Orders

HOST = "127.0.0.1"
PATIENCE = 30.0
"""Seconds that a server may take to answer for the first time."""


class Broken(RuntimeError):
    """A link of the chain did not hold: which one, and why."""

    def __init__(self, link: str, why: str) -> None:
        super().__init__(f"{link}: {why}")
        self.link, self.why = link, why


class Running:
    """A server that answers."""

    def __init__(self, url: str, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.url, self.folder, self._process = url, folder, process

    def set_clock(self, clock: HurriedClock) -> None:
        """Let the server's clock go at another pace."""
        _tell(self._process, clock)


def free_port(wish: int) -> int:
    """The wished port where it is free, else any that is; 0 wishes none."""
    for port in (wish, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Broken("start", "no port of this machine is free")


@contextmanager
def server(port: int, clock: HurriedClock, password: str) -> Iterator[Running]:
    """A server process in a throw-away folder, gone with it when the block ends."""
    with tempfile.TemporaryDirectory(prefix="twokey-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        log = folder / "server.log"
        with log.open("wb") as output:
            process = _spawn(output)
            try:
                orders = Orders(data=str(folder / "data"), port=port, clock=clock, password=password)
                _tell(process, orders)
                url = f"http://{HOST}:{port}"
                _wait(process, url, log)
                yield Running(url, folder, process)
            except Broken as broken:
                if process.poll() is None or broken.link == "start":
                    raise
                raise Broken(
                    broken.link, f"{broken.why}. The server has ended; its last words:\n{_tail(log)}"
                ) from None
            finally:
                _end(process)


def _spawn(output: IO[bytes]) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C is for the demo, which then ends the server in good order.
    return subprocess.Popen(
        [sys.executable, "-m", "twokey.demo.server"],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _tell(process: subprocess.Popen[bytes], order: Orders | HurriedClock) -> None:
    if process.stdin is None:  # it was asked for as a pipe
        raise Broken("start", "the server has no standard input")
    try:
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise Broken("start", "the server has ended") from None


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    with httpx.Client(trust_env=False, timeout=2.0) as http:
        while time.monotonic() < until:
            if process.poll() is not None:
                raise Broken("start", f"the server ended at once. Its last words:\n{_tail(log)}")
            try:
                if http.get(f"{url}/readyz").status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
    raise Broken("start", f"the server did not answer within {PATIENCE:.0f} seconds. Its last words:\n{_tail(log)}")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-15:]) or "(none)"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    try:
        process.wait(timeout=8)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=5)
