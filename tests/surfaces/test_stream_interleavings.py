"""The stream's application with its clients, in any order of what can happen: nobody is left with a gap.

The clients are the client's own code, which refuses a patch that does not start where it is, content that does not fit
its digest, and an older revision after a newer one. Threads of the hub apart, all of it runs as in a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.surfaces.stream_parts import PLACE, Application, House, Line, settled
from twokey.domain.identity import Scope
from twokey.surfaces.hub import Mark, broadcast, editions
from twokey.surfaces.stream import COMMENT

KEYS = ("a", "b", "c")
KEPT = 3
CLIENTS = 3

publish = st.tuples(st.just("publish"), st.sampled_from(KEYS), st.text(max_size=120), st.integers(1, 2))
elsewhere = st.tuples(st.just("elsewhere"), st.sampled_from(KEYS), st.text(max_size=120))
look = st.tuples(st.just("look"))
client = st.integers(0, CLIENTS - 1)
of_client = st.tuples(st.sampled_from(("connect", "connect by revision", "drop", "stall", "go on")), client)
impatience = st.tuples(st.just("impatience"))
revoke = st.tuples(st.just("revoke"), client)
breath = st.tuples(st.just("breath"))
acts = st.lists(
    st.one_of(publish, publish, elsewhere, look, of_client, of_client, of_client, impatience, breath, revoke),
    min_size=3,
    max_size=40,
)


class Player:
    """One client: its application, and the connection that it has now."""

    def __init__(self, house: House, number: int, marks: list[Mark]) -> None:
        self.house, self.number, self.marks, self.secrets = house, number, marks, 0
        self.application = Application()
        self.line: Line | None = None
        self._new_token()

    def _new_token(self) -> None:
        self.secrets += 1
        self.secret = f"client-{self.number}-{self.secrets}"
        self.house.shelf.token(self.secret, Scope.FLAGS_EVALUATE)

    async def connect(self, *, with_digest: bool = True) -> None:
        """A new connection that tells what is held. What comes first must be exactly what is missing."""
        await self.drop()
        told = self.application.last if with_digest else self.application.last.partition("-")[0]
        line = self.line = Line(self.house, self.secret, told)
        self.application.connect_again()
        before = len(self.application.heard)
        expected = self._expected(told)
        await line.open(self.application.hear)
        await settled()
        assert line.status == 200
        if expected == "nothing":
            assert line.body == COMMENT
        else:
            assert self.application.heard[before:] == expected

    def _expected(self, told: str) -> object:
        """By the marks that were published, and how many steps are kept."""
        at = Mark.parse(told)
        if at is None:
            return ["snapshot"]
        missed = next(number for number, mark in enumerate(reversed(self.marks)) if at.is_at(mark))
        if missed == 0:
            return "nothing"
        return ["patch"] * missed if missed <= KEPT else ["snapshot"]

    async def drop(self) -> None:
        if self.line is not None:
            self.line.drop()
            assert self.line.task is not None
            await self.line.task
        self.line = None

    async def revoke(self) -> None:
        """The token is over, and so is the stream; the client gets another."""
        shelf, token = self.house.shelf, f"token-{self.secret}"
        del shelf.held[token]
        shelf.record("token.revoke", token)
        if self.line is not None:
            assert self.line.task is not None
            async with asyncio.timeout(5):
                await self.line.task
            self.line = None
        refused = await Line(self.house, self.secret).open()
        assert refused.status == 401
        self._new_token()


async def play(todo: Sequence[tuple[Any, ...]]) -> None:
    house = House(**dict.fromkeys(KEYS, ""))
    marks = [house.hub.edition(PLACE).mark]
    players = [Player(house, number, marks) for number in range(CLIENTS)]
    for player in players:
        await player.connect()
    for act in (*todo, ("look",)):
        await perform(house, players, act)
        published = house.hub.edition(PLACE).mark
        if published != marks[-1]:
            marks.append(published)
    for player in players:
        if player.line is None or player.line.broken:
            await player.connect()
        assert player.line is not None
        player.line.go_on()
    house.shelf.publish(a="the last")
    await settled()
    for player in players:
        assert player.application.held is not None
        assert player.application.held.digest == house.shelf.now.digest
        await player.drop()
    assert house.broadcast.count == 0
    assert not house.broadcast._behind


async def perform(house: House, players: Sequence[Player], act: tuple[Any, ...]) -> None:
    match act:
        case ("publish", key, value, by):
            house.shelf.publish(by=by, **{key: value})
        case ("elsewhere", key, value):
            house.shelf.publish(told=False, **{key: value})
        case ("look",):
            house.hub.refresh()
        case ("connect", number):
            await players[number].connect()
        case ("connect by revision", number):
            await players[number].connect(with_digest=False)
        case ("drop", number):
            await players[number].drop()
        case ("stall", number) if (line := players[number].line) is not None:
            line.stall()
        case ("go on", number) if (line := players[number].line) is not None:
            line.go_on()
        case ("revoke", number):
            await players[number].revoke()
        case ("impatience",):
            await settled()
            late = asyncio.get_running_loop().time() + broadcast.PATIENCE + 1
            for line in house.broadcast._all():
                house.broadcast._look_at(line, late)
            await settled()
            for line in (each.line for each in players if each.line is not None and each.line.broken):
                assert line.stalled, "only who takes nothing is cut"
        case ("breath",):
            await settled()


@given(todo=acts)
@settings(max_examples=250, deadline=None)
def test_whatever_happens_every_client_ends_with_what_is_published(todo: Sequence[tuple[Any, ...]]) -> None:
    with (
        patch.object(editions, "MAX_STEPS", KEPT),
        patch.object(editions, "PIECE", 200),
        patch.object(broadcast, "TURN", 2),
        patch.object(broadcast, "LOOK", 3600.0),
        patch.object(broadcast, "FAREWELL", 0.001),
    ):
        asyncio.run(play(todo))
