"""What was acknowledged survives `kill -9`; what was not may be sent again and counts once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from tests.support.telemetry import LATER, NOON, SCOPE, Sender, measured, met
from twokey.adapters.telemetry import DuckTelemetry
from twokey.adapters.telemetry.schema import micros
from twokey.engine.wire import TelemetryBatch

WRITER = """
import sys
from pathlib import Path
from tests.support.telemetry import LATER, SCOPE, measured, met
from twokey.adapters.telemetry import DuckTelemetry
from twokey.engine.wire import TelemetryBatch

store = DuckTelemetry(Path(sys.argv[1]))
for number in range(10_000):
    units = [f"u{number}-{each}" for each in range(20)]
    batch = TelemetryBatch(
        batch_id=f"b{number}",
        exposures=tuple(met(unit, "baseline", 1) for unit in units),
        metrics=tuple(measured(unit, 5.0, 2) for unit in units),
    )
    store.add(SCOPE, batch, source="app", received_at=LATER)
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9_and_a_repeat_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.duckdb"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert writer.stdout is not None
    acknowledged = -1
    for line in writer.stdout:
        acknowledged = int(line)
        if acknowledged == 40:
            writer.send_signal(signal.SIGKILL)
            break
    acknowledged = max([acknowledged, *(int(line) for line in writer.stdout.read().split("\n")[:-1] if line)])
    writer.wait()
    writer.stdout.close()
    assert writer.returncode == -signal.SIGKILL

    store = DuckTelemetry(path)
    kept = sum(each.exposures for each in store.exposure_counts(SCOPE))
    joined = store.metric_presence(SCOPE, "latency")
    assert kept >= (acknowledged + 1) * 20
    assert kept % 20 == 0
    assert joined.joined_events == joined.events == kept
    repeat = TelemetryBatch(batch_id="b0", exposures=(met("u0-0", "baseline", 1),))
    assert store.add(SCOPE, repeat, source="app", received_at=LATER).duplicate
    store.close()


def test_a_store_that_was_closed_opens_with_everything_in_it(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.duckdb"
    first = DuckTelemetry(path)
    Sender(first).send([met("u1", "baseline", 1)], [measured("u1", 2.0, 2)])
    first.close()
    second = DuckTelemetry(path)
    assert [each.unit for each in second.contexts(SCOPE)] == ["u1"]
    assert second.metrics(SCOPE) == ("latency",)
    second.close()


DAY = 86_400 * 10**6
_A_DAY = """
INSERT INTO metrics
SELECT 'support', 'production', 'latency', random(), 'u' || i || '-' || $day, 'conversation', (hash(i) // 2)::BIGINT,
       $start + i, NULL, NULL, NULL, NULL, '{}', 1
FROM range(150000) t(i)"""


def test_what_is_deleted_makes_room_for_what_comes(tmp_path: Path) -> None:
    """Of two days that are kept, the file is as large as they are, however many days went by."""
    file, first = tmp_path / "telemetry.duckdb", micros(NOON)
    store, sizes = DuckTelemetry(file), []
    for day in range(10):
        store._connection.execute(_A_DAY, {"day": day, "start": first + day * DAY})
        store.prune(NOON + timedelta(days=day - 1))
        sizes.append(file.stat().st_size)
    store.close()
    assert max(sizes[6:]) <= 1.2 * max(sizes[:6]), sizes
    assert sizes[-1] > 1e6
