"""Evaluation over HTTP: `python -m benchmarks.ofrep`.

A Twokey server in a process of its own, as `twokey serve` starts it (SQLite, authentication, limits, recording of
exposures on), and beside it a raw ASGI echo on the same uvicorn: the ceiling. The load comes from 16 kept connections
in this process, on the same cores. Rules kept here:

* the answers are looked at before anything is timed;
* server and echo are asked in turns of about a second, so that drift meets both alike; medians of the rounds count;
* Unleash's own server (`http_peer`) is asked by the same load in the same run, for the same flags;
* a request's time is from the first byte written to the last byte read.

Options: `--quick` (fewer rounds), `--write` (into docs/performance.md).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple

import uvicorn
import uvloop

from benchmarks import workload
from benchmarks.streaming.server import prepare
from twokey import wiring
from twokey.settings import Settings
from twokey.surfaces.hub import make_ready

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 16
FLAGS = "/ofrep/v1/evaluate/flags"
SHARE_OF_ECHO = 0.6


class Load(NamedTuple):
    """What one turn measured: requests a second, and the 99th percentile of their seconds."""

    rate: float
    p99: float


class _Asker(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer."""

    def __init__(self, request: Callable[[], bytes], seconds: list[float]) -> None:
        self._request, self._seconds, self._buffer, self._missing = request, seconds, b"", 0
        self.running = True
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._start = time.perf_counter()
        self._transport.write(self._request())

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._buffer += data
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            if not head.startswith(b"http/1.1 200"):
                self.done.set_exception(RuntimeError(self._buffer[:500].decode()))
                return
            at = head.find(b"content-length:")
            length = int(head[at + 15 : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else None])
            self._missing = length - (len(self._buffer) - end - 4)
            self._buffer = b""
        if self._missing == 0:
            self._seconds.append(time.perf_counter() - self._start)
            if self.running:
                self._ask()
            else:
                self._transport.close()
                self.done.set_result(None)


async def _drive(port: int, request: Callable[[], bytes], seconds: float) -> Load:
    loop, took = asyncio.get_running_loop(), list[float]()
    made = [await loop.create_connection(lambda: _Asker(request, took), "127.0.0.1", port) for _ in range(CONNECTIONS)]
    askers = [protocol for _, protocol in made]
    await asyncio.sleep(0.1)
    took.clear()
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    count, elapsed = len(took), time.perf_counter() - start
    for each in askers:
        each.running = False
    await asyncio.gather(*(each.done for each in askers))
    return Load(count / elapsed, sorted(took)[int(len(took) * 0.99)])


