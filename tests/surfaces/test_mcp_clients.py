"""The official client in each era, before a server process as it is started: all that an agent does, either way in."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.support.process import ServerProcess
from tests.support.server import alertmanager_body
from tests.support.world import ENVIRONMENT, FLAG, PROJECT
from twokey.adapters import system
from twokey.domain.identity import AGENT_SCOPES, SYSTEM, ActorKind
from twokey.steps.manage_access import TokenRequest, create_token
from twokey.wiring import open_store

PLACE = {"project": PROJECT, "environment": ENVIRONMENT}
OFF = [{"op": "set_enabled", "flag": FLAG, "enabled": False}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Where a server listens, an agent's secret, and a case."""
    folder = tmp_path_factory.mktemp("mcp")
    (folder / "books").mkdir()
    (folder / "books" / "slow.md").write_text("# Slow answers\n\n1. Look at the reranker\n")
    process = ServerProcess(folder / "data", options=("--runbooks", str(folder / "books"), "--agent-calls", "500"))
    secret = server_token(process)
    process.start()
    try:
        with process.holder("signals") as source:
            sent = source.post("/signals/v1/alertmanager", json=alertmanager_body("AnswerLatencyHigh"))
        yield process.url, secret, sent.json()["results"][0]["case"]
    finally:
        process.stop()


def server_token(server: ServerProcess) -> str:
    store = open_store(server.settings)
    wanted = TokenRequest(
        name="agent", kind=ActorKind.AGENT, scopes=AGENT_SCOPES, project=PROJECT, environment=ENVIRONMENT,
        expires_at=None, on_behalf_of="mara",
    )  # fmt: skip
    secret = create_token(store, system, SYSTEM, wanted)[1]
    store.close()
    return secret


async def called(client: Client, name: str, **arguments: Any) -> Any:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content["data"]


@pytest.mark.parametrize("era", ["auto", "legacy", "2026-07-28"])
def test_an_agent_lists_reads_explains_supposes_drafts_and_annotates(server: tuple[str, str, str], era: Any) -> None:
    url, secret, case = server

    async def work() -> None:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {secret}"}, timeout=30) as http,
            Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=era) as client,
        ):
            names = [each.name for each in (await client.list_tools()).tools]
            assert names[0] == "list_cases"
            assert case in [each["id"] for each in await called(client, "list_cases")]
            assert (await called(client, "get_case", id=case))["signal_list"][0]["name"] == "AnswerLatencyHigh"
            assert (await called(client, "search_runbooks", words="reranker"))[0]["runbook"] == "slow.md"
            assert (await called(client, "get_flag", **PLACE, key=FLAG))["key"] == FLAG
            context = {"conversation": "c-1", "plan": "pro"}
            explained = await called(client, "explain_evaluation", **PLACE, key=FLAG, context=context)
            assert explained["sentences"]
            supposed = await called(client, "preview_change", **PLACE, operations=OFF)
            assert supposed["effect"] == "narrows"
            made = await called(client, "draft_proposal", **PLACE, operations=OFF, reason=f"it is slow ({era})")
            assert (made["status"], made["author_kind"], made["effect"]) == ("pending", "agent", "narrows")
            assert (await called(client, "get_proposal", id=made["id"]))["gate"]["status"] == "waiting"
            assert (await called(client, "annotate_case", id=case, text=f"drafted ({era})"))[
                "text"
            ] == f"drafted ({era})"
            told = await called(client, "read_audit", **PLACE, limit=5)
            assert f"drafted ({era})" in told[0]["text"]

    asyncio.run(work())


def test_the_discovery_of_a_client_begins_at_the_challenge(server: tuple[str, str, str]) -> None:
    url, _, _ = server
    refused = httpx.post(f"{url}/mcp", json={}, follow_redirects=False)
    where = refused.headers["www-authenticate"].partition('resource_metadata="')[2].partition('"')[0]
    assert (refused.status_code, httpx.get(where).json()["resource"]) == (401, f"{url}/mcp")


@pytest.mark.parametrize("era", ["auto", "legacy"])
def test_over_standard_input_and_output_as_an_agents_client_starts_it(server: tuple[str, str, str], era: Any) -> None:
    url, secret, case = server
    environment = {"TWOKEY_URL": url, "TWOKEY_TOKEN": secret, "PATH": os.environ["PATH"], "PYTHONPATH": "src"}
    started = StdioServerParameters(command=sys.executable, args=["-m", "twokey.cli.main", "mcp"], env=environment)

    async def talk() -> None:
        async with Client(started, mode=era) as client:
            assert "draft_proposal" in [each.name for each in (await client.list_tools()).tools]
            assert (await called(client, "get_flag", **PLACE, key=FLAG))["key"] == FLAG
            assert (await called(client, "preview_change", **PLACE, operations=OFF))["effect"] == "narrows"
            assert (await called(client, "annotate_case", id=case, text="by pipe"))["text"] == "by pipe"

    asyncio.run(talk())
