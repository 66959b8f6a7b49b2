"""The embedded telemetry store under load: `python -m benchmarks.telemetry`.

Intake in batches of 1,000 while a reader asks for verdicts, then verdicts for 20 guardrails over many events. Figures
drift with the machine: compare them within one run.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from twokey.adapters.telemetry import DuckTelemetry
from twokey.domain.guardrail import Guardrail, GuardrailKind, judge
from twokey.domain.telemetry import Scope, StagePlan
from twokey.engine.wire import Exposure, MetricEvent, TelemetryBatch

SCOPE = Scope(project="bench", environment="production", flag="profile")
PLAN = StagePlan(rule="all", first_revision=2, shares={"candidate": 10_000, "baseline": 90_000})
START = datetime(2026, 7, 1, tzinfo=UTC)
SIZE = 1_000


def batch(number: int, metrics: int) -> TelemetryBatch:
    """A fifth exposures, the rest events of that many metrics."""
    units = [f"u{number}-{each}" for each in range(SIZE // 5)]
    moments = [START + timedelta(milliseconds=number * 50 + each) for each in range(len(units))]
    exposures = tuple(
        Exposure(
            flag="profile", rule="all", revision=2, assigned="candidate" if each % 10 == 0 else "baseline",
            served="baseline", unit=unit, unit_name="conversation", at=at, reason="SPLIT", context={"plan": "pro"},
        )
        for each, (unit, at) in enumerate(zip(units, moments, strict=True))
    )  # fmt: skip
    events = tuple(
        MetricEvent(metric=f"m{each % metrics}", value=each * 1.3 % 97, unit=unit, unit_name="conversation", at=at)
        for each in range(4)
        for unit, at in zip(units, moments, strict=True)
    )
    return TelemetryBatch(batch_id=f"b{number}", exposures=exposures, metrics=events)


def guardrails(count: int) -> list[Guardrail]:
    """As many guardrails as metrics, tails and means in turn."""
    kinds = (GuardrailKind.TAIL, GuardrailKind.MEAN)
    return [Guardrail(key=f"g{each}", metric=f"m{each}", kind=kinds[each % 2], limit=90) for each in range(count)]


def verdicts(store: DuckTelemetry, chosen: list[Guardrail]) -> float:
    """Seconds that the verdicts of these guardrails take."""
    started = time.perf_counter()
    for guardrail, stages in zip(chosen, store.arms_of_all(SCOPE, chosen, [PLAN], baseline="baseline"), strict=True):
        judge(guardrail, stages)
    return time.perf_counter() - started


def intake(store: DuckTelemetry, batches: int, metrics: int) -> None:
    """Rows a second through `add`, with one reader that asks for one verdict again and again."""
    ready = [batch(number, metrics) for number in range(batches)]
    delays: list[float] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            delays.append(verdicts(store, guardrails(1)))

    reader = threading.Thread(target=read)
    reader.start()
    started = time.perf_counter()
    for each in ready:
        store.add(SCOPE, each, source="bench", received_at=START + timedelta(days=1))
    took = time.perf_counter() - started
    done.set()
    reader.join()
    p50, p99 = np.quantile(delays, [0.5, 0.99]) * 1000
    print(f"intake {batches * SIZE / took:,.0f} rows/s; one verdict meanwhile p50 {p50:.0f} ms, p99 {p99:.0f} ms")


def main() -> None:
    """Run both measurements on a store of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=500)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = DuckTelemetry(Path(folder) / "telemetry.duckdb")
        intake(store, chosen.batches, 20)
        took = [verdicts(store, guardrails(20)) for _ in range(3)]
        print(f"20 guardrails over {chosen.batches * SIZE:,} rows: {min(took):.2f} s")
        store.close()


if __name__ == "__main__":
    main()
