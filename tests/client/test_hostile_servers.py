"""Whatever a server sends, it is taken whole and sound or refused by name, and the last good one keeps serving."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.client.hostile import HEAD, Act, Visitor, framed, hostile, patch, whole
from tests.client.live import eventually
from tests.support.world import FLAG, initial_state
from twokey.client import Event, EventKind, Poll, Status, Stream, TwokeyClient, following
from twokey.engine import Snapshot, diff

Make = Callable[..., TwokeyClient]
STAFF = {"targetingKey": "u-1", "email": "ada@example.com", "conversation": "c-1"}
MIB = 1024 * 1024


def revision(number: int, *, enabled: bool = True, environment: str = "production") -> Snapshot:
    state = initial_state()
    control = state.controls[FLAG]
    controls = {**state.controls, FLAG: replace(control, flag=replace(control.flag, enabled=enabled, revision=number))}
    return replace(state, revision=number, controls=controls, environment=environment).snapshot()


GOOD, NEXT, OLDER = revision(18), revision(19, enabled=False), revision(17, enabled=False)


def begin(snapshot: Snapshot = GOOD, *more: bytes) -> Act:
    """A stream that begins well, says more, and stays open."""

    def act(visitor: Visitor) -> None:
        visitor.stream(whole(snapshot), *more)
        visitor.linger()

    return act


def said(raw: bytes) -> Act:
    """An answer of exactly these bytes, and the end of the connection."""
    return lambda visitor: visitor.send(raw)


def broken_off(raw: bytes) -> Act:
    def act(visitor: Visitor) -> None:
        visitor.stream(whole(GOOD))
        visitor.send(raw)

    return act


def plain(document: bytes, *, length: int | None = None) -> bytes:
    size = len(document) if length is None else length
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size + document


def altered(old: bytes, new: bytes, snapshot: Snapshot = NEXT) -> bytes:
    """The snapshot's bytes with one thing changed, and its digest left as it was."""
    raw = snapshot.to_json()
    assert old in raw
    return raw.replace(old, new)


UNKNOWN_OPERATOR = altered(b'"operator":"in"', b'"operator":"smells_like"')
TAMPERED = altered(b'"enabled":false', b'"enabled":true')
REFUSALS: dict[str, tuple[bytes, str]] = {
    "a digest that does not fit the message": (whole(NEXT, digest=GOOD.digest), "WrongDigest"),
    "content that does not fit its digest": (
        whole(NEXT, raw=altered(b'"enabled":false', b'"enabled":true')),
        "WrongDigest",
    ),
    "a snapshot without its digest": (
        whole(NEXT, raw=altered(f'"digest":"{NEXT.digest}",'.encode(), b"")),
        "WrongDigest",
    ),
    "an older revision": (whole(OLDER), "OlderRevision"),
    "the same revision with other content": (whole(revision(18, enabled=False)), "OlderRevision"),
    "another environment": (whole(revision(19, environment="staging")), "OtherEnvironment"),
    "an unknown format": (whole(NEXT, raw=altered(b"twokey/1", b"twokey/9")), "UnknownFormat"),
    "an unknown format with unknown fields": (
        whole(NEXT, raw=b'{"format":"twokey/9","digest":"x","magic":[1,2,3]}'),
        "UnknownFormat",
    ),
    "a flag that does not parse": (whole(NEXT, raw=UNKNOWN_OPERATOR), "UnsoundSnapshot"),
    "a patch with a flag that does not parse": (
        patch(GOOD, NEXT, raw=b'{"from_revision":18,"to_revision":19,"digest":"x","flags":{"set":[{"key":"a"}]}}'),
        "UnsoundSnapshot",
    ),
    "a patch that leads elsewhere than it says": (
        patch(GOOD, replace(NEXT, digest=GOOD.digest)),
        "WrongDigest",
    ),
    "a patch whose message promises something else": (
        patch(GOOD, NEXT, raw=diff(GOOD, revision(20)).to_json()),
        "WrongDigest",
    ),
    "a patch from a revision that was missed": (patch(NEXT, revision(20)), "MissedRevision"),
    "a patch into the past": (patch(revision(16), OLDER), "OlderRevision"),
    "data that is no JSON": (framed("snapshot", 19, b"{oops"), "UnsoundSnapshot"),
    "data that nests without end": (framed("snapshot", 19, b'{"type":' + b"[" * 100_000), "UnsoundSnapshot"),
}


