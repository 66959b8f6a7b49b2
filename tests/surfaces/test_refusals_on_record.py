"""Every refusal that a person or a token meets is told clearly, leaves nothing half-written, and is on record."""

from __future__ import annotations

from typing import Any

from starlette.testclient import TestClient

from tests.support.server import Doors, problem
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PRESENT, PROJECT, World
from tests.surfaces.test_api import draft
from twokey.domain.audit import Outcome
from twokey.domain.identity import ActorKind, Scope
from twokey.steps.review_proposal import approve


def on_record(world: World, subject: object) -> list[str]:
    """What the log says was refused about this subject."""
    with world.store.read() as uow:
        entries = uow.audit.entries(limit=1000)
    return [
        str(each.happening.detail.get("problem"))
        for each in entries
        if each.happening.outcome is Outcome.REFUSED and each.happening.subject == subject
    ]


def turn(client: TestClient, made: dict[str, Any], digest: object = None) -> Any:
    body = {"digest": digest or made["digest"], "password": PASSWORD}
    return client.post(f"/api/v1/proposals/{made['id']}/approve", json=body)


def answers(world: World, made: dict[str, Any]) -> int:
    with world.store.read() as uow:
        return uow.approvals.count(proposal=str(made["id"]))


def test_approval_by_the_author(server: Doors, world: World) -> None:
    both = server.person("both")
    made = draft(both)
    assert problem(turn(both, made))["status"] == 403
    assert "never approves" in on_record(world, made["id"])[0]
    assert answers(world, made) == 0


def test_approval_of_an_edited_proposal_by_its_old_digest(server: Doors, world: World) -> None:
    old = draft(server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT))
    viewer = server.person("viewer")
    edited = viewer.post(f"/api/v1/proposals/{old['id']}/edit", json={"digest": old["digest"], "reason": "better"})
    new = edited.json()
    assert edited.status_code == 201
    assert (new["supersedes"], new["approved"]) == (old["id"], 0)
    mara = server.person("mara")
    told = problem(turn(mara, new, old["digest"]))
    assert told["status"] == 409
    assert "read the proposal again" in told["remedy"]
    assert problem(turn(mara, old))["remedy"] == f"an edit replaced it: read `{new['id']}`"
    assert len(on_record(world, new["id"])) == 1
    assert answers(world, new) == 0


def test_an_expired_proposal(server: Doors, world: World) -> None:
    made = draft(server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT))
    world.clock.forward(hours=4)
    assert "expired" in problem(turn(server.person("mara"), made))["detail"]
    assert server.person("mara").get(f"/api/v1/proposals/{made['id']}").json()["status"] == "expired"
    assert on_record(world, made["id"])


def test_a_stale_base_revision(server: Doors, world: World) -> None:
    agent = server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT)
    first, second = draft(agent), draft(agent, reason="the same again")
    for who in (world.ines, world.mara):
        approve(world.store, who, str(first["id"]), str(first["digest"]), PRESENT)
    approve(world.store, world.ines, str(second["id"]), str(second["digest"]), PRESENT)
    told = problem(turn(server.person("mara"), second))
    assert told["status"] == 409
    assert f"flag:{FLAG} changed since" in told["detail"]
    assert world.revision == 2
    assert on_record(world, second["id"])


def test_an_unknown_flag_and_an_unknown_operator(server: Doors, world: World) -> None:
    mara = server.person("mara")
    body = {"project": PROJECT, "environment": ENVIRONMENT, "reason": "x"}
    clause = {"attribute": "plan", "operator": "sounds_like", "values": ["pro"]}
    rule = {"id": "r", "clauses": [clause], "serve": {"variation": "baseline"}}
    for operation, word in (
        ({"op": "set_enabled", "flag": "no_such_flag", "enabled": False}, "no_such_flag"),
        ({"op": "add_rule", "flag": FLAG, "rule": rule, "position": 0}, "sounds_like"),
    ):
        told = problem(mara.post("/api/v1/proposals", json=body | {"operations": [operation]}))
        assert told["status"] == 422
        assert word in told["detail"]
        assert told["accepted"]
    with world.store.read() as uow:
        assert uow.proposals.where() == ()
    assert len(on_record(world, "/api/v1/proposals")) == 2


def test_undoing_a_reduction_through_http_drafts_a_proposal_of_its_own(server: Doors, world: World) -> None:
    made = draft(server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT))
    for who in (world.ines, world.mara):
        approve(world.store, who, str(made["id"]), str(made["digest"]), PRESENT)
    mara = server.person("mara")
    (change,) = [each for each in mara.get("/api/v1/changes").json() if each["proposal"] == made["id"]]
    undone = mara.post(f"/api/v1/changes/{change['id']}/reverse", json={"password": PASSWORD}).json()
    assert undone["change"] is None
    waiting = mara.get(f"/api/v1/proposals/{undone['proposal']}").json()
    assert (waiting["status"], waiting["effect"]) == ("pending", "widens")
    assert world.revision == 2
