"""Fifty keys and applications at once, from two processes, for proposals that exclude each other: one wins each.

The losers hear a named refusal, nothing is half done, and the log has one order in which all of it happened.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from tests.attacks.attempts import drafted, now
from tests.attacks.test_races import at_once, good, other_process
from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World
from twokey.domain.audit import Outcome
from twokey.domain.errors import Conflict, Refused
from twokey.domain.operation import Operation, SetEnabled, SetWeights
from twokey.domain.proposal import ApplyMode, Proposal, ProposalStatus
from twokey.steps.apply_change import apply
from twokey.steps.review_proposal import approve

SHARES = (1_000, 2_000, 3_000, 4_000, 5_000)


def rivals(world: World) -> dict[str, list[Proposal]]:
    """Five proposals for each of two flags, each with one key missing; any of them makes its four rivals stale."""
    wanted: dict[str, list[Operation]] = {
        FLAG: [
            SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", share), ("baseline", 100_000 - share)))
            for share in SHARES
        ],
        "new_header": [SetEnabled(flag="new_header", enabled=False) for _ in SHARES],
    }
    made = {
        flag: [
            drafted(world, each, apply=ApplyMode.WHEN_OPEN if number % 2 else ApplyMode.MANUAL)
            for number, each in enumerate(operations)
        ]
        for flag, operations in wanted.items()
    }
    for each in made[FLAG]:
        approve(world.store, world.ines, each.id, each.digest, PRESENT)
    return made


def test_of_fifty_at_once_one_wins_each_conflict(any_world: World, store_url: str) -> None:
    groups, before = rivals(any_world), any_world.revision
    here, elsewhere = any_world.store, other_process(any_world, store_url)
    moves = []
    for each in (proposal for group in groups.values() for proposal in group):
        moves += [
            partial(approve, here, any_world.mara, each.id, each.digest, PRESENT),
            partial(approve, elsewhere, any_world.both, each.id, each.digest, PRESENT),
            partial(apply, here, any_world.ines, each.id, PRESENT),
            partial(apply, elsewhere, any_world.mara, each.id, PRESENT),
            partial(apply, elsewhere, any_world.both, each.id, PRESENT),
        ]
    results = at_once(*moves)
    elsewhere.close()
    assert len(results) == 50
    for group in groups.values():
        for each in group:  # whoever was a moment too early tries again: of each group one is applied, and stays alone
            if now(any_world, each).status is ProposalStatus.APPROVED:
                at_once(partial(apply, here, any_world.mara, each.id, PRESENT))
    assert good(results)
    assert all(isinstance(each, (Conflict, Refused, Proposal)) for each in results), "each loser hears why"

    with here.read() as uow:
        changes = uow.changes.where(limit=50)
        mine = [each for each in changes if each.revision_after > before]
        state = uow.flags.state(PROJECT, ENVIRONMENT)
        entries = uow.audit.entries(limit=10_000)
        assert uow.audit.verify().ok
        given = [each for group in groups.values() for p in group for each in uow.approvals.where(proposal=p.id)]
    assert sorted(each.revision_after for each in mine) == [before + 1, before + 2], "two conflicts, two winners"
    for flag, group in groups.items():
        statuses = Counter(now(any_world, each).status for each in group)
        assert statuses[ProposalStatus.APPLIED] == 1, (flag, statuses)
        assert statuses[ProposalStatus.APPROVED] == 0, (flag, statuses)
    winner = next(each for each in groups[FLAG] if now(any_world, each).status is ProposalStatus.APPLIED)
    assert isinstance(winner.operations[0], SetWeights)
    rule = next(each for each in state.controls[FLAG].flag.rules if each.id == "pro-10")
    assert rule.serve.rollout is not None
    assert dict(rule.serve.rollout.weights)["reranker_v2"] == dict(winner.operations[0].weights)["reranker_v2"]
    assert not state.controls["new_header"].flag.enabled
    assert len({(each.proposal, each.person) for each in given}) == len(given), "nobody counts twice"
    assert [each.index for each in entries] == list(range(len(entries))), "one order, without a gap"
    said = [each.happening for each in entries if each.happening.action == "change.apply"]
    done = [each.subject for each in said if each.outcome is Outcome.DONE]
    assert sorted(done) == sorted(each.id for each in changes), "each change once in the log, and nothing else"
