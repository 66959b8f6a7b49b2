"""`kill -9` at any moment of a guarded rollout changes nothing in how it ends: harm alone is taken back, and once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.support.process import ServerProcess, eventually
from tests.support.traffic import batch_of
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, support_control

PLAN: dict[str, Any] = {
    "flag": FLAG,
    "rule": "pro-10",
    "candidate": "reranker_v2",
    "stages": [
        {"share": 25_000, "minutes": 0.05, "units": 300, "at_most": 60},
        {"share": 50_000, "minutes": 0.05, "units": 300, "at_most": 60},
        {"share": 100_000, "minutes": 60, "opens": "approval"},
    ],
}
PAUSE = 0.5
"""Between two batches: the 1,500 conversations of one are as many as a stage needs, and both cores have other work."""
SNAPSHOT = f"/projects/{PROJECT}/environments/{ENVIRONMENT}/snapshot"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    watched = support_control()
    made = ServerProcess(tmp_path / "data", msgspec.structs.replace(watched, guardrails=watched.guardrails[:1])).start()
    yield made
    made.stop()


def read(server: ServerProcess, path: str) -> Any:
    with closing(server.person("mara")) as mara:
        answer = mara.get(f"/api/v1{path}")
        answer.raise_for_status()
        return answer.json()


class Traffic(threading.Thread):
    """An application under load: it goes by the last snapshot it saw, and sends each batch until it is acknowledged.

    From the second stage on its candidate is slower by `harm`; both arms grow slower by `drift` with every batch.
    """

    def __init__(self, server: ServerProcess, *, harm: float = 0.0, drift: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.server, self.harm, self.drift, self.over = server, harm, drift, threading.Event()
        self.snapshot = read(server, SNAPSHOT)

    def run(self) -> None:
        for number in count():
            if self.over.is_set():
                return
            with suppress(httpx.HTTPError):
                self.snapshot = read(self.server, SNAPSHOT)
            slow = min(0.2 + self.drift * number, 0.6)
            candidate = slow + (self.harm if self.snapshot["revision"] >= 3 else 0.0)
            batch = batch_of(
                self.snapshot, 1500, slow=slow, slow_candidate=candidate, prefix=f"b-{number}", seed=number,
                over=timedelta(seconds=1),
            )  # fmt: skip
            self._send(batch)
            self.over.wait(PAUSE)

    def end(self) -> None:
        self.over.set()
        self.join(timeout=30)

    def _send(self, batch: dict[str, Any]) -> None:
        while not self.over.is_set():
            with suppress(httpx.HTTPError), closing(self.server.holder("telemetry")) as intake:
                if intake.post("/api/v1/telemetry", json=batch).status_code == 200:
                    return
            time.sleep(0.2)


def begun(server: ServerProcess) -> str:
    wanted = {"project": PROJECT, "environment": ENVIRONMENT, "plan": PLAN, "reason": "it looks good"}
    with closing(server.person("root")) as root:
        made = root.post("/api/v1/proposals/rollout", json=wanted).json()
    for name in ("ines", "mara"):
        server.approve(name, made)
    return str(read(server, "/rollouts")[0]["id"])


def kill_thrice(server: ServerProcess, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(3):
        time.sleep(chance.uniform(0.5, 6))
        server.kill()
        server.start()


def eventually_at(server: ServerProcess, id: str, status: str, stage: int) -> dict[str, Any]:
    """The rollout once it stands there. A job whose worker died waits for its lease to run out."""

    def look() -> dict[str, Any] | None:
        with suppress(httpx.HTTPError):
            found: dict[str, Any] = read(server, f"/rollouts/{id}")
            return found if (found["status"], found["stage"]) == (status, stage) else None
        return None

    return eventually(look, what=f"{status} at stage {stage}", seconds=240)


def causes(server: ServerProcess, rollout: dict[str, Any]) -> list[str]:
    assert read(server, "/audit/verify")["ok"] is True
    return [each["cause"] for each in read(server, "/changes") if each["proposal"] == rollout["proposal"]]


def test_harm_in_the_second_stage_is_taken_back_once_whatever_is_killed(server: ServerProcess) -> None:
    called, traffic = begun(server), Traffic(server, harm=0.5)
    traffic.start()
    try:
        kill_thrice(server, seed=7)
        rollout = eventually_at(server, called, "rolled_back", 1)
    finally:
        traffic.end()
    assert causes(server, rollout) == ["rollback", "rollout", "proposal"]


def test_drift_in_both_arms_is_no_harm_and_it_reaches_its_last_stage_once_whatever_is_killed(
    server: ServerProcess,
) -> None:
    called, traffic = begun(server), Traffic(server, drift=0.02)
    traffic.start()
    try:
        kill_thrice(server, seed=8)
        rollout = eventually_at(server, called, "running", 2)
    finally:
        traffic.end()
    assert causes(server, rollout) == ["rollout", "rollout", "proposal"]
