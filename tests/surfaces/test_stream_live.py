"""The stream on a real socket: who stops reading is cut, who may not stay ends, and nobody else notices."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import msgspec
import pytest

from tests.client.live import Live, eventually
from tests.e2e.test_stream import frames
from tests.support.world import ENVIRONMENT, PROJECT, World
from twokey.adapters import system
from twokey.client import TwokeyClient
from twokey.client.following import StreamFollowing
from twokey.domain.identity import SYSTEM, ActorKind, Scope
from twokey.domain.operation import EditSegment, SetEnabled
from twokey.engine import Snapshot
from twokey.engine.patch import Patch, apply_patch
from twokey.engine.wire import StreamMessage
from twokey.steps.manage_access import TokenRequest, create_token, revoke_token
from twokey.surfaces.hub import Mark, broadcast
from twokey.surfaces.stream import Stream

PATH = "/stream/v1/snapshot"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    world = World(tmp_path)
    made = Live(world).start()
    yield made
    made.stop()
    world.close()


class Reader:
    """A client that reads all it gets, in a thread, and keeps the snapshot that results."""

    def __init__(self, live: Live, token: str, last: str = "") -> None:
        self.held: Snapshot | None = None
        self.patches, self.comments, self.last = 0, 0, last
        self.ended = threading.Event()
        self._client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)
        self._url = live.url + PATH
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        headers = {"Last-Event-ID": self.last} if self.last else {}
        # A server that is stopped at the end of a test breaks the connection off.
        with (
            suppress(httpx.TransportError),
            self._client,
            self._client.stream("GET", self._url, headers=headers) as answer,
        ):
            for frame in frames(self._lines(answer)):
                message = msgspec.json.decode(frame["data"], type=StreamMessage)
                if frame["event"] == "snapshot":
                    self.held = Snapshot.from_json(bytes(message.snapshot))  # type: ignore[union-attr]
                else:
                    assert self.held is not None
                    self.held = apply_patch(self.held, Patch.from_json(bytes(message.patch)))  # type: ignore[union-attr]
                    self.patches += 1
                self.last = frame["id"]
        self.ended.set()

    def _lines(self, answer: httpx.Response) -> Iterator[str]:
        for line in answer.iter_lines():
            self.comments += line.startswith(":")
            yield line

    def at(self, revision: int) -> bool:
        return self.held is not None and self.held.revision == revision


def silent(live: Live, token: str) -> socket.socket:
    """A client that asks for the stream and then reads nothing."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.connect(("127.0.0.1", live.port))
    made.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return made


def publish_much(live: Live, times: int) -> int:
    """So many revisions of some 300 kB each; the last one."""
    for number in range(times):
        people = tuple(f"{number:06}-{index:02}-{'x' * 30_000}" for index in range(10))
        live.change(EditSegment(segment="internal-staff", included=people))
    return live.world.revision