@pytest.mark.parametrize(("frame", "name"), REFUSALS.values(), ids=REFUSALS.keys())
def test_it_is_refused_by_name_and_the_last_good_one_serves(client: Make, frame: bytes, name: str) -> None:
    heard: list[Event] = []
    with hostile(begin(GOOD, frame), begin(NEXT)) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        follower.listen(heard.append)
        follower.start()
        eventually(lambda: len(heard) >= 3, "the refusal and the recovery")
        eventually(lambda: follower.evaluate(FLAG, STAFF).variation == "baseline", "the sound one")
    assert heard[0].kind is EventKind.READY
    assert heard[1].kind in (EventKind.STALE, EventKind.ERROR)
    assert type(heard[1].trouble).__name__ == name
    assert heard[1].message is not None
    assert heard[1].message.startswith(name)
    assert heard[2].kind is EventKind.READY


def test_while_only_refused_ones_are_offered_the_last_good_one_serves(client: Make) -> None:
    with hostile(begin(GOOD), begin(OLDER)) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        follower.start()
        server.visits.get(timeout=10).over.set()
        for _ in range(3):
            server.visits.get(timeout=10)
        eventually(lambda: follower.status is Status.STALE, "the refusal")
        assert follower.evaluate(FLAG, STAFF).variation == "reranker_v2"
        assert follower.snapshot == GOOD


def test_the_refusal_of_a_flag_names_the_flag_and_the_field(client: Make) -> None:
    with hostile(
        begin(GOOD, whole(NEXT, raw=UNKNOWN_OPERATOR)), begin(GOOD, whole(NEXT, raw=UNKNOWN_OPERATOR))
    ) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        heard: list[Event] = []
        follower.listen(heard.append)
        follower.start()
        eventually(lambda: len(heard) >= 2, "the refusal")
    assert f"flag {FLAG}, rule pro-10" in str(heard[1].trouble)
    assert "smells_like" in str(heard[1].trouble)


