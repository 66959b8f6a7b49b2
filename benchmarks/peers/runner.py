"""One peer in its own environment: `python -m benchmarks.peers.runner PEER COMMAND ...`.

Commands: `translate SOURCE TARGET` writes the workload in the peer's format; `load PAYLOAD` loads it once and tells
seconds and megabytes; `import` tells milliseconds; `serve` answers lines of JSON until its input ends.

Rules kept here:

* the peer's answers are checked against the workload before anything is timed, also for users who must not match;
* no peer reaches beyond this machine: a connection elsewhere is an error;
* what a peer prints goes to standard error, for standard output carries our answers.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import socket
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import workload
from benchmarks.peers.shape import Call, Loaded, Plain

STRANGER = {
    "targetingKey": "nobody",
    "email": "x@elsewhere.example",
    "country": "FR",
    "plan": "none",
    "version": "2.2.9",
}
STAFF = {**STRANGER, "email": "y@internal.example"}
GUEST = {**STRANGER, "plan": "plan-7"}
EXPECTED: dict[str, tuple[tuple[Plain, Any], ...]] = {
    "boolean": ((workload.CONTEXT, True), (STRANGER, True)),
    "rules": ((workload.CONTEXT, True), (STRANGER, False), (STAFF, True), (GUEST, True)),
    "segment": ((workload.CONTEXT, workload.PROFILE), (STRANGER, workload.PROFILE_SAFE)),
}
ROOM = 10 * 2**30
"""Bytes of data in which 10,000 flags have to fit."""
KEYS, LEAST, MOST = 1_000, 0.07, 0.13
"""Of 1,000 users a rollout of 10 % takes 70 to 130: more than three standard deviations either way."""


class Wrong(Exception):
    """The peer does not answer what the flags say."""


def check(peer: Loaded) -> None:
    """Raise Wrong unless the peer answers as the workload's flags are meant."""
    first = {case: key for key, case in reversed(peer.cases.items())}
    for case, key in first.items():
        if case == "rollout":
            _check_share(peer, key)
        for context, expected in EXPECTED.get(case, ()):
            found = peer.value(key, peer.ask(key, context)())
            if found != expected or type(found) is not type(expected):
                raise Wrong(f"{key} ({case}) for {context['targetingKey']}: {found!r}, not {expected!r}")
    _check_all(peer)


def _check_share(peer: Loaded, key: str) -> None:
    contexts = ({**workload.CONTEXT, "targetingKey": f"key-{number}"} for number in range(KEYS))
    answers = [peer.value(key, peer.ask(key, context)()) for context in contexts]
    if set(answers) != {True, False} or not LEAST <= answers.count(True) / KEYS <= MOST:
        raise Wrong(f"{key}: {answers.count(True)} of {KEYS} users are in a rollout of 10 %")


def _check_all(peer: Loaded) -> None:
    for context, which in ((workload.CONTEXT, 0), (STRANGER, 1)):
        found = peer.values(peer.ask_all(context)())
        if found.keys() != peer.cases.keys():
            raise Wrong(f"all: {len(found)} answers to {len(peer.cases)} flags")
        for key, case in peer.cases.items():
            if case in EXPECTED and found[key] != EXPECTED[case][which][1]:
                raise Wrong(f"all: {key} ({case}) for {context['targetingKey']}: {found[key]!r}")
            if case == "rollout" and found[key] not in (True, False):
                raise Wrong(f"all: {key}: {found[key]!r}")


def timed(call: Call, seconds: float, number: int) -> tuple[float, int]:
    """Seconds of one call, and how many calls fill the given time; `number` is a first guess, or 0."""
    number = number or _fitting(call, seconds)
    started = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - started) / number, number


def _fitting(call: Call, seconds: float) -> int:
    number = 1
    while True:
        started = time.perf_counter()
        for _ in range(number):
            call()
        took = time.perf_counter() - started
        if took > seconds / 4:
            return max(1, round(number * seconds / took))
        number *= 4


class Service:
    """The peer between one line of JSON and the next."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.peer: Loaded | None = None
        self.numbers: dict[str, int] = {}

    def load(self, document: str, payload: str) -> Plain:
        self.peer, self.numbers = None, {}
        gc.collect()
        self.peer = self.module.load(Path(payload), json.loads(Path(document).read_bytes()))
        if not getattr(self.module, "CONSTANT", False):  # it shows the client's own cost, and answers nothing right
            check(self.peer)
        return {}

    def time(self, what: str, count: int, seconds: float) -> Plain:
        """Microseconds of one call: `what` is a case, or `all`."""
        assert self.peer is not None
        context = workload.CONTEXT
        call = self.peer.ask_all(context) if what == "all" else self.peer.ask(workload.key_of(what, count), context)
        if self.numbers.get(what) != 1:  # what fills a turn by itself is not asked twice only to get warm
            call()
        took, self.numbers[what] = timed(call, seconds, self.numbers.get(what, 0))
        return {"us": took * 1e6}


def serve(module: Any, out: Any) -> None:
    service = Service(module)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = getattr(service, asked.pop("do"))(**asked)
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is told, and the others go on
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=out, flush=True)


def load_once(name: str, payload: str) -> Plain:
    """Seconds from the file to ready, and megabytes of the process above what it had before it knew the peer."""
    resource.setrlimit(resource.RLIMIT_DATA, (ROOM, ROOM))
    document = workload.light(8)  # the first flags of every mix but `rollouts`; reading all would leave memory behind
    gc.collect()
    empty = _memory()
    module = importlib.import_module(f"benchmarks.peers.{name}")
    for each in module.IMPORTS:
        importlib.import_module(each)
    started = time.perf_counter()
    peer = module.load(Path(payload), document)
    took = time.perf_counter() - started
    gc.collect()
    memory = _memory() - empty
    for key, case in peer.cases.items():
        for context, expected in EXPECTED.get(case, ())[:1]:
            if peer.value(key, peer.ask(key, context)()) != expected:
                raise Wrong(f"{key} ({case})")
    return {"load_s": took, "memory_mb": memory}


def import_once(name: str) -> Plain:
    module = importlib.import_module(f"benchmarks.peers.{name}")
    started = time.perf_counter()
    for each in module.IMPORTS:
        importlib.import_module(each)
    return {"import_ms": (time.perf_counter() - started) * 1e3}


def translate(name: str, source: str, target: str) -> Plain:
    module = importlib.import_module(f"benchmarks.peers.{name}")
    Path(target).write_text(json.dumps(module.translate(json.loads(Path(source).read_bytes()))), encoding="utf-8")
    return {}


def _memory() -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def _stay_here() -> None:
    """Refuse connections that leave the machine."""
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise ConnectionRefusedError(f"a benchmark stays on this machine: {address}")
        connect(self, address)

    socket.socket.connect = checked  # type: ignore[method-assign, assignment]


def main() -> None:
    name, command, *arguments = sys.argv[1:]
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _stay_here()
    if command == "serve":
        serve(importlib.import_module(f"benchmarks.peers.{name}"), out)
    else:
        does = {"translate": translate, "load": load_once, "import": import_once}
        print(json.dumps(does[command](name, *arguments)), file=out, flush=True)
    # Some peers leave threads behind that would wait for their servers.
    out.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
