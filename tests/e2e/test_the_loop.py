"""The whole loop on real components: Alertmanager, Chromium, the official OFREP client, real requests under a fault."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

from tests.support import browser, nezha
from tests.support.alertmanager import Alertmanager
from tests.support.process import ServerProcess, eventually
from tests.support.world import FLAG, PASSWORD, support_control
from twokey.domain.control import Control

LIMIT_MS = 800.0
SHARE = 30_000


def control() -> Control:
    """The article's flag at 30 percent, guarded by the tail of the latency of real requests."""
    made = support_control(SHARE)
    latency = msgspec.structs.replace(made.guardrails[0], limit=LIMIT_MS)
    return msgspec.structs.replace(made, guardrails=(latency, made.guardrails[2]))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path / "data", control()).start_cold()
    yield made
    made.stop()


@pytest.fixture
def client(server: ServerProcess) -> Iterator[OpenFeatureClient]:
    """The official OFREP client of OpenFeature, unmodified."""
    token = server.tokens["evaluate"]
    provider = OFREPProvider(server.url, headers_factory=lambda: {"Authorization": f"Bearer {token}"})
    api.set_provider(provider)
    yield api.get_client()
    api.shutdown()


@pytest.fixture
def alertmanager(tmp_path: Path, server: ServerProcess) -> Iterator[Alertmanager]:
    made = Alertmanager(tmp_path / "alertmanager", server.url, server.tokens["signals"])
    yield made
    made.stop()


class Latencies:
    """Real durations of one route: in a fault's window, and in normal operation. In milliseconds."""

    def __init__(self) -> None:
        home = nezha.required()
        day, kind, service, route = nezha.SLOW[1]
        chance = random.Random(7)
        self.normal = [each.duration_us / 1000 for each in nezha.normal(home, day, route)]
        self.fault = [
            each.duration_us / 1000 for each in nezha.during(home, nezha.fault(home, day, kind, service), route)
        ]
        chance.shuffle(self.normal)
        self.chance = chance


def ask(client: OpenFeatureClient, unit: str, plan: str = "pro") -> Any:
    context = EvaluationContext(f"u-{unit}", {"conversation": unit, "plan": plan, "region": "eu"})
    details = client.get_string_details(FLAG, "code-default", context)
    assert details.error_code is None, details
    return details


def converse(server: ServerProcess, client: OpenFeatureClient, latencies: Latencies, units: int, prefix: str) -> None:
    """Conversations that ask the real client what they get, then report what they got and how long it took."""
    exposures, metrics = [], []
    for number in range(units):
        unit, at = f"{prefix}-{number}", datetime.now(UTC)
        details = ask(client, unit)
        slow = details.variant != "baseline"
        duration = latencies.chance.choice(latencies.fault if slow else latencies.normal)
        exposures.append(
            {
                "flag": FLAG,
                "rule": details.flag_metadata.get("rule"),
                "revision": details.flag_metadata["revision"],
                "assigned": details.variant,
                "served": details.variant,
                "unit": unit,
                "unit_name": "conversation",
                "at": at.isoformat(),
                "reason": str(details.reason),
                "context": {"conversation": unit, "targetingKey": f"u-{unit}", "plan": "pro", "region": "eu"},
            }
        )
        metrics.append(
            {
                "metric": "answer_latency_ms",
                "value": duration,
                "unit": unit,
                "unit_name": "conversation",
                "at": (at + timedelta(milliseconds=1)).isoformat(),
            }
        )
        metrics.append(
            {
                "metric": "citation_failure",
                "value": 0.0,
                "unit": f"page-{unit}",
                "unit_name": "page",
                "at": (at + timedelta(milliseconds=1)).isoformat(),
            }
        )
    with server.holder("telemetry") as intake:
        answer = intake.post("/api/v1/telemetry", json={"batch_id": prefix, "exposures": exposures, "metrics": metrics})
        assert answer.status_code == 200, answer.text
        assert answer.json()["refused"] == []


def a_case(mara: httpx.Client) -> dict[str, Any] | None:
    rows = mara.get("/api/v1/cases").json()
    return mara.get(f"/api/v1/cases/{rows[0]['id']}").json() if rows else None