TRUNCATIONS: dict[str, Act] = {
    "within a chunk": broken_off(b"ffff\r\nid: 19\nevent: snapshot\ndata: {"),
    "after a chunk": broken_off(b"8\r\nid: 19\nd\r\n"),
    "with a proper end of the body in the middle of a frame": broken_off(b"8\r\nid: 19\nd\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("act", TRUNCATIONS.values(), ids=TRUNCATIONS.keys())
def test_a_stream_that_ends_in_the_middle_of_a_message_is_truncated(client: Make, act: Act) -> None:
    with hostile(act, begin(NEXT)) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        heard: list[Event] = []
        follower.listen(heard.append)
        follower.start()
        eventually(lambda: follower.snapshot == NEXT, "the recovery")
        eventually(lambda: len(heard) >= 4, "the events")
    kinds = [each.kind for each in heard]
    assert kinds[:4] == [EventKind.READY, EventKind.STALE, EventKind.READY, EventKind.CHANGED]
    assert type(heard[1].trouble).__name__ == "Truncated"


def test_an_answer_shorter_than_it_says_is_truncated(client: Make) -> None:
    document = GOOD.to_json()
    with hostile(said(plain(document[:-100], length=len(document))), said(plain(document))) as server:
        poll = Poll(url=server.url, token="t", project="support", environment="production", every=0.1)
        follower = client(poll, reporting=None)
        heard: list[Event] = []
        follower.listen(heard.append)
        follower.start()
        eventually(lambda: follower.status is Status.READY, "the recovery")
    assert type(heard[0].trouble).__name__ == "Truncated"


def test_polling_sends_the_tag_of_what_it_holds_and_of_nothing_else(client: Make) -> None:
    def tagged(snapshot: Snapshot) -> bytes:
        document = snapshot.to_json()
        return plain(document).replace(b"\r\n\r\n", f'\r\nETag: "{snapshot.revision}"\r\n\r\n'.encode(), 1)

    unchanged = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    with hostile(
        said(tagged(GOOD)), said(unchanged), said(tagged(NEXT)), said(tagged(OLDER)), said(unchanged)
    ) as server:
        poll = Poll(url=server.url, token="t", project="support", environment="production", every=0.02)
        follower = client(poll, reporting=None)
        heard: list[Event] = []
        follower.listen(heard.append)
        follower.start()
        tags = [server.visits.get(timeout=10).headers.get("if-none-match") for _ in range(5)]
        eventually(lambda: len(heard) >= 4, "the events")
    assert tags == [None, '"18"', '"18"', '"19"', '"19"']
    kinds = [each.kind for each in heard]
    assert kinds[:4] == [EventKind.READY, EventKind.CHANGED, EventKind.STALE, EventKind.READY]


def test_a_head_that_drips_byte_by_byte_holds_nobody(client: Make) -> None:
    def drip(visitor: Visitor) -> None:
        for byte in HEAD * 100:
            visitor.send(bytes([byte]))
            if visitor.over.wait(0.05):
                return

    with hostile(drip, begin(GOOD)) as server:
        follower = client(Stream(url=server.url, token="t", connect_timeout=0.5), reporting=None)
        heard: list[Event] = []
        follower.listen(heard.append)
        assert follower.start(patience=20) is Status.READY
    assert "in time" in str(heard[0].trouble)


def test_a_body_that_drips_byte_by_byte_holds_nobody(client: Make) -> None:
    def drip(visitor: Visitor) -> None:
        visitor.send(plain(b"", length=1000))
        while not visitor.over.wait(0.05):
            visitor.send(b" ")

    with hostile(drip, said(plain(GOOD.to_json()))) as server:
        poll = Poll(url=server.url, token="t", project="support", environment="production", connect_timeout=0.5)
        follower = client(poll, reporting=None)
        heard: list[Event] = []
        follower.listen(heard.append)
        assert follower.start(patience=20) is Status.READY
    assert "next to nothing" in str(heard[0].trouble)


def test_a_sender_that_is_slow_and_not_stopped_is_waited_for(client: Make) -> None:
    document = GOOD.to_json() + b" " * 300_000

    def slow(visitor: Visitor) -> None:
        visitor.send(plain(b"", length=len(document)))
        for start in range(0, len(document), 30_000):
            visitor.send(document[start : start + 30_000])
            visitor.over.wait(0.08)
        visitor.linger()

    with hostile(slow, said(b"")) as server:
        poll = Poll(url=server.url, token="t", project="support", environment="production", connect_timeout=0.5)
        assert client(poll, reporting=None).start(patience=20) is Status.READY


def test_a_stream_that_drips_without_finishing_a_line_counts_as_lost(client: Make) -> None:
    def drip(visitor: Visitor) -> None:
        visitor.stream(whole(GOOD))
        while not visitor.over.wait(0.02):
            visitor.chunk(b"x")

    with hostile(drip, begin(NEXT)) as server:
        follower = client(Stream(url=server.url, token="t", silence=0.3), reporting=None)
        follower.start()
        eventually(lambda: follower.snapshot == NEXT, "another try")


def test_a_stream_that_falls_silent_counts_as_lost(client: Make) -> None:
    with hostile(begin(GOOD), begin(NEXT)) as server:
        follower = client(Stream(url=server.url, token="t", silence=0.3), reporting=None)
        follower.start()
        eventually(lambda: follower.snapshot == NEXT, "another try")


def test_heartbeats_keep_a_quiet_stream(client: Make) -> None:
    def beat(visitor: Visitor) -> None:
        visitor.stream(whole(GOOD))
        for _ in range(20):
            visitor.over.wait(0.1)
            visitor.chunk(b": still here\n\n")
        visitor.chunk(patch(GOOD, NEXT))
        visitor.linger()

    with hostile(beat, said(b"")) as server:
        follower = client(Stream(url=server.url, token="t", silence=1.5), reporting=None)
        heard: list[EventKind] = []
        follower.listen(lambda event: heard.append(event.kind))
        follower.start()
        eventually(lambda: len(heard) >= 2, "the patch")
    assert heard[:2] == [EventKind.READY, EventKind.CHANGED]


def test_after_a_break_the_stream_is_continued_and_a_heartbeat_says_that_nothing_was_missed(client: Make) -> None:
    def cut(visitor: Visitor) -> None:
        visitor.stream(whole(GOOD))

    def quiet(visitor: Visitor) -> None:
        visitor.stream(b": nothing new\n\n")
        visitor.linger()

    with hostile(cut, quiet) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        heard: list[EventKind] = []
        follower.listen(lambda event: heard.append(event.kind))
        follower.start()
        eventually(lambda: len(heard) >= 3, "the return")
        first, second = server.visits.get(timeout=10), server.visits.get(timeout=10)
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "18"
    assert heard[:3] == [EventKind.READY, EventKind.STALE, EventKind.READY]


def test_after_a_refusal_the_whole_snapshot_is_asked_for(client: Make) -> None:
    with hostile(begin(GOOD, patch(NEXT, revision(20))), begin(NEXT)) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        follower.start()
        eventually(lambda: follower.snapshot == NEXT, "the whole snapshot")
        server.visits.get(timeout=10)
        assert "last-event-id" not in server.visits.get(timeout=10).headers


def test_a_kind_of_message_that_this_version_does_not_know_is_passed_over(client: Make) -> None:
    unknown = framed("weather", 18, b'{"type":"weather"}') + framed("patch", 18, b'{"type":"patch/2","x":1}')
    with hostile(begin(GOOD, unknown, patch(GOOD, NEXT))) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        heard: list[EventKind] = []
        follower.listen(lambda event: heard.append(event.kind))
        follower.start()
        eventually(lambda: len(heard) >= 2, "the patch after it")
    assert heard[:2] == [EventKind.READY, EventKind.CHANGED]


def test_an_endless_line_is_refused_before_it_fills_the_memory(client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twokey.client.following.MAX_FRAME", MIB)

    def flood(visitor: Visitor) -> None:
        visitor.stream(b"data: ")
        while not visitor.over.is_set():
            visitor.chunk(b"x" * 65536)

    with hostile(flood) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        assert follower.start() is Status.ERROR
        assert f"larger than {MIB} bytes" in str(follower.trouble)


@pytest.mark.parametrize("answer", [plain(b"<h1>Welcome</h1>"), b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"])
def test_a_place_that_is_no_twokey_server_is_named_so(client: Make, answer: bytes) -> None:
    with hostile(said(answer)) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        assert follower.start() is Status.ERROR
        assert type(follower.trouble).__name__ == "NotServed"


def test_a_redirect_is_not_followed_and_the_token_stays(client: Make) -> None:
    away = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/elsewhere\r\nContent-Length: 0\r\n\r\n"
    with hostile(said(away)) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        assert follower.start() is Status.ERROR
        assert "http://127.0.0.1:9/elsewhere" in str(follower.trouble)


def test_a_server_that_asks_for_patience_is_left_alone_that_long(client: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float | None] = []

    class Noted(following.Backoff):
        def next(self, retry_after: float | None = None) -> float:
            asked.append(retry_after)
            return super().next(0.01 if retry_after else None)

    monkeypatch.setattr(following, "Backoff", Noted)
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    with hostile(said(busy), begin(GOOD)) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        assert follower.start(patience=20) is Status.READY
    assert asked == [7.0]


def test_noise_instead_of_http_is_named_and_survived(client: Make) -> None:
    with hostile(said(b"\x00\xff" * 100 + b"\r\n\r\n"), said(b""), begin(GOOD)) as server:
        follower = client(Stream(url=server.url, token="t"), reporting=None)
        assert follower.start(patience=20) is Status.READY


def test_the_revisions_of_these_tests_differ() -> None:
    """Without this, a test above could compare two equal snapshots."""
    assert len({GOOD.digest, NEXT.digest, OLDER.digest}) == 3
