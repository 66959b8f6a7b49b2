"""Telemetry through a real server, and verdicts over what came: `python -m benchmarks.intake [--write]`.

Batches of 1,000 events (a fifth exposures) by HTTP over a few connections, in JSON and as OTLP, while another one asks
for the verdicts of a case twice a second; the load runs on the same cores. Then verdicts for 20 guardrails, contexts
read and the blast radius over growing stores. Compare figures of one run alone.

Options: `--seconds N` for each way of sending, `--rows N,N` the sizes of the growth curve, `--write` into the docs.
"""

from __future__ import annotations

import argparse
import http.client
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import duckdb
import httpx
import msgspec
import numpy as np
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from benchmarks.report import write_section
from benchmarks.telemetry import SCOPE, SIZE, START, batch, guardrails, verdicts
from tests.support.process import ServerProcess, eventually
from tests.support.server import alertmanager_body
from tests.support.traffic import batch_of
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, initial_state, support_control
from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.exposure import blast_radius
from twokey.domain.telemetry import RecordedContext, Scope

CONNECTIONS = 8
HERE = Scope(project="bench", environment="production")


def json_bodies(seed: int) -> Iterator[bytes]:
    """Batches of the JSON API."""
    for number in count():
        now = datetime.now(UTC) - timedelta(seconds=5)
        later = now + timedelta(seconds=1)
        units = [f"{seed}-{number}-{each}" for each in range(SIZE // 5)]
        exposures = [
            {
                "flag": FLAG,
                "rule": "pro-10",
                "revision": 1,
                "assigned": "reranker_v2" if each % 10 == 0 else "baseline",
                "served": "baseline",
                "unit": unit,
                "unit_name": "conversation",
                "at": now,
                "reason": "SPLIT",
                "context": {"plan": "pro", "region": "eu"},
            }
            for each, unit in enumerate(units)
        ]
        metrics = [
            {
                "metric": metric,
                "value": 0.5,
                "unit": unit,
                "unit_name": "conversation",
                "at": later,
            }
            for metric in ("answer_latency_ms", "manual_correction", "a", "b")
            for unit in units
        ]
        yield msgspec.json.encode({"batch_id": f"{seed}-{number}", "exposures": exposures, "metrics": metrics})


def otlp_bodies(seed: int) -> Iterator[bytes]:
    """Exports of 1,000 evaluations."""
    for number in count():
        request = ExportLogsServiceRequest()
        scope = request.resource_logs.add().scope_logs.add()
        now = time.time_ns() - 5 * 10**9
        for each in range(SIZE):
            record = scope.log_records.add(time_unix_nano=now + each, event_name="feature_flag.evaluation")
            variation = "reranker_v2" if each % 10 == 0 else "baseline"
            for key, value in (
                ("feature_flag.key", FLAG), ("feature_flag.result.variant", variation), ("twokey.rule", "pro-10"),
                ("feature_flag.result.reason", "split"), ("feature_flag.version", "1"), ("twokey.revision", "1"),
                ("conversation", f"{seed}-{number}-{each}"), ("plan", "pro"), ("region", "eu"),
            ):  # fmt: skip
                record.attributes.add(key=key).value.string_value = value
        yield request.SerializeToString()


class Sender(threading.Thread):
    """One connection that sends without a pause what was made before."""

    def __init__(
        self, server: ServerProcess, path: str, content_type: str, bodies: list[bytes], end: float, pace: float = 0
    ) -> None:
        """`pace` is how many events a second it sends; 0 for as many as it can."""
        super().__init__()
        self.pace = pace
        self.server, self.path, self.bodies, self.end, self.sent = server, path, bodies, end, 0
        token = server.tokens["telemetry"]
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        started = time.perf_counter()
        for number, body in enumerate(self.bodies):
            if self.pace:
                time.sleep(max(0.0, started + number * SIZE / self.pace - time.perf_counter()))
            if time.perf_counter() >= self.end:
                return
            connection.request("POST", self.path, body, self.headers)
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                self.sent += SIZE
        raise RuntimeError("more was sent than was made: raise MADE")


MADE = 100_000
"""Events that are made beforehand for each second."""
EVERY = 0.5
"""Seconds from one look to the next. A rollout looks every ten, the monitor every sixty."""


def through_the_server(
    server: ServerProcess,
    path: str,
    kind: str,
    made: Callable[[int], Iterator[bytes]],
    seconds: float,
    pace: float = 0,
) -> tuple[float, list[float]]:
    """Events a second, and how long looks at a case's guardrails take meanwhile (milliseconds)."""
    bodies = [
        [
            body
            for body, _ in zip(
                made(time.monotonic_ns() + each), range(int(MADE * seconds / SIZE / CONNECTIONS)), strict=False
            )
        ]
        for each in range(CONNECTIONS)
    ]
    case = _case(server)
    with closing(server.person("mara")) as mara, ProcessPoolExecutor(1, get_context("spawn")) as person:
        person.submit(time.time).result()  # it has begun
        looking = person.submit(_look, server.url, dict(mara.headers), dict(mara.cookies), case, seconds)
        started = time.perf_counter()
        end = started + seconds
        senders = [Sender(server, path, kind, each, end, pace / CONNECTIONS) for each in bodies]
        for each in senders:
            each.start()
        for each in senders:
            each.join()
        took = time.perf_counter() - started
        looks = looking.result()
    return sum(each.sent for each in senders) / took, looks


def _look(url: str, headers: dict[str, str], cookies: dict[str, str], case: str, seconds: float) -> list[float]:
    """How long looks at a case's guardrails take (milliseconds), for somebody in a process of their own."""
    found = []
    with httpx.Client(base_url=url, headers=headers, cookies=cookies, timeout=30) as person:
        end = time.perf_counter() + seconds
        while (before := time.perf_counter()) < end:
            person.post(f"/api/v1/cases/{case}/check").raise_for_status()
            took = time.perf_counter() - before
            found.append(took * 1000)
            time.sleep(max(0.0, EVERY - took))
    return found


def memory(server: ServerProcess) -> float:
    """Megabytes of memory that the server has had at most, as the kernel counts them."""
    assert server.process is not None
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1000


def _case(server: ServerProcess) -> str:
    """A case that suspects the flag, so that its guardrails can be looked at."""
    place = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/snapshot"
    with closing(server.person("mara")) as mara, closing(server.holder("telemetry")) as intake:
        harmed = batch_of(mara.get(place).json(), 3000, slow=0.03, slow_candidate=0.4, prefix=f"h{time.monotonic_ns()}")
        intake.post("/api/v1/telemetry", json=harmed).raise_for_status()
    with closing(server.holder("signals")) as source:
        body = alertmanager_body(f"Bench{time.monotonic_ns()}", start=datetime.now(UTC).isoformat())
        case = str(source.post("/signals/v1/alertmanager", json=body).json()["results"][0]["case"])
    with closing(server.person("mara")) as mara:
        eventually(lambda: mara.post(f"/api/v1/cases/{case}/check").status_code == 200, what="the finding")
    return case


class Grown(msgspec.Struct):
    """Seconds by size of the store: the first look of 20 guardrails, a look after a second's intake, contexts read."""

    rows: int
    first: float
    again: float
    read: float


def growth(rows: list[int]) -> list[Grown]:
    """What verdicts cost as the store grows."""
    found = []
    for size in rows:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "t.duckdb"
            DuckTelemetry(file).close()
            fill(file, size)
            store, later = DuckTelemetry(file), START + timedelta(days=300)
            first, again = verdicts(store, guardrails(20)), []
            for number in range(5):
                for each in range(60):
                    store.add(SCOPE, batch(10**6 + 60 * number + each, 20), source="bench", received_at=later)
                again.append(verdicts(store, guardrails(20)))
            before = time.perf_counter()
            store.contexts(HERE, limit=100_000)
            found.append(Grown(size, first, float(np.median(again)), time.perf_counter() - before))
            store.close()
    return found


_MOMENT = "1782864000000000 + i * 50000"
_WHO = "(hash(i)::HUGEINT - 9223372036854775808)::BIGINT"
_FILL = (
    f"""
INSERT INTO exposures
SELECT 'bench', 'production', 'profile', 'all', 2, CASE WHEN i % 10 = 0 THEN 'candidate' ELSE 'baseline' END,
       'baseline', 'u' || i, 'conversation', {_WHO}, {_MOMENT}, 'SPLIT', '{{"plan":"pro"}}', 1
FROM range($units) t(i)""",
    f"""
INSERT INTO metrics
SELECT 'bench', 'production', 'm' || ((i + k * 7) % 20), (i * 1.3 + k) % 97, 'u' || i, 'conversation', {_WHO},
       {_MOMENT} + 1000, NULL, NULL, NULL, NULL, '{{}}', 1
FROM range($units) t(i), range(4) s(k)""",
)


def fill(file: Path, rows: int) -> None:
    """Write as many rows as asked for into a store, a fifth of them exposures, as fast as the engine can make them."""
    with duckdb.connect(str(file)) as connection:
        for statement in _FILL:
            connection.execute(statement, {"units": rows // 5})


def replays(contexts: list[int]) -> list[tuple[int, float]]:
    """Seconds that the blast radius over so many recorded contexts takes: one flag of three rules."""
    before, after = (initial_state(support_control(share)).snapshot() for share in (10_000, 25_000))
    found = []
    for size in contexts:
        recorded = [_recorded(number) for number in range(size)]
        took = []
        for _ in range(3):
            started = time.perf_counter()
            blast_radius(before, after, (FLAG,), recorded)
            took.append(time.perf_counter() - started)
        found.append((size, min(took)))
    return found


def _recorded(number: int) -> RecordedContext:
    context = {
        "plan": ("free", "pro", "enterprise")[number % 3],
        "region": ("eu", "us")[number % 2],
        "account": f"a{number % 500}",
        "email": f"u{number}@customer.test",
    }
    return RecordedContext(unit=f"c-{number}", unit_name="conversation", context=context, weight=1, at=START)


WAYS = (
    ("JSON, batches of 1,000", "/api/v1/telemetry", "application/json", json_bodies, 0),
    ("the same, at 60,000 events/s", "/api/v1/telemetry", "application/json", json_bodies, 60_000),
    ("the same, at 30,000 events/s", "/api/v1/telemetry", "application/json", json_bodies, 30_000),
    ("OTLP logs, exports of 1,000", "/otlp/v1/logs", "application/x-protobuf", otlp_bodies, 0),
)


def _way(name: str, path: str, kind: str, made: Callable[[int], Iterator[bytes]], pace: float, seconds: float) -> str:
    """A row of the table: one way of sending, to a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "data").start()
        try:
            rate, looks = through_the_server(server, path, kind, made, seconds, pace)
            p50, p90, p99 = np.quantile(looks, [0.5, 0.9, 0.99])
            return f"| {name} | {rate:,.0f} | {p50:.0f} ms | {p90:.0f} ms | {p99:.0f} ms | {memory(server):,.0f} MB |"
        finally:
            server.stop()


def main() -> None:
    """Measure, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rows", default="100000,1000000,10000000")
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    lines = [
        "| through a server of its own | events/s | a look meanwhile: p50 | p90 | p99 | memory at most |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_way(*way, chosen.seconds) for way in WAYS]
    lines += [
        "",
        "| rows | first look at 20 guardrails | a look after 60,000 more | 100,000 contexts read |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {each.rows:,} | {each.first:.2f} s | {each.again:.2f} s | {each.read:.2f} s |"
        for each in growth([int(each) for each in chosen.rows.split(",")])
    ]
    lines += ["", "| contexts | blast radius |", "|---|---|"]
    lines += [f"| {size:,} | {took:.2f} s |" for size, took in replays([1_000, 10_000, 100_000])]
    print("\n".join(lines))
    if chosen.write:
        write_section("intake", "\n".join(lines))


if __name__ == "__main__":
    main()
