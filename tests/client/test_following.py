"""The client follows a real server: by stream and by polling, through its absence and its return."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.live import Live, eventually
from tests.support.world import FLAG
from twokey.client import Event, EventKind, Status, TwokeyClient, Unauthorized, Unreachable
from twokey.domain.audit import Happening
from twokey.domain.identity import SYSTEM, Scope
from twokey.domain.operation import EditSegment, SetEnabled
from twokey.steps.manage_access import revoke_token

Make = Callable[..., TwokeyClient]
STAFF = {"targetingKey": "u-1", "email": "ada@example.com", "conversation": "c-1"}


def variation(client: TwokeyClient, key: str = FLAG) -> str | None:
    return client.evaluate(key, STAFF).variation


@pytest.mark.parametrize("way", ["stream", "poll"])
def test_a_change_arrives(live: Live, client: Make, way: str) -> None:
    follower = client(getattr(live, way)())
    heard: list[Event] = []
    follower.listen(heard.append)
    assert follower.start() is Status.READY
    assert variation(follower) == "reranker_v2"
    live.change(SetEnabled(flag=FLAG, enabled=False))
    eventually(lambda: variation(follower) == "baseline", "the change")
    eventually(lambda: len(heard) == 2, "the events")
    assert [(each.kind, each.flags) for each in heard] == [(EventKind.READY, ()), (EventKind.CHANGED, (FLAG,))]


def test_a_change_of_a_segment_names_the_flags_that_lean_on_it(live: Live, client: Make) -> None:
    follower = client(live.stream())
    heard: list[Event] = []
    follower.start()
    follower.listen(heard.append)
    live.change(EditSegment(segment="internal-staff", included=("u-77",), rules=()))
    eventually(lambda: heard, "the change")
    assert heard[0].flags == (FLAG,)
    assert variation(follower) == "baseline"


@pytest.mark.parametrize("way", ["stream", "poll"])
def test_while_the_server_is_away_the_last_good_serves_and_it_recovers(live: Live, client: Make, way: str) -> None:
    follower = client(getattr(live, way)())
    heard: list[EventKind] = []
    follower.listen(lambda event: heard.append(event.kind))
    follower.start()
    live.stop()
    eventually(lambda: follower.status is Status.STALE, "the loss")
    assert isinstance(follower.trouble, Unreachable)
    assert variation(follower) == "reranker_v2"
    live.change(SetEnabled(flag=FLAG, enabled=False))
    live.start()
    eventually(lambda: follower.status is Status.READY, "the return")
    eventually(lambda: variation(follower) == "baseline", "what was missed")
    eventually(lambda: len(heard) == 4, "the events")
    assert heard == [EventKind.READY, EventKind.STALE, EventKind.READY, EventKind.CHANGED]
    assert follower.trouble is None


def test_a_fresh_process_starts_from_the_disk(live: Live, client: Make, tmp_path: Path) -> None:
    cache = tmp_path / "deep" / "flags.json"
    source = live.stream()
    first = client(source, cache=cache)
    first.start()
    first.close()
    assert cache.stat().st_mode & 0o777 == 0o600
    live.stop()
    fresh = client(source, cache=cache)
    assert fresh.start() is Status.STALE
    assert variation(fresh) == "reranker_v2"
    live.start()
    eventually(lambda: fresh.status is Status.READY, "the server's return")


def test_the_disk_holds_the_newest_revision_and_nothing_unfinished(live: Live, client: Make, tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "flags.json"
    follower = client(live.stream(), cache=cache)
    follower.start()
    live.change(SetEnabled(flag=FLAG, enabled=False))
    eventually(lambda: variation(follower) == "baseline", "the change")
    eventually(lambda: follower.snapshot is not None and cache.read_bytes() == follower.snapshot.to_json(), "the file")
    assert [path.name for path in cache.parent.iterdir()] == ["flags.json"]


def test_without_server_and_disk_there_is_an_error_and_the_application_has_its_defaults(
    live: Live, client: Make, tmp_path: Path
) -> None:
    live.stop()
    lonely = client(live.stream(), cache=tmp_path / "none.json")
    assert lonely.start(patience=0.2) is Status.ERROR
    resolution = lonely.evaluate(FLAG, STAFF)
    assert resolution.error is not None
    live.start()
    eventually(lambda: lonely.status is Status.READY, "the server's start")
    assert variation(lonely) == "reranker_v2"


@pytest.mark.parametrize("way", ["stream", "poll"])
def test_a_refused_token_is_an_error_that_says_so_and_heals_when_it_is_accepted(
    live: Live, client: Make, tmp_path: Path, way: str
) -> None:
    cache = tmp_path / "flags.json"
    source = getattr(live, way)()
    first = client(source, cache=cache)
    first.start()
    first.close()
    with live.world.store.read() as uow:
        (token,) = uow.tokens.where(name="application", limit=1)
    revoke_token(live.world.store, SYSTEM, token.id)
    refused = client(source, cache=cache)
    assert refused.start() is Status.ERROR
    assert isinstance(refused.trouble, Unauthorized)
    assert "401" in str(refused.trouble)
    assert "expired or revoked" in str(refused.trouble)
    assert variation(refused) == "reranker_v2"
    with live.world.store.begin() as uow:
        uow.tokens.replace(token)  # no step does this: whatever one does to a token, it leaves an entry
        uow.audit.append(Happening(action="token.create", subject=token.id, actor=SYSTEM.reference()))
    eventually(lambda: refused.status is Status.READY, "the token's acceptance")


def test_a_token_without_the_scope_is_refused_with_the_scope_named(live: Live, client: Make) -> None:
    refused = client(live.stream(Scope.TELEMETRY_WRITE))
    assert refused.start() is Status.ERROR
    assert "403" in str(refused.trouble)
    assert "flags:evaluate" in str(refused.trouble)


def test_closing_ends_the_threads_and_evaluation_goes_on(live: Live, client: Make) -> None:
    before = set(threading.enumerate())
    follower = client(live.stream())
    follower.start()
    assert {each.name for each in set(threading.enumerate()) - before} >= {"twokey-follower", "twokey-reporter"}
    follower.close()
    eventually(
        lambda: not {t.name for t in set(threading.enumerate()) - before} & {"twokey-follower", "twokey-reporter"},
        "the end of the threads",
    )
    assert follower.status is Status.CLOSED
    assert variation(follower) == "reranker_v2"
    assert follower.start() is Status.READY
