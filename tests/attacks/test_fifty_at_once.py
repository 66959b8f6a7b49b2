"""Fifty keys at once, for proposals that exclude each other: one wins, nothing is half done.

On each of five flags lie five proposals that exclude each other: some wait for the last key, the others have all keys
and wait to be applied. Two people move each of them, so that fifty moves start together. Afterwards, on SQLite and on
PostgreSQL:

- on each flag exactly one change is live, and the four other proposals are stale;
- each loser hears why, by the name of what moved;
- the log has one order, verifies, and the state is what comes of playing it from the beginning.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count, cycle
from pathlib import Path
from threading import Barrier
from typing import NamedTuple

import msgspec
import pytest

from tests.attacks.attempts import now
from tests.support import processes
from tests.support.world import ENVIRONMENT, PRESENT, PROJECT, World, plain_control
from twokey.adapters.cedar import gatekeeper
from twokey.adapters.sql import SqlStore
from twokey.domain.change import Change
from twokey.domain.control import State
from twokey.domain.drafting import Draft
from twokey.domain.errors import Conflict
from twokey.domain.identity import Actor
from twokey.domain.job import JobKind
from twokey.domain.operation import Operation, SetEnabled, SetOtherwise, apply_all, parse_operations, same_content
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.engine.flag import Rollout, Serve
from twokey.steps.apply_change import apply
from twokey.steps.draft_proposal import draft
from twokey.steps.review_proposal import approve

FLAGS = tuple(f"flag-{number}" for number in range(5))
SHARES = (10_000, 20_000, 30_000, 40_000)
PROCESSES = 3
Move = Callable[[SqlStore], Proposal]


class Fight(NamedTuple):
    """The state before, the proposals, and fifty moves: two on each proposal."""

    start: State
    proposals: tuple[Proposal, ...]
    moves: tuple[Move, ...]


@pytest.fixture
def world(store_url: str, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, *(plain_control(each) for each in FLAGS), url=store_url)
    yield made
    made.close()


def wishes(flag: str) -> Iterator[tuple[Operation, ApplyMode]]:
    """Five things that cannot all be had of one flag; every other one is applied by hand."""
    modes = cycle((ApplyMode.WHEN_OPEN, ApplyMode.MANUAL))
    yield SetEnabled(flag=flag, enabled=False), next(modes)
    for share in SHARES:
        serve = Serve(rollout=Rollout(weights=(("on", share), ("off", 100_000 - share))))
        yield SetOtherwise(flag=flag, serve=serve), next(modes)


def prepared(world: World) -> Fight:
    """Everything drafted on one and the same revision. What waits to be applied has all its keys."""
    people = tuple(world.add_person(name, "release_manager") for name in ("noor", "oleg"))
    with world.store.read() as uow:
        start = uow.flags.state(PROJECT, ENVIRONMENT)
    proposals, moves = [], []
    for operation, mode in (each for flag in FLAGS for each in wishes(flag)):
        wanted = Draft(project=PROJECT, environment=ENVIRONMENT, operations=(operation,), reason="because", apply=mode)
        proposal = draft(world.store, world.telemetry, world.agent, wanted)
        if mode is ApplyMode.MANUAL:
            approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)
        proposals.append(proposal)
        moves += [turning(proposal, who) for who in people]
    return Fight(start, tuple(proposals), tuple(moves))


def turning(proposal: Proposal, who: Actor) -> Move:
    if proposal.apply is ApplyMode.MANUAL:
        return lambda store: apply(store, who, proposal.id, PRESENT)
    return lambda store: approve(store, who, proposal.id, proposal.digest, PRESENT)


def told(move: Callable[[], Proposal]) -> str:
    """`won`, or what the loser heard. Any other error is no answer, and fails the test."""
    try:
        won = move()
    except Conflict as error:
        return str(error)
    assert won.status is ProposalStatus.APPLIED
    return "won"


def in_threads(moves: tuple[Callable[[], Proposal], ...]) -> list[str]:
    start = Barrier(len(moves))

    def run(move: Callable[[], Proposal]) -> str:
        start.wait()
        return told(move)

    with ThreadPoolExecutor(len(moves)) as pool:
        return list(pool.map(run, moves))


def store_of_another(world: World, url: str, name: str) -> SqlStore:
    """The store as another process has it: connections, lock, memory and ids of its own."""
    numbers = count(1)
    return SqlStore(url, world.clock, lambda kind: f"{kind}-{name}-{next(numbers):06d}", gatekeeper)


def test_fifty_threads_of_three_stores_move_what_excludes_each_other(world: World, store_url: str) -> None:
    fight = prepared(world)
    stores = [store_of_another(world, store_url, f"s{number}") for number in range(PROCESSES)]
    answers = in_threads(tuple(partial(move, store) for move, store in zip(fight.moves, cycle(stores), strict=False)))
    for each in stores:
        each.close()
    check(world, fight, answers)


def test_fifty_keys_from_three_processes_move_what_excludes_each_other(
    world: World, store_url: str, tmp_path: Path
) -> None:
    fight = prepared(world)
    world.store.close()  # a child must not share its parent's connections
    waits, go = os.pipe()

    def work(number: int) -> None:
        os.close(go)
        store = store_of_another(world, store_url, f"p{number}")
        os.read(waits, 1)  # returns once the parent has let go
        mine = tuple(partial(move, store) for move in fight.moves[number::PROCESSES])
        (tmp_path / f"answers-{number}").write_bytes(msgspec.json.encode(in_threads(mine)))
        store.close()

    children = [processes.start(work, number) for number in range(PROCESSES)]
    os.close(go)
    ends = [processes.wait(child) for child in children]
    os.close(waits)
    assert ends == [0] * PROCESSES
    parts = [msgspec.json.decode((tmp_path / f"answers-{number}").read_bytes()) for number in range(PROCESSES)]
    answers = [parts[index % PROCESSES][index // PROCESSES] for index in range(len(fight.moves))]
    check(world, fight, answers)


def check(world: World, fight: Fight, answers: list[str]) -> None:
    """What must hold, whoever came first."""
    assert len(answers) == len(fight.moves) == 50
    check_one_wins_each_conflict(world, fight)
    check_every_loser_heard_why(world, fight, answers)
    check_nothing_is_half_done(world, fight)
    check_the_log_has_one_order_and_the_state_is_what_it_says(world, fight)


def check_one_wins_each_conflict(world: World, fight: Fight) -> None:
    for flag in FLAGS:
        stand = Counter(now(world, each).status for each in of(fight, flag))
        assert stand == {ProposalStatus.APPLIED: 1, ProposalStatus.STALE: 4}
    assert world.revision == fight.start.revision + len(FLAGS)


def of(fight: Fight, flag: str) -> list[Proposal]:
    return [each for each in fight.proposals if f"flag:{flag}" in each.base]


def check_every_loser_heard_why(world: World, fight: Fight, answers: list[str]) -> None:
    """Of two on one proposal, the first is told which flag moved, the second that the proposal no longer waits."""
    assert answers.count("won") == len(FLAGS)
    for index, proposal in enumerate(fight.proposals):
        heard = sorted(answers[2 * index : 2 * index + 2])
        status, (flag,) = now(world, proposal).status, (each.removeprefix("flag:") for each in proposal.base)
        firsts = ["won"] if status is ProposalStatus.APPLIED else [each for each in heard if "changed since" in each]
        seconds = [each for each in heard if f"the proposal is `{status}`, not" in each]
        assert (len(firsts), len(seconds)) == (1, 1), heard
        assert firsts == ["won"] or f"flag:{flag} changed since this was drafted at revision 1" in firsts[0]


def check_nothing_is_half_done(world: World, fight: Fight) -> None:
    with world.store.read() as uow:
        for proposal in fight.proposals:
            applied = now(world, proposal).status is ProposalStatus.APPLIED
            assert uow.changes.count(proposal=proposal.id) == applied
            turned = [each.happening for each in uow.audit.entries(limit=10_000)]
            keys = [each for each in turned if (each.action, each.subject) == ("proposal.approve", proposal.id)]
            stale = [each for each in turned if (each.action, each.subject) == ("proposal.stale", proposal.id)]
            assert len(keys) == uow.approvals.count(proposal=proposal.id) == 1
            assert len(stale) == (not applied)
        live, waiting = uow.flags.state(PROJECT, ENVIRONMENT).snapshot(), uow.jobs.waiting()
    for flag in FLAGS:
        (winner,) = (each for each in of(fight, flag) if now(world, each).status is ProposalStatus.APPLIED)
        alone = apply_all(fight.start, winner.operations).controls[flag].flag
        assert (live.flags[flag].enabled, live.flags[flag].otherwise) == (alone.enabled, alone.otherwise)
    assert {each.kind for each in waiting} <= {JobKind.EXPIRE_PROPOSAL, JobKind.SIGN_CHECKPOINT}


def check_the_log_has_one_order_and_the_state_is_what_it_says(world: World, fight: Fight) -> None:
    with world.store.read() as uow:
        assert uow.audit.verify().ok
        entries = uow.audit.entries(limit=10_000)
        applied = [each.happening for each in entries if each.happening.action == "change.apply"][1:]
        live = uow.flags.state(PROJECT, ENVIRONMENT)
        changes: list[Change] = [uow.changes.get(each.subject) for each in applied]
        then = {each.revision_after: uow.flags.state_at(PROJECT, ENVIRONMENT, each.revision_after) for each in changes}
    assert [each.index for each in entries] == list(range(len(entries)))
    revisions = [(each.detail["revision_before"], each.detail["revision_after"]) for each in applied]
    first = fight.start.revision
    assert revisions == [(first + place, first + place + 1) for place in range(len(FLAGS))]
    state = fight.start
    for each, change in zip(applied, changes, strict=True):
        state = apply_all(state, parse_operations(each.detail["operations"]))
        assert same_content(state, then[change.revision_after])
    assert same_content(state, live)
