"""`twokey assist` as it is used: a process of its own, beside a real server process, asking a provider over HTTP.

The process is started with an import hook that refuses every library of a store, a signing key or a server: what it
does, it does without them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.process import ServerProcess, eventually
from tests.support.providers import KEY, MODEL, FakeProvider, Protocol, Status, call, concludes, reads
from tests.support.server import alertmanager_body
from tests.support.traffic import batch_of

ABSTAINS = {"summary": "nothing separates", "reason": "the baseline is as bad"}
WITHOUT = (
    "alembic", "argon2", "authlib", "cedarpy", "clickhouse_connect", "cryptography", "duckdb", "fastapi", "mcp",
    "sqlalchemy", "sqlite3", "starlette", "uvicorn", "twokey.adapters", "twokey.steps", "twokey.surfaces",
    "twokey.wiring",
)  # fmt: skip
PROGRAM = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in {WITHOUT} or name.startswith({tuple(each + "." for each in WITHOUT)}):
            raise ModuleNotFoundError("not in this process: " + name, name=name)
sys.meta_path.insert(0, Refuse())
from twokey.cli.main import main
main()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path_factory.mktemp("assist") / "data").start()
    with closing(made.person("mara")) as mara, closing(made.holder("telemetry")) as intake:
        snapshot = mara.get("/api/v1/projects/support/environments/production/snapshot").json()
        batch = batch_of(snapshot, 3000, slow=0.03, slow_candidate=0.4, prefix="before")
        assert intake.post("/api/v1/telemetry", json=batch).status_code == 200
    yield made
    made.stop()


def a_case(server: ServerProcess, name: str) -> str:
    """A new case that the analyst has looked at."""
    body = alertmanager_body(name, start=datetime.now(UTC).isoformat())
    body["alerts"][0]["labels"]["workflow"] = f"workflow-{name}"
    with closing(server.holder("signals")) as source:
        case: str = source.post("/signals/v1/alertmanager", json=body).json()["results"][0]["case"]
    eventually(lambda: seen(server, case)["status"] in ("triaged", "acting"), what="triage")
    return case


def seen(server: ServerProcess, case: str) -> dict[str, Any]:
    with closing(server.person("mara")) as mara:
        view: dict[str, Any] = mara.get(f"/api/v1/cases/{case}").json()
        return view


def assist(server: ServerProcess, provider: FakeProvider, protocol: Protocol, *arguments: str) -> subprocess.Popen[str]:
    """The process, with no more of this one's environment than it needs."""
    known = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": "src",
        "TWOKEY_URL": server.url,
        "TWOKEY_TOKEN": server.tokens["agent"],
        "TWOKEY_MODEL_PROVIDER": protocol,
        "TWOKEY_MODEL": MODEL,
        "TWOKEY_MODEL_URL": provider.url(protocol),
        "TWOKEY_MODEL_KEY_ENV": "MODEL_KEY",
        "MODEL_KEY": KEY,
    }
    command = [sys.executable, "-c", PROGRAM, "assist", *arguments]
    return subprocess.Popen(command, env=known, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_a_process_without_a_store_puts_a_second_opinion_on_a_case(server: ServerProcess, protocol: Protocol) -> None:
    case = a_case(server, f"Latency{protocol.title()}")
    before = seen(server, case)
    with FakeProvider(Status(429, "0"), reads, concludes) as provider:
        code, out, err = ended(assist(server, provider, protocol, case))
    assert code == 0, err
    assert "stands beside the analyst's finding" in out
    view = seen(server, case)
    (opinion,) = view["opinions"]
    assert (opinion["provenance"]["provider"], opinion["provenance"]["requests"]) == (f"{protocol} at 127.0.0.1", 3)
    assert opinion["compared"] is True
    assert view["finding"] == before["finding"]
    whole = provider.everything + out + err + json.dumps(view)
    assert not [each for each in (KEY, server.tokens["agent"]) if each in whole]


def test_a_run_that_fails_says_so_on_the_case_and_ends_with_an_error(server: ServerProcess) -> None:
    case = a_case(server, "LatencyAgain")
    with FakeProvider(Status(401, message=f"{KEY} is wrong")) as provider:
        code, out, err = ended(assist(server, provider, "openai", case, "--json"))
    assert code == 1
    told = json.loads(out)["error"]
    assert (told["problem"]["why"], told["problem"]["on_record"]) == ("provider", True)
    assert "401" in err
    assert KEY not in out + err
    assert any(
        "finding fail: the provider answered with 401" in each["text"] for each in seen(server, case)["timeline"]
    )


def test_the_watch_gives_each_case_one_run_whatever_becomes_of_its_process(server: ServerProcess) -> None:
    old = a_case(server, "BeforeTheWatch")
    known = {old}

    def told() -> set[str]:
        return {each for each in known if seen(server, each)["opinions"]}

    with FakeProvider(call("abstain", ABSTAINS)) as provider:
        watch = assist(server, provider, "anthropic", "--watch", "--every", "1")
        eventually(lambda: told() == known, what="a run of the case that was there")
        known.add(a_case(server, "WhileWatching"))
        eventually(lambda: told() == known, what="a run of the new case")
        watch.kill()
        watch.communicate()
        runs = len(provider.requests)

        again = assist(server, provider, "anthropic", "--watch", "--every", "1")
        known.add(a_case(server, "AfterTheKill"))
        eventually(lambda: told() == known, what="a run of the case after the restart")
        again.terminate()
        code, out, err = ended(again)
    assert len(provider.requests) == runs + 1
    assert code == 0, err
    assert "stands beside" in out
    assert "Ended." in err


def test_only_an_agents_token_will_do(server: ServerProcess) -> None:
    """One that can send signals or telemetry could make the evidence that a model then reads."""
    token = server.tokens["signals"]
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": "src", "TWOKEY_URL": server.url}
    command = [sys.executable, "-c", PROGRAM, "assist", "case-x", "--provider", "openai", "--model", MODEL]
    ran = subprocess.run(
        command, env={**known, "TWOKEY_TOKEN": token, "OPENAI_API_KEY": KEY}, capture_output=True, text=True
    )
    assert ran.returncode == 2
    assert "is a service's token" in ran.stderr
