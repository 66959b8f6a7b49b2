"""Streams over a real socket: snapshots and patches for clients, ticks for pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.support.process import ServerProcess
from tests.support.world import ENVIRONMENT, FLAG, PROJECT
from twokey.engine import Snapshot, evaluate
from twokey.engine.patch import Patch, apply_patch
from twokey.engine.wire import PatchMessage, SnapshotMessage, StreamMessage


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    made = ServerProcess(tmp_path / "data").start()
    yield made
    made.stop()


def frames(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    frame: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            frame[name] = value
        elif frame:
            yield frame
            frame = {}


def kill_the_flag(server: ServerProcess) -> None:
    with closing(server.person("root")) as root:
        made = root.post(
            "/api/v1/proposals",
            json={
                "project": PROJECT,
                "environment": ENVIRONMENT,
                "operations": [{"op": "set_enabled", "flag": FLAG, "enabled": False}],
                "reason": "off",
            },
        ).json()
    server.approve("ines", made)
    assert server.approve("mara", made)["status"] == "applied"


def test_a_client_gets_the_snapshot_and_then_a_patch_for_every_change(server: ServerProcess) -> None:
    staff = {"targetingKey": "u", "conversation": "c", "email": "ines@example.com"}
    with closing(server.holder("evaluate")) as client, client.stream("GET", "/stream/v1/snapshot") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        arriving = frames(answer.iter_lines())
        first = msgspec.json.decode(next(arriving)["data"], type=StreamMessage)
        assert isinstance(first, SnapshotMessage)
        snapshot = Snapshot.from_json(bytes(first.snapshot))
        assert evaluate(snapshot, FLAG, staff).variation == "reranker_v2"

        kill_the_flag(server)
        frame = next(arriving)
        second = msgspec.json.decode(frame["data"], type=StreamMessage)
        assert isinstance(second, PatchMessage)
        patched = apply_patch(snapshot, Patch.from_json(bytes(second.patch)))
        assert (frame["event"], patched.digest) == ("patch", second.digest)
        assert frame["id"] == f"2-{second.digest.removeprefix('sha256:')[:16]}"
        assert evaluate(patched, FLAG, staff).variation == "baseline"


def test_the_stream_is_for_tokens_that_may_evaluate(server: ServerProcess) -> None:
    assert httpx.get(f"{server.url}/stream/v1/snapshot").status_code == 401
    with closing(server.holder("telemetry")) as client:
        assert client.get("/stream/v1/snapshot").status_code == 403


def test_pages_hear_of_every_commit(server: ServerProcess) -> None:
    with closing(server.person("mara")) as mara, mara.stream("GET", "/api/v1/events") as answer:
        arriving = frames(answer.iter_lines())
        before = msgspec.json.decode(next(arriving)["data"])
        kill_the_flag(server)
        after = msgspec.json.decode(next(arriving)["data"])
        assert after["entry"] > before["entry"]


def test_a_server_that_is_told_to_stop_ends_its_streams_in_good_order(server: ServerProcess) -> None:
    with (
        closing(server.holder("evaluate")) as client,
        closing(server.person("mara")) as mara,
        client.stream("GET", "/stream/v1/snapshot") as flags,
        mara.stream("GET", "/api/v1/events") as ticks,
    ):
        lines, page = flags.iter_lines(), ticks.iter_lines()
        assert next(lines).startswith("id: 1-")
        assert next(page) == "event: changed"
        server.stop()
        # A stream that is broken off would raise here.
        assert list(lines)[-2:] == [": the server ends this stream", ""]
        list(page)
