"""The client's parts by themselves: frames, waits, the file on disk, what a change reaches, addresses, TLS."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.client.hostile import Visitor, hostile, whole
from tests.client.live import eventually
from tests.client.test_hostile_servers import GOOD, NEXT, TAMPERED, begin
from tests.support.world import FLAG, initial_state, plain_control, support_control
from twokey.client import NotServed, Poll, Reporting, Status, Stream, TwokeyClient
from twokey.client.backoff import LONGEST_REQUEST, Backoff
from twokey.client.changes import changed_flags
from twokey.client.disk import LastKnownGood
from twokey.client.exchange import retry_after
from twokey.client.frames import Frame, Frames
from twokey.client.troubles import UnsoundSnapshot
from twokey.domain.control import State
from twokey.engine import Clause, Invalid, Operator, Prerequisite, Segment, SegmentRule, Snapshot

Make = Callable[..., TwokeyClient]
AUTHORITY = trustme.CA()
WIRE = b": hello\n\nid: 1\nevent: snapshot\ndata: {a\ndata:b}\r\n\r\nretry: 10\n\nevent: empty\n\ndata: z\xc3\xa4h\n\n"
FRAMES = [Frame("snapshot", b"{a\nb}"), Frame("message", "zäh".encode())]


@given(st.lists(st.integers(0, len(WIRE)), max_size=8))
def test_frames_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    frames, found = Frames(), list[Frame]()
    for start, end in pairwise([0, *sorted(cuts), len(WIRE)]):
        found += frames.feed(WIRE[start:end])
    assert found == FRAMES
    assert (frames.comments, frames.unfinished) == (1, False)


@pytest.mark.parametrize("raw", [b"da", b"data: x", b"data: x\n", b"event: patch\n", b"data: x\n\n:"])
def test_an_unfinished_frame_is_seen(raw: bytes) -> None:
    frames = Frames()
    frames.feed(raw)
    assert frames.unfinished


@pytest.mark.parametrize("raw", [b"x" * 101, b"data: 45678901234567890\n" * 6, b"event: " + b"e" * 200])
def test_what_is_kept_of_a_frame_is_bounded(raw: bytes) -> None:
    with pytest.raises(UnsoundSnapshot):
        Frames(limit=100).feed(raw)


def test_waits_grow_to_a_cap_are_never_in_step_and_begin_again() -> None:
    for _ in range(200):
        backoff = Backoff(first=1.0, cap=8.0)
        waits = [backoff.next() for _ in range(6)]
        for wait, longest in zip(waits, [1, 2, 4, 8, 8, 8], strict=True):
            assert longest / 2 <= wait <= longest
        backoff.reset()
        assert backoff.next() <= 1.0
    assert len({Backoff().next() for _ in range(50)}) > 40


def test_a_server_is_left_alone_at_least_as_long_as_it_asks_and_not_for_ever() -> None:
    assert Backoff().next(retry_after=60.0) >= 60.0
    assert Backoff().next(retry_after=1e9) <= LONGEST_REQUEST + 1


@pytest.mark.parametrize(
    ("named", "seconds"),
    [("7", 7.0), (" 0 ", 0.0), ("", None), ("soon", None), ("-3", None), ("٣", None), ("1e3", None)],
)
def test_retry_after_names_seconds(named: str, seconds: float | None) -> None:
    assert retry_after(named) == seconds


def test_retry_after_may_name_a_date() -> None:
    ahead = retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True))
    assert ahead is not None
    assert 90 < ahead <= 100
    assert retry_after(format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)) == 0.0


def test_what_was_saved_is_loaded_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text("old")
    path.chmod(0o666)
    LastKnownGood(path).save(GOOD)
    assert LastKnownGood(path).load() == GOOD
    assert path.stat().st_mode & 0o777 == 0o600


BARE = GOOD.to_json().replace(f'"digest":"{GOOD.digest}",'.encode(), b"")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        TAMPERED,
        BARE,
        GOOD.to_json()[:-200],
        b"[]",
        b"\xff\xfe",
        GOOD.to_json().replace(b"twokey/1", b"twokey/2"),
    ],
)
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "flags.json"
    path.write_bytes(content)
    assert LastKnownGood(path).load() is None


def test_a_disk_that_cannot_be_written_or_read_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    LastKnownGood(tmp_path / "file" / "flags.json").save(GOOD)
    assert LastKnownGood(tmp_path / "file" / "flags.json").load() is None
    assert LastKnownGood(tmp_path).load() is None


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = LastKnownGood(tmp_path / "flags.json")
    disk.save(GOOD)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    disk.save(NEXT)
    assert disk.load() == GOOD
    assert [each.name for each in tmp_path.iterdir()] == ["flags.json"]


def shop() -> State:
    """b asks for a, c for b; the support flag leans on a segment that leans on another."""
    controls = (
        support_control(),
        plain_control("a"),
        plain_control("b", prerequisites=(Prerequisite(flag="a", variations=("on",)),)),
        plain_control("c", prerequisites=(Prerequisite(flag="b", variations=("on",)),)),
    )
    state = initial_state(*controls)
    inner = Segment(key="inner", included=("u-1",))
    clause = Clause(attribute="targetingKey", operator=Operator.IN_SEGMENT, values=("inner",))
    staff = replace(state.segments["internal-staff"], rules=(SegmentRule(clauses=(clause,)),))
    return replace(state, segments={"inner": inner, "internal-staff": staff})


def after(state: State, key: str) -> Snapshot:
    control = state.controls[key]
    edited = replace(control, flag=replace(control.flag, enabled=False))
    return replace(state, revision=1, controls={**state.controls, key: edited}).snapshot()


def test_a_change_reaches_the_flags_that_lean_on_it() -> None:
    state = shop()
    old = state.snapshot()
    assert changed_flags(old, after(state, "a")) == ("a", "b", "c")
    assert changed_flags(old, after(state, "c")) == ("c",)
    inner = replace(state, segments={**state.segments, "inner": Segment(key="inner", included=("u-2",))})
    assert changed_flags(old, inner.snapshot()) == (FLAG,)
    less = replace(state, controls={key: each for key, each in state.controls.items() if key != "c"})
    assert changed_flags(old, less.snapshot()) == ("c",)
    assert changed_flags(less.snapshot(), old) == ("c",)
    assert changed_flags(old, old) == ()


@pytest.mark.parametrize(
    "url",
    ["", "flags.example.com", "ftp://x", "https://", "https://u:p@x", "https://x?a=1", "https://x#f", "file:///etc"],
)
def test_an_address_that_is_no_servers_is_refused_at_once(url: str) -> None:
    for spec in (Stream, Reporting):
        with pytest.raises(Invalid):
            spec(url=url, token="t")
    with pytest.raises(Invalid):
        Poll(url=url, token="t", project="p", environment="e")


def test_a_server_below_a_path_is_asked_below_it(client: Make) -> None:
    with hostile(begin(GOOD)) as server:
        follower = client(Stream(url=f"{server.url}/flags/", token="t0k"), reporting=None)
        assert follower.start() is Status.READY
        visit = server.visits.get(timeout=10)
    assert visit.request.startswith(b"GET /flags/stream/v1/snapshot HTTP/1.1\r\n")
    assert visit.headers["authorization"] == "Bearer t0k"


def test_the_environments_proxy_is_asked(client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with hostile(begin(GOOD)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        follower = client(Stream(url="http://flags.invalid", token="t"), reporting=None)
        assert follower.start() is Status.READY
        assert proxy.visits.get(timeout=10).request.startswith(b"GET http://flags.invalid/stream/v1/snapshot ")


@pytest.fixture
def secure() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def test_over_tls_a_quiet_stream_is_followed_and_closing_ends_it_at_once(client: Make, secure: ssl.SSLContext) -> None:
    def quiet(visitor: Visitor) -> None:
        visitor.stream(whole(GOOD))
        visitor.linger()

    with hostile(quiet, tls=secure) as server:
        trust = ssl.create_default_context()
        AUTHORITY.configure_trust(trust)
        follower = client(Stream(url=server.url.replace("http:", "https:"), token="t", tls=trust), reporting=None)
        assert follower.start() is Status.READY
        thread = follower._follower._thread
        assert thread is not None
        follower.close(patience=20)
        eventually(lambda: not thread.is_alive(), "the end of the thread", seconds=5)


def test_a_certificate_that_nobody_vouches_for_is_refused(client: Make, secure: ssl.SSLContext) -> None:
    with hostile(begin(GOOD), tls=secure) as server:
        follower = client(Stream(url=server.url.replace("http:", "https:"), token="t"), reporting=None)
        assert follower.start() is Status.ERROR
        assert isinstance(follower.trouble, NotServed)
        assert "certificate is not trusted" in str(follower.trouble)