def _request(path: str, body: bytes, secret: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {secret}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _asking(path: str, secret: str, unit: str = "targetingKey") -> Callable[[], bytes]:
    """Requests of 1,000 users, in turn."""
    rest = {name: value for name, value in workload.CONTEXT.items() if name != "targetingKey"}
    users = [{**rest, unit: f"user-{number}"} for number in range(1_000)]
    made = [_request(path, json.dumps({"context": user}).encode(), secret) for user in users]
    state = [0]

    def following() -> bytes:
        state[0] = (state[0] + 1) % len(made)
        return made[state[0]]

    return following


# -------------------------------------------------------------------- the other side


async def _echo(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = (await receive())["body"]
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _serve(kind: str, port: int, folder: str) -> None:
    if kind == "echo":
        make_ready()
        bare = {"access_log": False, "server_header": False, "proxy_headers": False, "lifespan": "off"}
        uvicorn.run(_echo, host="127.0.0.1", port=port, log_level="error", **bare)
    else:
        wiring.serve(Settings(data=Path(folder), port=port, record_evaluations=True, evaluations=10**9))


class Server:
    """A process of its own, until the block ends."""

    def __init__(self, kind: str, folder: str = "") -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._command = [sys.executable, "-m", "benchmarks.ofrep", "--serve", kind, str(self.port), folder]

    def __enter__(self) -> Server:
        self._process = subprocess.Popen(self._command, cwd=ROOT)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.1)
        raise RuntimeError("the server did not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)


class Row(NamedTuple):
    """One line: what was asked, the turns of the server, those of the echo, and the target in requests a second."""

    what: str
    loads: list[Load]
    echoes: list[Load]
    target: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return statistics.median(each.rate for each in self.loads)

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return statistics.median(each.p99 for each in self.loads) * 1e3

    @property
    def share(self) -> float:
        """Of the echo's rate."""
        return statistics.median(a.rate / b.rate for a, b in zip(self.loads, self.echoes, strict=True))


def _check(port: int, request: bytes, wanted: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(request.replace(b"Host:", b"Connection: close\r\nHost:", 1))
        answer = b""
        while piece := line.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    document = json.loads(body)
    flags = document.get("flags", [document])
    if not head.startswith(b"HTTP/1.1 200") or len(flags) != wanted or not all("variant" in each for each in flags):
        raise SystemExit(f"the server answers something else than {wanted} flags: {answer[:300]!r}")


def measure(rounds: int, seconds: float) -> list[Row]:
    """Ask for one flag, for 100 and for 1,000, in turns with the echo."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, Server("echo") as echo:
        for flags, paths in ((1_000, ("one", "bulk")), (100, ("bulk",))):
            data = Path(folder) / str(flags)
            secret = prepare(data, flags)
            first = workload.light(flags)["flags"][0]["key"]
            with Server("twokey", str(data)) as server:
                for path in paths:
                    one = path == "one"
                    asking = _asking(f"{FLAGS}/{first}" if one else FLAGS, f"Bearer {secret}")
                    _check(server.port, asking(), 1 if one else flags)
                    turns = [uvloop.run(_turn(server.port, echo.port, asking, seconds)) for _ in range(rounds + 1)][1:]
                    target = 12_000 if one else {100: 4_000, 1_000: 600}[flags]
                    name = "one flag of 1,000" if one else f"all {flags:,} flags"
                    rows.append(Row(name, [each[0] for each in turns], [each[1] for each in turns], target))
    return rows


def measure_peer(rounds: int, seconds: float) -> tuple[list[Row], str]:
    """Unleash's server for 4, 100 and 1,000 flags, in turns with the echo; or why it could not be measured."""
    from benchmarks.http_peer.unleash import PATH, Unavailable, UnleashServer

    rows = []
    try:
        with Server("echo") as echo, UnleashServer() as peer:
            for flags in (4, 100, 1_000):
                peer.fill(flags)
                asking = _asking(PATH, peer.secret, "userId")
                turns = [uvloop.run(_turn(peer.port, echo.port, asking, seconds)) for _ in range(rounds + 1)][1:]
                rows.append(Row(f"all {flags:,} flags", [each[0] for each in turns], [each[1] for each in turns], 0))
    except Unavailable as problem:
        return rows, str(problem)
    return rows, ""


async def _turn(port: int, echo: int, asking: Callable[[], bytes], seconds: float) -> tuple[Load, Load]:
    return await _drive(port, asking, seconds), await _drive(echo, asking, seconds)


def table(rows: list[Row], peer: list[Row], problem: str = "") -> str:
    """The result as Markdown."""
    from benchmarks.http_peer.unleash import version

    unleash = f"Unleash {version()} frontend API"
    lines = [
        f"| OFREP, {CONNECTIONS} connections | requests/s | p99, ms | share of a raw echo | target, requests/s | met |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        single = row.target == 12_000
        met = row.rate >= row.target and (not single or (row.share >= SHARE_OF_ECHO and row.p99 <= 5))
        more = ", 60 % of the echo, p99 5 ms" if single else ""
        lines.append(
            f"| {row.what} | {row.rate:,.0f} | {row.p99:.1f} | {row.share:.0%} | {row.target:,.0f}{more} | "
            f"{'yes' if met else 'no'} |"
        )
    lines += [f"| {unleash}, {each.what} | {each.rate:,.0f} | {each.p99:.1f} | {each.share:.1%} | | |" for each in peer]
    if problem:
        lines.append(f"| {unleash}: not measured, {problem} | | | | | |")
    echo = statistics.median(each.rate for row in (*rows, *peer) for each in row.echoes)
    lines.append(f"| raw ASGI echo on the same uvicorn | {echo:,.0f} | | | | |")
    return "\n".join(lines)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--serve", nargs=3, metavar=("KIND", "PORT", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        kind, port, folder = options.serve
        _serve(kind, int(port), folder)
        return
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    rounds, seconds = (2, 0.5) if options.quick else (5, 2.0)
    text = table(measure(rounds, seconds), *measure_peer(rounds, seconds))
    print(text)
    if options.write and importlib.util.find_spec("benchmarks.report"):
        importlib.import_module("benchmarks.report").write_section("ofrep", text)


if __name__ == "__main__":
    main()
