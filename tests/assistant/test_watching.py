"""The watch: each new case gets one run, a run that dies is tried once more, and nothing goes on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx
import pytest

from tests.assistant.test_runs import ABSTAINS, hasty
from tests.support.assisting import Room, room, settings_for
from tests.support.providers import FakeProvider, Status, call
from tests.support.server import alertmanager_body
from tests.support.world import World
from twokey.assistant.run import Failed, Found, Outcome
from twokey.assistant.server import Server, ServerTrouble
from twokey.assistant.watch import Watch, Watching
from twokey.domain.identity import Scope

RUN = {"provider": "openai", "model": "fake-1"}


@pytest.fixture
def desk(home: Room) -> Room:
    """Each test has an assistant of its own; to it every case is new."""
    return home.another()


def watched(
    desk: Room, provider: FakeProvider, watching: Watching, then: Callable[[Watch], Awaitable[None]]
) -> list[Outcome]:
    """What came of it while somebody watched."""
    settings, outcomes = settings_for(provider, "openai", hasty()), list[Outcome]()

    async def run() -> None:
        async with desk.connection() as http:
            guard = desk.guard(settings)
            now = desk.world.clock
            await then(Watch(Server(http), settings, guard, watching, now, done=outcomes.append, tell=lambda _: None))

    asyncio.run(run())
    return outcomes


async def twice(watch: Watch) -> None:
    await watch.look()
    await watch.look()


async def once(watch: Watch) -> None:
    await watch.look()


def test_a_case_gets_one_run_and_a_watch_that_starts_again_gives_it_none(desk: Room) -> None:
    with FakeProvider(call("abstain", ABSTAINS)) as provider:
        (first,) = watched(desk, provider, Watching(), twice)
        assert watched(desk, provider, Watching(), twice) == []
    assert isinstance(first, Found)
    assert len(provider.requests) == 1


def test_a_run_that_failed_was_told_of_and_is_no_reason_for_another(desk: Room) -> None:
    with FakeProvider(Status(401)) as provider:
        (first,) = watched(desk, provider, Watching(), twice)
        assert watched(desk, provider, Watching(), once) == []
    assert isinstance(first, Failed)
    assert len(provider.requests) == 1


def test_runs_that_died_without_a_word_are_not_repeated_for_ever(desk: Room) -> None:
    client = desk.doors.client(Authorization=f"Bearer {desk.token}")
    path = f"/api/v1/cases/{desk.case}/findings/runs"
    assert client.post(path, json=RUN).status_code == 204
    with FakeProvider(call("abstain", ABSTAINS)) as provider:
        assert client.post(path, json=RUN).status_code == 204
        (told,) = watched(desk, provider, Watching(), once)
        assert watched(desk, provider, Watching(), once) == []
    assert isinstance(told, Failed)
    assert (told.why, told.on_record) == ("timed_out", True)
    assert "2 runs began" in told.summary
    assert provider.requests == []


def test_one_run_that_died_is_tried_once_more(desk: Room) -> None:
    client = desk.doors.client(Authorization=f"Bearer {desk.token}")
    assert client.post(f"/api/v1/cases/{desk.case}/findings/runs", json=RUN).status_code == 204
    with FakeProvider(call("abstain", ABSTAINS)) as provider:
        (told,) = watched(desk, provider, Watching(), once)
    assert isinstance(told, Found)


def test_old_cases_are_left_alone(desk: Room) -> None:
    before = desk.world.clock()
    desk.world.clock.forward(hours=30)
    try:
        with FakeProvider(call("abstain", ABSTAINS)) as provider:
            assert watched(desk.another(), provider, Watching(hours=24), once) == []
    finally:
        desk.world.clock.forward(seconds=(before - desk.world.clock()) / timedelta(seconds=1))
    assert provider.requests == []


def test_so_many_in_an_hour_and_no_more(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    desk = room(world)
    for name in ("Second", "Third"):
        body = alertmanager_body(name)
        body["alerts"][0]["labels"]["workflow"] = name
        desk.doors.token(Scope.SIGNALS_WRITE).post("/signals/v1/alertmanager", json=body)
        world.work()
    with FakeProvider(call("abstain", ABSTAINS)) as provider:
        outcomes = watched(desk, provider, Watching(most_an_hour=2), twice)
        assert len({each.case for each in outcomes}) == len(outcomes) == 2
        assert len(watched(desk, provider, Watching(), once)) == 1
    world.close()


def test_a_server_that_is_away_is_waited_for_and_one_that_refuses_is_not(desk: Room) -> None:
    answers = iter([httpx.Response(503), httpx.Response(200, json=[]), httpx.Response(200, json=[])])
    asked, told = [], list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return next(answers, httpx.Response(403, json={"detail": "the token is revoked"}))

    async def run() -> None:
        http = httpx.AsyncClient(base_url="http://twokey.test", transport=httpx.MockTransport(answer))
        with FakeProvider(call("abstain", ABSTAINS)) as provider:
            settings = settings_for(provider, "openai")
            watching = Watching(every=0.01)
            now = desk.world.clock
            watch = Watch(Server(http), settings, desk.guard(settings), watching, now, done=print, tell=told.append)
            await asyncio.wait_for(watch.run(), 20)

    with pytest.raises(ServerTrouble, match="the token is revoked"):
        asyncio.run(run())
    assert len(asked) == 4
    assert len(told) == 1
    assert "trying again" in told[0]