def approve_in_the_browser(server: ServerProcess, proposal: str) -> None:
    """A person signs in, reads the proposal, and turns their key with their password."""
    with browser.page() as page:
        page.goto(f"{server.url}/proposals/{proposal}")
        page.get_by_label("Username").fill("mara")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Turn your key").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Password").fill(PASSWORD)
        dialog.get_by_role("button", name="Approve this change").click()
        page.get_by_text("2 of 2 turned").wait_for()


def test_a_real_alert_is_decided_by_two_people_and_real_clients_see_it(
    server: ServerProcess, client: OpenFeatureClient, alertmanager: Alertmanager, tmp_path: Path
) -> None:
    latencies = Latencies()
    converse(server, client, latencies, 900, "before")
    exposed = next(f"before-{n}" for n in range(900) if ask(client, f"before-{n}").variant == "reranker_v2")

    started = datetime.now(UTC).isoformat()
    alertmanager.post("SupportAnswerLatencyHigh", starts_at=started)
    mara = server.person("mara")
    case = eventually(
        lambda: found if (found := a_case(mara)) and found["status"] == "acting" else None, what="the proposal"
    )
    eventually(lambda: a_case(mara)["signal_list"][0]["seen"] > 1, what="a repeat of the alert")  # type: ignore[index]
    assert len(mara.get("/api/v1/cases").json()) == 1
    assert case["finding"]["suspects"][0]["flag"] == FLAG
    before = mara.post(f"/api/v1/cases/{case['id']}/check").json()
    assert {each["guardrail"]: each["status"] for each in before["verdicts"]}["p95_latency"] == "breached"

    proposal = mara.get(f"/api/v1/proposals/{case['proposals'][0]['id']}").json()
    check_the_document(server, mara, proposal)
    assert server.approve("ines", proposal)["status"] == "pending"
    assert ask(client, exposed).variant == "reranker_v2"
    approve_in_the_browser(server, proposal["id"])
    assert ask(client, exposed).variant == "baseline"

    converse(server, client, latencies, 600, "after")
    after = mara.post(f"/api/v1/cases/{case['id']}/check").json()
    verdict = {each["guardrail"]: each for each in after["verdicts"]}["p95_latency"]
    assert (after["phase"], verdict["status"], verdict["observational"]) == ("after", "holding", True), verdict

    alertmanager.post("SupportAnswerLatencyHigh", starts_at=started, ends_at=datetime.now(UTC).isoformat())
    eventually(lambda: a_case(mara)["signal_list"][0]["status"] == "resolved", what="the end of the alert")  # type: ignore[index]
    decision = {
        "choice": "roll_back",
        "rationale": "latency breached for the candidate",
        "outcome": "no harm after",
        "owner": "support-ai-platform",
        "review_date": str(datetime.now(UTC).date() + timedelta(days=14)),
    }
    assert mara.post(f"/api/v1/cases/{case['id']}/close", json=decision).status_code == 200
    check_the_log(server)


def check_the_document(server: ServerProcess, mara: httpx.Client, proposal: dict[str, Any]) -> None:
    """The article's document shape, with real values."""
    document = yaml.safe_load(mara.get(f"/api/v1/proposals/{proposal['id']}/document").text)
    signal, advice = document["operations_signal"], document["assistant_recommendation"]
    assert signal["workflow"] == "support_assistant"
    assert (signal["current_control"], signal["active_candidate"]) == (FLAG, "reranker_v2")
    assert (advice["from"], advice["to"]) == ("30_percent", "internal_only")
    assert advice["approval_required_from"] == ["support_ai_platform_owner", "release_manager"]
    assert "citation" in advice["evidence_gap"]


def verify(server: ServerProcess) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "twokey.cli.main", "audit", "verify", "--database", server.settings.database_url]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def check_the_log(server: ServerProcess) -> None:
    """Verification passes, and fails naming the entry after one byte of one row is changed."""
    server.stop()
    good = verify(server)
    assert good.returncode == 0, good.stderr + good.stdout
    with sqlite3.connect(server.folder / "twokey.db") as connection:
        for (trigger,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f"drop trigger {trigger}")
        (document,) = connection.execute("select document from audit_entries where position = 12").fetchone()
        flipped = document[:-2] + ("x" if document[-2] != "x" else "y") + document[-1]
        connection.execute("update audit_entries set document = ? where position = 12", (flipped,))
    bad = verify(server)
    assert bad.returncode == 6, bad.stdout
    assert "12" in bad.stdout + bad.stderr
