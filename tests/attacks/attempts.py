"""What the attacks have in common: drafts, keys, and what the log says about refusals."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PRESENT, PROJECT, World
from twokey.domain.audit import Happening, Outcome
from twokey.domain.change import Change
from twokey.domain.drafting import Draft
from twokey.domain.identity import Actor
from twokey.domain.operation import Operation, SetWeights
from twokey.domain.proposal import Proposal
from twokey.steps.draft_proposal import draft
from twokey.steps.review_proposal import approve

REDUCE = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", 1000), ("baseline", 99_000)))
WIDEN = SetWeights(flag=FLAG, rule="pro-10", weights=(("reranker_v2", 50_000), ("baseline", 50_000)))
REDUCE_JSON = {
    "op": "set_weights",
    "flag": FLAG,
    "rule": "pro-10",
    "weights": [["reranker_v2", 1000], ["baseline", 99_000]],
}
DRAFT = {"project": PROJECT, "environment": ENVIRONMENT, "operations": [REDUCE_JSON], "reason": "less of it"}


def drafted(world: World, *operations: Operation, by: Actor | None = None, **more: Any) -> Proposal:
    wanted = Draft(
        project=PROJECT, environment=ENVIRONMENT, operations=operations or (REDUCE,), reason="because", **more
    )
    return draft(world.store, world.telemetry, by or world.agent, wanted)


def turn_both_keys(world: World, proposal: Proposal) -> Proposal:
    approve(world.store, world.ines, proposal.id, proposal.digest, PRESENT)
    return approve(world.store, world.mara, proposal.id, proposal.digest, PRESENT)


def applied(world: World, *operations: Operation, **more: Any) -> Change:
    """A change that both keys were turned for."""
    proposal = drafted(world, *operations, **more)
    turn_both_keys(world, proposal)
    with world.store.read() as uow:
        return uow.changes.where(proposal=proposal.id)[0]


def now(world: World, proposal: Proposal) -> Proposal:
    with world.store.read() as uow:
        return uow.proposals.get(proposal.id)


def draft_by(client: TestClient, **more: object) -> dict[str, Any]:
    answer = client.post("/api/v1/proposals", json=DRAFT | more)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def turn(client: TestClient, made: dict[str, Any], password: str = PASSWORD) -> Any:
    body = {"digest": made["digest"], "password": password}
    return client.post(f"/api/v1/proposals/{made['id']}/approve", json=body)


def refused(world: World) -> list[Happening]:
    """What the log says was refused."""
    with world.store.read() as uow:
        entries = uow.audit.entries(limit=10_000)
    return [each.happening for each in entries if each.happening.outcome is Outcome.REFUSED]
