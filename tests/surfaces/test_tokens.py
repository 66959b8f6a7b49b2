"""Tokens in memory: quick to find, over when they are over, and no way to wear the database out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.support.world import ENVIRONMENT, PROJECT, World
from twokey.adapters import system
from twokey.adapters.sql import SqlStore
from twokey.domain.identity import SYSTEM, ActorKind, Scope, Token
from twokey.steps.manage_access import TokenRequest, create_token, revoke_token
from twokey.surfaces.hub import Hub
from twokey.surfaces.tokens import MOST_UNKNOWN, Tokens, Unauthenticated


class Counted:
    """The world's store, which counts who reads it, and may be away."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self.reads, self.away = 0, False
        self.before_answer: Callable[[], None] = lambda: None

    def on_commit(self, listener: Callable[[], None]) -> None:
        self._store.on_commit(listener)

    @contextmanager
    def read(self) -> Iterator[Any]:
        if self.away:
            raise OSError("the database is away")
        self.reads += 1
        with self._store.read() as uow:
            yield uow
        self.before_answer()


@pytest.fixture
def store(world: World) -> Counted:
    return Counted(world.store)


@pytest.fixture
def hub(store: Counted) -> Hub:
    return Hub(store)  # type: ignore[arg-type]


@pytest.fixture
def tokens(store: Counted, hub: Hub, world: World) -> Tokens:
    return Tokens(store, system, world.clock, hub)  # type: ignore[arg-type]


def made(world: World, days: int | None = None) -> tuple[Token, str]:
    wanted = TokenRequest(
        name="t",
        kind=ActorKind.SERVICE,
        scopes=frozenset({Scope.FLAGS_EVALUATE}),
        project=PROJECT,
        environment=ENVIRONMENT,
        expires_at=None if days is None else world.clock() + timedelta(days=days),
    )
    return create_token(world.store, system, SYSTEM, wanted)


def test_a_token_is_read_once(tokens: Tokens, store: Counted, world: World) -> None:
    token, secret = made(world)
    assert tokens.known(secret) is None
    assert tokens.find(secret) == token
    before = store.reads
    for _ in range(100):
        assert tokens.known(secret) == token
        assert tokens.find(secret) == token
    assert store.reads == before


def test_a_revoked_token_is_over_when_the_revoking_call_returns(tokens: Tokens, world: World) -> None:
    (mine, secret), (_, other) = made(world), made(world)
    tokens.find(secret)
    tokens.find(other)
    revoke_token(world.store, SYSTEM, mine.id)
    with pytest.raises(Unauthenticated, match="revoked"):
        tokens.known(secret)
    assert not tokens.is_good(mine)
    assert tokens.known(other) is not None


def test_a_token_that_another_process_revokes_is_over_when_the_hub_has_looked(
    tokens: Tokens, hub: Hub, world: World
) -> None:
    token, secret = made(world)
    hub.refresh()
    tokens.find(secret)
    elsewhere = SqlStore(str(world.store.engine.url), world.clock, lambda kind: f"{kind}-elsewhere")
    revoke_token(elsewhere, SYSTEM, token.id)
    elsewhere.close()
    assert tokens.known(secret) is not None
    hub.refresh()
    with pytest.raises(Unauthenticated, match="revoked"):
        tokens.known(secret)


def test_a_token_that_is_revoked_while_it_is_read_is_not_kept(tokens: Tokens, store: Counted, world: World) -> None:
    token, secret = made(world)

    def revoke() -> None:
        store.before_answer = lambda: None
        revoke_token(world.store, SYSTEM, token.id)

    store.before_answer = revoke
    with pytest.raises(Unauthenticated, match="revoked"):
        tokens.find(secret)


def test_a_token_expires_by_the_clock(tokens: Tokens, world: World) -> None:
    token, secret = made(world, days=1)
    assert tokens.find(secret) == token
    world.clock.forward(days=1)
    with pytest.raises(Unauthenticated, match="expired"):
        tokens.find(secret)
    assert not tokens.is_good(token)


def test_a_known_token_works_while_the_database_is_away(tokens: Tokens, store: Counted, world: World) -> None:
    token, secret = made(world)
    tokens.find(secret)
    store.away = True
    assert tokens.find(secret) == token


def test_a_token_that_cannot_be_read_again_is_forgotten(tokens: Tokens, hub: Hub, world: World) -> None:
    token, secret = made(world)
    tokens.find(secret)

    class Away:
        def read(self) -> Any:
            raise OSError("the database is away")

    tokens._store = Away()  # type: ignore[assignment]
    revoke_token(world.store, SYSTEM, token.id)
    assert tokens.known(secret) is None
    with pytest.raises(OSError, match="away"):
        tokens.find(secret)


def test_a_secret_that_nobody_has_is_looked_for_once(tokens: Tokens, store: Counted) -> None:
    for _ in range(10):
        with pytest.raises(Unauthenticated, match="not known"):
            tokens.find("guess")
    assert store.reads == 1


def test_guesses_do_not_fill_the_memory(tokens: Tokens) -> None:
    for number in range(MOST_UNKNOWN + 10):
        with pytest.raises(Unauthenticated):
            tokens._keep(f"hash-{number}", ())
    assert len(tokens._unknown) == MOST_UNKNOWN


def test_a_guess_becomes_good_when_its_token_is_made(tokens: Tokens, world: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(system, "new_secret", lambda prefix: "chosen")
    with pytest.raises(Unauthenticated):
        tokens.find("chosen")
    token, _ = made(world)
    assert tokens.find("chosen") == token
