"""The flag state of any moment, built again from the log alone, is what was published; a log that lies is found."""

from __future__ import annotations

import random

import msgspec
import pytest

from tests.attacks.attempts import REDUCE, WIDEN, applied
from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World
from twokey.domain.audit import Entry
from twokey.domain.errors import Conflict, Refused
from twokey.domain.operation import SetEnabled, SetWeights
from twokey.domain.rebuild import rebuild
from twokey.steps.reverse_change import WayBack, reverse


def entries(world: World) -> tuple[Entry, ...]:
    with world.store.read() as uow:
        return uow.audit.entries(limit=10_000)


def published(world: World, revision: int) -> str:
    with world.store.read() as uow:
        return uow.flags.state_at(PROJECT, ENVIRONMENT, revision).snapshot().digest


def busy(world: World, seed: int) -> None:
    """Changes and their undoing, at random, minutes apart."""
    chance = random.Random(seed)
    for _ in range(8):
        world.clock.forward(minutes=1)
        share = chance.randrange(1, 90) * 1000
        weights = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", share), ("baseline", 100_000 - share)))
        with world.store.read() as uow:
            enabled = uow.flags.state(PROJECT, ENVIRONMENT).controls["new_header"].flag.enabled
        switch = SetEnabled(flag="new_header", enabled=not enabled)
        change = applied(world, *chance.choice([(weights,), (weights, switch)]))
        if chance.random() < 0.4:
            way = chance.choice(list(WayBack))
            try:
                reverse(world.store, world.mara, change.id, way, PRESENT)
            except (Refused, Conflict):
                continue


@pytest.mark.parametrize("seed", range(3))
def test_each_revision_is_built_again_as_it_was_published(any_world: World, seed: int) -> None:
    busy(any_world, seed)
    log = entries(any_world)
    assert any_world.revision > 8
    for revision in range(1, any_world.revision + 1):
        state = rebuild(log, PROJECT, ENVIRONMENT, revision=revision)
        assert state.snapshot().digest == published(any_world, revision), revision
    with any_world.store.read() as uow:
        assert rebuild(log, PROJECT, ENVIRONMENT) == uow.flags.state(PROJECT, ENVIRONMENT)


def test_an_instant_finds_what_was_live_then(any_world: World) -> None:
    any_world.clock.forward(minutes=5)
    first = applied(any_world, REDUCE)
    any_world.clock.forward(minutes=5)
    second = applied(any_world, WIDEN)
    log = entries(any_world)
    for change in (first, second):
        assert rebuild(log, PROJECT, ENVIRONMENT, at=change.applied_at).revision == change.revision_after
    before = rebuild(log, PROJECT, ENVIRONMENT, at=first.applied_at.replace(year=2020))
    assert (before.revision, dict(before.controls)) == (0, {})


def test_a_log_that_leaves_a_change_out_is_found(any_world: World) -> None:
    for operation in (REDUCE, WIDEN):
        applied(any_world, operation)
    log = entries(any_world)
    first = next(each for each in log if each.happening.action == "change.apply" and each.index > 2)
    with pytest.raises(Conflict, match="starts from revision"):
        rebuild([each for each in log if each != first], PROJECT, ENVIRONMENT)
    with pytest.raises(Conflict, match="leads to revision"):
        rebuild(log, PROJECT, ENVIRONMENT, revision=99)


@pytest.mark.parametrize("member", ["operations", "left"])
def test_a_change_that_left_something_else_than_it_recorded_is_found(any_world: World, member: str) -> None:
    applied(any_world, REDUCE)
    other = msgspec.to_builtins((WIDEN,)) if member == "operations" else {f"flag:{FLAG}": "sha256:0"}

    def lied(entry: Entry) -> Entry:
        if entry.happening.detail.get("cause") != "proposal":
            return entry
        detail = entry.happening.detail | {member: other}
        return msgspec.structs.replace(entry, happening=msgspec.structs.replace(entry.happening, detail=detail))

    with pytest.raises(Conflict, match="did not leave what it recorded"):
        rebuild([lied(each) for each in entries(any_world)], PROJECT, ENVIRONMENT)
