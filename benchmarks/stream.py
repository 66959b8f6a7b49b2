"""From the commit of a change to every connected client: `python -m benchmarks.stream`.

A Twokey server in a process of its own (SQLite, as `twokey serve` starts it), clients on raw sockets in another, both
on this machine. A proposal is drafted over HTTP and approved by a person over HTTP; the click, the beginning of the
commit, and the moment each client has read the patch are taken from the one monotonic clock. Rules kept here:

* figures are over all clients and all rounds together; the slowest client of the slowest round is the maximum;
* the floor is a raw ASGI application that only writes events of the same size, on the same uvicorn, in the same run;
* memory is the growth of the server's resident memory by the connections, once they have their snapshot;
* speed drifts with the machine: compare within one run, and run it while nothing else does.

Options: `--quick` (fewer clients and rounds), `--write` (into docs/performance.md).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import uvloop

from benchmarks import workload
from benchmarks.streaming.crowd import Application, Crowd
from benchmarks.streaming.server import APPROVER, DRAFTER, ENVIRONMENT, PASSWORD, PROJECT, prepare

ROOT = Path(__file__).resolve().parents[1]
APPLYING = 50
"""Clients of a crowd that put the patch on their snapshot and evaluate."""


class Row(NamedTuple):
    """One line of the table: what, its unit, p50, p99 and maximum, the floor's p99, and the target for p99."""

    what: str
    unit: str
    p50: float
    p99: float
    most: float
    floor: float | None = None
    target: float | None = None

    @classmethod
    def of(cls, what: str, seconds: list[float], floor: float | None = None, target: float | None = None) -> Row:
        """A line in milliseconds."""
        ordered = sorted(each * 1000 for each in seconds)
        p50, p99 = statistics.median(ordered), ordered[int(len(ordered) * 0.99)]
        return cls(what, "ms", p50, p99, ordered[-1], floor, target)

    def cells(self) -> tuple[str, ...]:
        """The line as text."""
        floor = "" if self.floor is None else f"{self.floor:.1f} ({self.p99 / self.floor:.1f}x)"
        target = "" if self.target is None else f"<= {self.target:g}"
        figures = tuple("" if each < 0 else f"{each:.1f}" for each in (self.p50, self.p99, self.most))
        return self.what, self.unit, *figures, floor, target


class Moments(NamedTuple):
    """When the approver's password had been checked, when the commit began, and when the hub had told everybody."""

    checked: float
    began: float
    told: float


