"""`kill -9` of the server between any two steps of the loop loses nothing: after a restart the loop goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import ServerProcess, eventually
from tests.support.server import alertmanager_body
from tests.support.traffic import batch_of
from tests.support.world import FLAG


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path / "data").start()
    yield made
    made.stop()


def again(server: ServerProcess) -> None:
    """The machine loses power, and comes back."""
    server.kill()
    server.start()


def read(server: ServerProcess, path: str) -> Any:
    with closing(server.person("mara")) as mara:
        answer = mara.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


def change(server: ServerProcess, path: str, body: dict[str, Any]) -> Any:
    with closing(server.person("mara")) as mara:
        answer = mara.post(f"/api/v1{path}", json=body)
        assert answer.status_code < 300, answer.text
        return answer.json()


def test_the_loop_goes_on_after_a_kill_between_any_two_steps(server: ServerProcess) -> None:
    snapshot = read(server, "/projects/support/environments/production/snapshot")
    batch = batch_of(snapshot, 3000, slow=0.03, slow_candidate=0.4, prefix="before")
    with closing(server.holder("telemetry")) as intake:
        assert intake.post("/api/v1/telemetry", json=batch).status_code == 200
    again(server)  # after the telemetry was acknowledged

    with closing(server.holder("telemetry")) as intake:
        assert intake.post("/api/v1/telemetry", json=batch).json()["repeated"] is True
    with closing(server.holder("signals")) as source:
        body = alertmanager_body("LatencyHigh", start=datetime.now(UTC).isoformat())
        received = source.post("/signals/v1/alertmanager", json=body).json()
    case_id = received["results"][0]["case"]
    again(server)  # after the alert was accepted, most likely before or amid its triage

    case = eventually(
        lambda: found if (found := read(server, f"/cases/{case_id}"))["status"] == "acting" else None,
        what="the proposal",
        seconds=90,  # a job whose worker died waits for its lease to run out
    )
    assert len(case["proposals"]) == 1
    assert read(server, "/cases")[0]["signals"] == 1
    again(server)  # after the proposal was drafted

    proposal = read(server, f"/proposals/{case['proposals'][0]['id']}")
    server.approve("ines", proposal)
    again(server)  # after the first key

    server.approve("mara", proposal)
    again(server)  # after the change

    proposal = read(server, f"/proposals/{proposal['id']}")
    assert (proposal["status"], proposal["approved"]) == ("applied", 2)
    snapshot = read(server, "/projects/support/environments/production/snapshot")
    assert snapshot["revision"] == 2
    batch = batch_of(snapshot, 2000, slow=0.02, prefix="after", over=timedelta(seconds=0.5))
    with closing(server.holder("telemetry")) as intake:
        assert intake.post("/api/v1/telemetry", json=batch).json()["refused"] == []
    again(server)  # before the evidence was looked at

    checked = change(server, f"/cases/{case_id}/check", {})
    assert (checked["flag"], checked["phase"]) == (FLAG, "after")
    decision = {
        "choice": "roll_back",
        "rationale": "breached for the candidate",
        "outcome": "reduced",
        "owner": "support-ai-platform",
        "review_date": str(datetime.now(UTC).date() + timedelta(days=7)),
    }
    change(server, f"/cases/{case_id}/close", decision)
    again(server)  # after the decision

    assert read(server, f"/cases/{case_id}")["decision"]["choice"] == "roll_back"
    assert read(server, "/audit/verify")["ok"] is True
