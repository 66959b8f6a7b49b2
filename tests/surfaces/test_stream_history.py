"""Whatever is published, and however often a client is away: it gets exactly what it missed, or the whole snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twokey.engine import Snapshot
from twokey.engine.flag import Flag, FlagType, Serve, Variation
from twokey.engine.patch import Patch, apply_patch
from twokey.engine.wire import PatchMessage, StreamMessage
from twokey.surfaces.hub import Edition, Mark, editions
from twokey.surfaces.stream import COMMENT, Follower

KEYS = ("a", "b", "c", "d")


def flag(key: str, value: str) -> Flag:
    return Flag(
        key=key,
        type=FlagType.STRING,
        enabled=True,
        variations=(Variation(key="v", value=value),),
        baseline="v",
        unit="targetingKey",
        salt=key,
        otherwise=Serve(variation="v"),
    )


def snapshot(revision: int, **values: str) -> Snapshot:
    return Snapshot.build("p", "e", revision, [flag(key, value) for key, value in values.items()])


def follower(at: Mark | None) -> Follower:
    made = Follower.__new__(Follower)
    made._at, made.place = at, ("p", "e")
    return made


class Frames:
    """Reads what a connection gives, as a browser's EventSource does."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[tuple[str, StreamMessage]]:
        self._rest += piece
        *whole, self._rest = self._rest.split(b"\n\n")
        for frame in whole:
            fields = dict(line.split(b": ", 1) for line in frame.split(b"\n") if not line.startswith(b":"))
            if fields:
                yield fields[b"id"].decode(), msgspec.json.decode(fields[b"data"], type=StreamMessage)


class Client:
    """A client with whatever it holds; its connection may break at any piece."""

    def __init__(self, *, tells_digest: bool) -> None:
        self.held: Snapshot | None = None
        self.last = ""
        self.tells_digest = tells_digest
        self.wholes = self.patches = 0
        self._line: tuple[Follower, Frames] | None = None

    def connect(self) -> None:
        mark = Mark.parse(self.last if self.tells_digest else self.last.partition("-")[0])
        self._line = follower(mark), Frames()

    def drop(self) -> None:
        self._line = None

    def hear(self, edition: Edition, pieces: int | None = None) -> None:
        """Take what is due; the connection breaks after so many pieces, if that is fewer."""
        if self._line is None:
            return
        following, frames = self._line
        due = following.due(edition)
        for piece in due if pieces is None else due[:pieces]:
            for id_, message in frames.feed(piece):
                self._take(id_, message)
        if pieces is not None and pieces < len(due):
            self.drop()

    def _take(self, id_: str, message: StreamMessage) -> None:
        if isinstance(message, PatchMessage):
            assert self.held is not None, "a patch before any snapshot"
            assert message.from_revision == self.held.revision, "a gap"
            self.held = apply_patch(self.held, Patch.from_json(bytes(message.patch)))
            self.patches += 1
        else:
            self.held = Snapshot.from_json(bytes(message.snapshot))
            self.wholes += 1
        self.last = id_
        assert id_ == str(Mark.of(self.held))


publish = st.tuples(st.just("publish"), st.integers(1, 3), st.sampled_from(KEYS), st.text(max_size=200))
client = st.integers(0, 2)
acts = st.lists(
    st.one_of(
        publish,
        st.tuples(st.just("connect"), client),
        st.tuples(st.just("drop"), client),
        st.tuples(st.just("hear"), client, st.none() | st.integers(0, 4)),
    ),
    max_size=60,
)


@given(acts=acts)
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_client_that_was_away_is_never_left_with_a_gap(
    acts: Sequence[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editions, "MAX_STEPS", 3)
    monkeypatch.setattr(editions, "MAX_BYTES", 1500)
    monkeypatch.setattr(editions, "PIECE", 300)
    values = dict.fromkeys(KEYS, "")
    edition = Edition(snapshot(1, **values))
    clients = [Client(tells_digest=number > 0) for number in range(3)]
    for act in acts:
        match act:
            case ("publish", int(by), str(key), str(value)):
                values[key] = value
                edition = edition.next(snapshot(edition.mark.revision + by, **values))
            case ("connect", int(number)):
                clients[number].connect()
            case ("drop", int(number)):
                clients[number].drop()
            case ("hear", int(number), pieces):
                clients[number].hear(edition, pieces)  # type: ignore[arg-type]
    for each in clients:
        each.connect()
        each.hear(edition)
        assert each.held == edition.snapshot


def chain(*texts: str) -> list[Edition]:
    made = [Edition(snapshot(1, a="start"))]
    for text in texts:
        made.append(made[-1].next(snapshot(made[-1].mark.revision + 1, a=text)))
    return made


def test_a_client_that_missed_two_revisions_gets_two_patches_and_no_snapshot() -> None:
    first, *_, last = chain("x", "y")
    away = Client(tells_digest=True)
    away.connect()
    away.hear(first)
    away.connect()
    away.hear(last)
    assert (away.wholes, away.patches, away.held) == (1, 2, last.snapshot)


def test_a_client_that_missed_nothing_hears_so_at_once() -> None:
    (only,) = chain()
    following = follower(Mark.parse(str(only.mark)))
    assert following.due(only) == (COMMENT,)
    assert following.due(only) == ()


def test_a_client_of_another_history_gets_the_whole_snapshot_though_it_knows_the_revision() -> None:
    ours, theirs = chain("x", "y"), chain("x", "something else")
    assert follower(theirs[-1].mark).due(ours[-1]) == ours[-1].whole()
    longer = ours[-1].next(snapshot(4, a="z"))
    assert follower(theirs[-1].mark).due(longer) == longer.whole()
    assert follower(ours[-1].mark).due(longer) == (longer.steps[-1].frame,)


def test_a_client_from_the_future_gets_the_whole_snapshot() -> None:
    last = chain("x")[-1]
    assert follower(Mark(99, "")).due(last) == last.whole()


def test_frames_are_made_once_for_all_clients() -> None:
    first, last = chain("x")
    due = [follower(first.mark).due(last) for _ in range(3)]
    assert due[0][0] is due[1][0] is due[2][0]
    wholes = [follower(None).due(last) for _ in range(3)]
    assert wholes[0] is wholes[1] is wholes[2]


@pytest.mark.parametrize("text", ["", "x", "-1", "1-", "1-xyz", "1-" + "0" * 15, "١", "1 ", "9" * 19, "1\n"])
def test_what_is_no_place_of_ours_is_none(text: str) -> None:
    assert Mark.parse(text) is None


def test_the_history_is_bounded_in_number_and_in_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editions, "MAX_STEPS", 4)
    assert len(chain(*"abcdefgh")[-1].steps) == 4
    monkeypatch.setattr(editions, "MAX_BYTES", 10)
    assert len(chain(*"abcdefgh")[-1].steps) == 1
