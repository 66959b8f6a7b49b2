"""Connections of the stream: who is let in, who waits for whom, and how each of them ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import msgspec
import pytest

from tests.support.world import World
from tests.surfaces.stream_parts import Application, House, Line, settled
from twokey.domain.identity import Scope
from twokey.surfaces.hub import Hub, broadcast

Story = Callable[..., Coroutine[Any, Any, None]]


def in_a_loop(story: Story) -> Callable[..., None]:
    """A test that is a coroutine."""

    @wraps(story)
    def run(*given: Any, **named: Any) -> None:
        asyncio.run(story(*given, **named))

    return run


@pytest.fixture
def house() -> House:
    return House(a="x")


# -------------------------------------------------------------------- who is let in


OTHERS = [each for each in Scope if each is not Scope.FLAGS_EVALUATE]


@pytest.mark.parametrize("scopes", [*([each] for each in OTHERS), OTHERS, []], ids=str)
@in_a_loop
async def test_only_the_scope_to_evaluate_every_flag_opens_the_stream(house: House, scopes: list[Scope]) -> None:
    """A client key, which may see some flags, is among those that are refused: a snapshot shows all targeting."""
    house.shelf.token("other", *scopes)
    refused = await Line(house, "other").open()
    await settled()
    problem = msgspec.json.decode(refused.body)
    assert (refused.status, refused.ended) == (403, True)
    assert refused.headers[b"content-type"] == b"application/problem+json"
    assert "`flags:evaluate`" in problem["detail"]
    assert b"salt" not in refused.body
    assert house.broadcast.count == 0


@in_a_loop
async def test_a_stranger_is_asked_who_it_is(house: House) -> None:
    refused = await Line(house, "guess").open()
    assert (refused.status, refused.headers[b"www-authenticate"].split()[0]) == (401, b"Bearer")


@in_a_loop
async def test_only_get_is_answered_with_a_stream(house: House) -> None:
    refused = Line(house)
    refused.scope["method"] = "POST"
    await refused.open()
    assert (refused.status, refused.headers[b"allow"]) == (405, b"GET")


@in_a_loop
async def test_a_full_server_says_when_to_come_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "MOST", 2)
    first, _ = await Line(house).open(), await Line(house).open()
    await settled()
    refused = await Line(house).open()
    assert (refused.status, refused.headers[b"retry-after"]) == (503, b"5")
    first.drop()
    await settled()
    assert (await Line(house).open()).status == 200


# -------------------------------------------------------------------- who waits for whom


@in_a_loop
async def test_who_stalls_holds_nobody_up_and_has_lost_nothing_when_it_goes_on(house: House) -> None:
    stuck, quick = Application(), Application()
    stalls = await Line(house).open(stuck.hear)
    await Line(house).open(quick.hear)
    await settled()
    stalls.stall()
    for value in ("1", "2", "3"):
        house.shelf.publish(a=value)
        await settled()
    assert (quick.heard, stuck.heard) == (["snapshot"] + ["patch"] * 3, ["snapshot"])
    stalls.go_on()
    await settled()
    assert stuck.held == quick.held == house.shelf.now
    house.shelf.publish(a="4")
    await settled()
    assert stuck.held == house.shelf.now


@in_a_loop
async def test_a_connection_that_cannot_be_written_to_ends_alone(house: House) -> None:
    breaks, stays = Line(house), Application()
    await breaks.open()
    await Line(house).open(stays.hear)
    await settled()

    def fails(piece: bytes) -> None:
        raise OSError("the cable is cut")

    breaks._hears = fails
    house.shelf.publish(a="1")
    await settled()
    assert stays.held == house.shelf.now
    assert breaks.broken
    assert house.broadcast.count == 1


@in_a_loop
async def test_a_broadcast_gives_way_to_what_else_there_is_to_do(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "TURN", 2)
    order: list[str] = []
    for number in range(6):
        line = await Line(house).open()
        await settled()
        line._hears = lambda piece, number=number: order.append(f"line {number}")  # type: ignore[misc]
    house.shelf.publish(a="1")

    async def other() -> None:
        for _ in range(6):
            order.append("other")
            await asyncio.sleep(0)

    await other()
    await settled()
    lines = [place for place, each in enumerate(order) if each != "other"]
    assert [order[place] for place in lines] == [f"line {number}" for number in range(6)]
    assert all("other" in order[before:after] for before, after in zip(lines[1::2], lines[2::2], strict=False))


@in_a_loop
async def test_who_leaves_during_a_broadcast_is_not_written_to(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "TURN", 1)
    lines = [await Line(house).open() for _ in range(9)]
    await settled()
    had = lines[8].body
    house.shelf.publish(told=False, a="1")
    house.hub.refresh()
    house.broadcast._all()[8].end()
    await settled()
    assert all(b"event: patch" in line.body for line in lines[:8])
    assert (lines[8].body, lines[8].broken) == (had + b": the server ends this stream\n\n", False)


@in_a_loop
async def test_heartbeats_of_those_who_heard_the_same_change_do_not_fall_together(house: House) -> None:
    for _ in range(40):
        await Line(house).open()
    silences = sorted(each.silence for each in house.broadcast._all())
    assert broadcast.HEARTBEAT / 2 < silences[0] <= silences[-1] <= broadcast.HEARTBEAT
    quarters = [sum(low < each <= low + 1.875 for each in silences) for low in (7.5, 9.375, 11.25, 13.125)]
    assert min(quarters) >= 8


# -------------------------------------------------------------------- how it ends


@in_a_loop
async def test_a_server_that_stops_says_so_and_takes_nobody_in(house: House) -> None:
    stays = await Line(house).open()
    await settled()
    house.hub.close()
    await settled()
    assert stays.ended
    assert stays.body.endswith(b": the server ends this stream\n\n")
    late = await Line(house).open()
    await settled()
    assert late.ended
    assert house.broadcast.count == 0


@in_a_loop
async def test_a_commit_that_is_not_about_tokens_reads_none(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await Line(house).open()
    house.shelf.publish(a="0")
    read: list[str] = []
    monkeypatch.setattr(house.shelf.tokens, "find", lambda token: read.append(token) or house.shelf.held[token])
    house.shelf.publish(a="1")
    for listener in house.shelf._listeners:
        listener()  # a commit that left no entry: a job was taken, say
    assert read == []
    house.shelf.record("token.revoke", "token-good")
    assert read == ["token-good"]


def test_a_process_makes_itself_ready() -> None:
    """In a process of its own, since it is about the process."""
    script = (
        "import gc, resource, sys\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "from twokey.surfaces.hub import make_ready\n"
        "make_ready()\n"
        "make_ready()\n"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)\n"
        "assert gc.get_freeze_count() > 10_000\n"
        "assert sys.getswitchinterval() <= 0.0011\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_whoever_waits_for_news_after_the_end_was_told_does_not_wait(world: World) -> None:
    hub = Hub(world.store)

    async def told_late() -> float:
        watching = asyncio.create_task(hub.run())
        await asyncio.sleep(0)
        hub.close()
        started = time.monotonic()
        assert await hub.moved(30.0)
        watching.cancel()
        return time.monotonic() - started

    assert asyncio.run(told_late()) < 5.0
