"""A server whose telemetry lies in ClickHouse: from intake to a verdict, and across `kill -9`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.process import ServerProcess, eventually
from tests.support.server import alertmanager_body
from tests.support.traffic import batch_of
from tests.support.world import ENVIRONMENT, PROJECT
from twokey.domain.errors import Conflict
from twokey.settings import Settings
from twokey.wiring import build


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """The engine runs inside the server's process here; to the adapter it is one more address."""
    kept = f"chdb://{tmp_path / 'clickhouse'}"
    made = ServerProcess(tmp_path / "data", options=("--telemetry", kept)).start()
    yield made
    made.stop()


def test_evidence_out_of_clickhouse_says_breached_and_survives_kill_9(server: ServerProcess) -> None:
    place = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/snapshot"
    with closing(server.person("mara")) as mara:
        harmed = batch_of(mara.get(place).json(), 3000, slow=0.03, slow_candidate=0.4, prefix="h")
    with closing(server.holder("telemetry")) as intake:
        assert intake.post("/api/v1/telemetry", json=harmed).raise_for_status().json()["exposures"] == 3000
    server.kill()
    server.start()
    with closing(server.holder("telemetry")) as intake:
        assert intake.post("/api/v1/telemetry", json=harmed).raise_for_status().json()["repeated"]
    with closing(server.holder("signals")) as source:
        body = alertmanager_body("SupportAnswerLatencyHigh", start=datetime.now(UTC).isoformat())
        case = source.post("/signals/v1/alertmanager", json=body).raise_for_status().json()["results"][0]["case"]
    with closing(server.person("mara")) as mara:
        eventually(lambda: mara.post(f"/api/v1/cases/{case}/check").status_code == 200, what="the finding")
        verdicts = mara.post(f"/api/v1/cases/{case}/check").raise_for_status().json()["verdicts"]
    found = {each["guardrail"]: each["status"] for each in verdicts}
    assert found["p95_latency"] == "breached"


def test_a_clickhouse_that_does_not_answer_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Conflict, match="ClickHouse does not answer") as refused:
        build(Settings(data=tmp_path, telemetry="clickhouse://someone:s3cret@127.0.0.1:1/telemetry"))
    assert "s3cret" not in str(refused.value)