def test_a_client_that_stops_reading_is_cut_and_the_others_miss_nothing(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = threading.Event()
    cut = broadcast._Line.cut

    def seen(line: broadcast._Line) -> None:
        cut(line)
        cuts.set()

    monkeypatch.setattr(broadcast, "PATIENCE", 1.0)
    monkeypatch.setattr(broadcast, "LOOK", 0.1)
    monkeypatch.setattr(broadcast._Line, "cut", seen)
    token = live.token(Scope.FLAGS_EVALUATE)
    reader, stuck = Reader(live, token), silent(live, token)
    eventually(lambda: reader.at(1), "the first snapshot")
    last = publish_much(live, 20)
    eventually(lambda: reader.at(last), "the last revision")
    assert cuts.wait(20)
    live.change(SetEnabled(flag="new_header", enabled=False))
    eventually(lambda: reader.at(last + 1), "the revision after the cut")
    assert not reader.ended.is_set()
    with stuck:
        # Only now does it read: what the kernel held, and then an end in the middle of things.
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        got = b"".join(iter(lambda: stuck.recv(1 << 20), b""))
    assert got.startswith(b"HTTP/1.1 200")
    assert f"id: {last}-".encode() not in got
    assert not got.endswith(b"0\r\n\r\n")


def test_a_revoked_token_ends_its_stream_and_no_other(live: Live) -> None:
    mine, other = live.token(Scope.FLAGS_EVALUATE), live.token(Scope.FLAGS_EVALUATE)
    gone, stays = Reader(live, mine), Reader(live, other)
    eventually(lambda: gone.at(1) and stays.at(1), "both snapshots")
    revoke_token(live.world.store, SYSTEM, token_id(live, mine))
    assert gone.ended.wait(20)
    assert httpx.get(live.url + PATH, headers={"Authorization": f"Bearer {mine}"}).status_code == 401
    live.change(SetEnabled(flag="new_header", enabled=False))
    eventually(lambda: stays.at(2), "the next revision")
    assert not stays.ended.is_set()


def token_id(live: Live, secret: str) -> str:
    with live.world.store.read() as uow:
        (found,) = uow.tokens.where(secret_hash=system.hash_secret(secret))
    return found.id


def test_a_token_that_expires_ends_its_stream(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "LOOK", 0.05)
    wanted = TokenRequest(
        name="short",
        kind=ActorKind.SERVICE,
        scopes=frozenset({Scope.FLAGS_EVALUATE}),
        project=PROJECT,
        environment=ENVIRONMENT,
        expires_at=live.world.clock() + timedelta(hours=1),
    )
    reader = Reader(live, create_token(live.world.store, system, SYSTEM, wanted)[1])
    eventually(lambda: reader.at(1), "the first snapshot")
    assert not reader.ended.is_set()
    live.world.clock.forward(hours=1)
    assert reader.ended.wait(20)


def test_a_silent_stream_is_told_that_it_lives(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "HEARTBEAT", 0.05)
    monkeypatch.setattr(broadcast, "LOOK", 0.05)
    reader = Reader(live, live.token(Scope.FLAGS_EVALUATE))
    eventually(lambda: reader.comments >= 3, "three heartbeats")
    assert reader.patches == 0


def test_a_client_that_was_away_gets_the_patches_alone(live: Live) -> None:
    token = live.token(Scope.FLAGS_EVALUATE)
    first = Reader(live, token)
    eventually(lambda: first.at(1), "the first snapshot")
    for enabled in (False, True):
        live.change(SetEnabled(flag="new_header", enabled=enabled))
    headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": "1"}
    with httpx.stream("GET", live.url + PATH, headers=headers, trust_env=False) as answer:
        arriving = frames(answer.iter_lines())
        assert [next(arriving)["event"] for _ in range(2)] == ["patch", "patch"]


def test_a_server_that_starts_again_goes_on_where_it_was(live: Live) -> None:
    token = live.token(Scope.FLAGS_EVALUATE)
    live.change(SetEnabled(flag="new_header", enabled=False))
    before = Reader(live, token)
    eventually(lambda: before.at(2), "revision 2")
    last = before.last
    live.stop()
    live.start()
    headers = {"Authorization": f"Bearer {token}", "Last-Event-ID": last}
    with httpx.stream("GET", live.url + PATH, headers=headers, trust_env=False) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith(":")
        live.change(SetEnabled(flag="new_header", enabled=True))
        frame = next(frames(lines))
    assert (frame["event"], frame["id"].partition("-")[0]) == ("patch", "3")


@pytest.mark.parametrize("refused", [0, 2])
def test_a_client_goes_on_by_the_id_that_it_was_given(live: Live, refused: int) -> None:
    """So a server that was put back, and has come to the same revision by another way, does not say `nothing new`."""
    asked: list[str] = []
    tries: list[int] = []
    admitted, follow = Stream._admitted, StreamFollowing.follow

    async def seen(self: Stream, scope: dict[str, Any]) -> Any:
        asked.append(dict(scope["headers"]).get(b"last-event-id", b"").decode())
        return await admitted(self, scope)

    def counted(self: StreamFollowing, *given: Any) -> None:
        tries.append(1)
        follow(self, *given)

    with patch.object(Stream, "_admitted", seen), patch.object(StreamFollowing, "follow", counted):
        follower = TwokeyClient(live.stream(), reporting=None)
        follower.start()
        live.change(SetEnabled(flag="new_header", enabled=False))
        eventually(lambda: follower.snapshot is not None and follower.snapshot.revision == 2, "the change")
        live.stop()
        eventually(lambda: len(tries) >= refused + 1, "tries in vain")
        live.start()
        eventually(lambda: len(asked) == 2, "its return")
        follower.close()
    assert asked == ["", str(Mark.of(live.world.snapshot))]
    assert asked[1].startswith("2-")