class Process:
    """A server in a process of its own."""

    def __init__(self, module: str, *arguments: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        command = [sys.executable, "-m", f"benchmarks.streaming.{module}", *arguments, str(self.port)]
        path = os.pathsep.join((str(ROOT), str(ROOT / "src")))
        environment = {**os.environ, "PYTHONPATH": path}
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it lives as long as the process does
        self._process = subprocess.Popen(command, stdout=self._output, env=environment)
        self.url = f"http://127.0.0.1:{self.port}"

    async def ready(self) -> None:
        """Wait until it listens."""
        async with asyncio.timeout(60):
            while not await self._listens():
                assert self._process.poll() is None, "the server ended at its start"
                await asyncio.sleep(0.05)

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True

    @property
    def moments(self) -> dict[int, Moments]:
        """What it wrote down, by revision."""
        self._output.seek(0)
        lines = [line.split() for line in self._output.read().splitlines()]
        return {int(revision): Moments(*map(float, moments)) for revision, *moments in lines}

    @property
    def memory(self) -> int:
        """Bytes of resident memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)
        self._output.close()


@asynccontextmanager
async def running(process: Process) -> AsyncIterator[Process]:
    """The process, once it listens, until the block ends."""
    try:
        await process.ready()
        yield process
    finally:
        process.stop()


class Person:
    """Somebody who is signed in."""

    def __init__(self, url: str, name: str) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=60, trust_env=False)
        self._name = name

    async def sign_in(self) -> Person:
        """Open the session."""
        answer = await self._http.post("/api/v1/session", json={"username": self._name, "password": PASSWORD})
        answer.raise_for_status()
        self._http.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return self

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the server answers."""
        answer = await self._http.post(f"/api/v1{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def draft(self, flag: str, enabled: bool) -> Any:
        """A proposal to switch a flag."""
        operation = {"op": "set_enabled", "flag": flag, "enabled": enabled}
        document = {"project": PROJECT, "environment": ENVIRONMENT, "operations": [operation], "reason": "measured"}
        return await self.post("/proposals", document)

    async def approve(self, proposal: Any) -> Any:
        """Turn the key."""
        body = {"digest": proposal["digest"], "password": PASSWORD}
        return await self.post(f"/proposals/{proposal['id']}/approve", body)


class Measured(NamedTuple):
    """What one crowd met: seconds of every client in every round, bytes a connection, seconds until all were current.

    `password` is from the click until the password was checked, `told` from the commit until the event loop knew.
    """

    commit: list[float]
    click: list[float]
    evaluated: list[float]
    after_password: list[float]
    password: list[float]
    told: list[float]
    memory: float
    current: float


async def measure(clients: int, flags: int, rounds: int) -> Measured:
    """A crowd of that many on a server of that many flags, and so many changes."""
    with tempfile.TemporaryDirectory() as folder:
        token = prepare(Path(folder), flags)
        async with running(Process("server", folder)) as server:
            crowd = Crowd(server.port, token)
            return await _rounds(server, crowd, clients, flags, rounds)


async def _rounds(server: Process, crowd: Crowd, clients: int, flags: int, rounds: int) -> Measured:
    key = workload.key_of("boolean", flags)
    drafter, approver = [await Person(server.url, name).sign_in() for name in (DRAFTER, APPROVER)]
    applying = _applying(key, clients) if flags <= 1_000 else lambda number: None
    await crowd.grow(1)
    await crowd.all_at(1)
    before, started = server.memory, time.monotonic()
    await crowd.grow(clients, applying)
    await crowd.all_at(1, 600)
    current = time.monotonic() - started
    await asyncio.sleep(3)
    memory = (server.memory - before) / (clients - 1)
    clicks = {}
    for number in range(rounds):
        proposal = await drafter.draft(key, enabled=bool(number % 2))
        await asyncio.sleep(0.1)
        clicks[number + 2] = time.monotonic()
        assert (await approver.approve(proposal))["status"] == "applied"
        await crowd.all_at(number + 2)
    moments = server.moments
    assert crowd.lost == 0
    assert all(len(crowd.arrived[each]) == clients for each in clicks), "each client once"
    crowd.leave()
    found = Measured([], [], [], [], [], [], memory, current)
    for revision, click in clicks.items():
        moment, arrived = moments[revision], crowd.arrived[revision]
        found.commit.extend(at - moment.began for at in arrived)
        found.click.extend(at - click for at in arrived)
        found.password.append(moment.checked - click)
        found.told.append(moment.told - moment.began)
        for at, value in crowd.evaluated.get(revision, ()):
            assert value is bool(revision % 2), "the evaluation has changed"
            found.evaluated.append(at - click)
            found.after_password.append(at - moment.checked)
    return found


def _applying(key: str, clients: int) -> Any:
    every = max(1, clients // APPLYING)
    return lambda number: Application(key, workload.CONTEXT) if number % every == 0 else None


async def floor(clients: int, size: int, rounds: int) -> tuple[list[float], float]:
    """Seconds from the beginning of a write to arrival, and bytes a connection, of the raw application."""
    async with running(Process("floor")) as server:
        crowd = Crowd(server.port, "none")
        await crowd.grow(1)
        await crowd.all_at(1)
        before = server.memory
        await crowd.grow(clients)
        await crowd.all_at(1)
        memory = (server.memory - before) / (clients - 1)
        async with httpx.AsyncClient(base_url=server.url, timeout=60, trust_env=False) as http:
            for number in range(rounds):
                await http.post(f"/{size}")
                await crowd.all_at(number + 2)
                await asyncio.sleep(0.1)
        moments = server.moments
        crowd.leave()
        return [at - moments[each].began for each in moments for at in crowd.arrived[each]], memory


async def rows(quick: bool) -> list[Row]:
    """All that is measured."""
    found = []
    for clients, target, rounds in ((200, 50.0, 5),) if quick else ((1_000, 50.0, 40), (5_000, 200.0, 15)):
        raw, raw_memory = await floor(clients, 590, rounds)
        ours = await measure(clients, 100, rounds)
        found += _crowd_rows(f"{clients:,} clients", Row.of("", raw).p99, raw_memory / 1e3, ours, target)
    if not quick:
        many = await measure(1_000, 10_000, 10)
        found += [
            Row.of("1,000 clients, 10,000 flags: commit to arrival", many.commit),
            Row.of("1,000 clients, 10,000 flags: approval click to arrival", many.click),
            Row(
                "1,000 clients, 10,000 flags: memory of a connection (after 5 MB each)",
                "kB",
                -1,
                many.memory / 1e3,
                -1,
            ),
            Row("1,000 clients, 10,000 flags (5 MB each): all connected and current", "s", -1, many.current, -1),
        ]
    return found


def _crowd_rows(who: str, bare: float, bare_memory: float, ours: Measured, target: float) -> list[Row]:
    click = 100.0 if target < 100 else None
    return [
        Row.of(f"{who}: commit to arrival", ours.commit, bare, target),
        Row.of("- of which until the event loop knows", ours.told),
        Row.of("approval click to arrival", ours.click),
        Row.of("approval click to changed evaluation", ours.evaluated, None, click),
        Row.of("- of which the request and the password's check (Argon2id)", ours.password),
        Row.of("- of which the rest", ours.after_password),
        Row("memory of a connection", "kB", -1, ours.memory / 1e3, -1, bare_memory, 15),
        Row("from no client to all connected and current", "s", -1, ours.current, -1),
    ]


HEAD = ("what", "unit", "p50", "p99 (or value)", "max", "raw ASGI, p99", "target")


def table(lines: list[tuple[str, ...]]) -> str:
    """Aligned columns, which are Markdown too."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    lines = [lines[0], tuple("-" * width for width in widths), *lines[1:]]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def main() -> None:
    """Measure and print; with `--write` into docs/performance.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    found = uvloop.run(rows(chosen.quick))
    text = table([HEAD, *(row.cells() for row in found)])
    print(text)
    if chosen.write:
        _write(text)


def _write(text: str) -> None:
    if importlib.util.find_spec("benchmarks.report") is None:
        print("docs/performance.md is not written: benchmarks/report.py is not there", file=sys.stderr)
        return
    importlib.import_module("benchmarks.report").write_section("stream", text)


if __name__ == "__main__":
    main()
