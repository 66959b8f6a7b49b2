"""Governing access through the API: what pages and terminals send, and what they are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.attempts import draft_by, drafted
from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PROJECT, World, plain_control, support_control
from twokey.domain.identity import ActorKind, Scope

GRANT = {"edits": [{"edit": "grant_role", "person": "viewer", "grant": "release_manager"}], "reason": "on call"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, support_control(), plain_control("new_header"))
    made.add_person("sefa", "security", "administrator")
    made.add_person("timo", "security")
    made.add_person("olga", "break_glass")
    yield made
    made.close()


@pytest.fixture
def server(world: World) -> Doors:
    return Doors(world)


def propose(server: Doors, name: str = "sefa", **more: Any) -> Any:
    return server.person(name).post("/api/v1/access/proposals", json={**GRANT, "password": PASSWORD, **more})


def test_two_of_security_give_a_role_and_everybody_can_read_how(server: Doors) -> None:
    made = propose(server).json()
    assert (made["status"], made["may"], made["required_roles"]) == ("pending", ["withdraw"], ["security"])
    assert made["says"] == ["give viewer the role `release_manager`"]
    timo = server.person("timo")
    seen = timo.get(f"/api/v1/access/proposals/{made['id']}").json()
    assert seen["may"] == ["approve", "reject"]
    answer = {"digest": seen["digest"], "password": PASSWORD, "note": "yes"}
    done = timo.post(f"/api/v1/access/proposals/{made['id']}/approve", json=answer).json()
    assert (done["status"], [each["person"] for each in done["answers"]]) == ("applied", ["timo"])
    access = server.person("viewer").get("/api/v1/access").json()
    assert {"person": "viewer", "grants": ["release_manager"]} in access["people"]
    assert access["founded"] is True


def test_a_wrong_password_proposes_and_answers_nothing(server: Doors) -> None:
    assert propose(server, password="not it, really").status_code == 403
    made = propose(server).json()
    answer = {"digest": made["digest"], "password": "not it, really", "note": ""}
    refused = server.person("timo").post(f"/api/v1/access/proposals/{made['id']}/approve", json=answer)
    assert refused.status_code == 403
    assert server.person("sefa").get("/api/v1/access/proposals").json()[0]["status"] == "pending"


@pytest.mark.parametrize("path", ["/access", "/access/proposals", "/reviews"])
def test_no_token_reads_how_access_is_governed(server: Doors, path: str) -> None:
    for kind, scopes in (
        (ActorKind.AGENT, (Scope.FLAGS_READ, Scope.PROPOSALS_WRITE)),
        (ActorKind.SERVICE, (Scope.FLAGS_READ,)),
    ):
        assert server.token(*scopes, kind=kind).get(f"/api/v1{path}").status_code == 403


def test_no_token_governs_or_breaks_glass(server: Doors) -> None:
    agent = server.token(Scope.FLAGS_READ, Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT)
    assert agent.post("/api/v1/access/proposals", json={**GRANT, "password": PASSWORD}).status_code == 403
    glass = {
        "project": PROJECT,
        "environment": ENVIRONMENT,
        "flag": FLAG,
        "seen": 1,
        "reason": "x",
        "password": PASSWORD,
    }
    assert agent.post("/api/v1/break-glass", json=glass).status_code == 403


def test_an_edit_that_is_none_names_the_field_and_what_is_accepted(server: Doors) -> None:
    answer = propose(server, edits=[{"edit": "create_token", "scopes": ["*"]}])
    assert answer.status_code == 422
    assert answer.json()["field"] == "edits"
    assert "grant_role" in answer.json()["accepted"]


def test_glass_is_broken_alone_and_the_review_closed_by_another(server: Doors, world: World) -> None:
    with world.store.read() as uow:
        seen = uow.flags.state(PROJECT, ENVIRONMENT).control(FLAG).flag.revision
    glass = {"project": PROJECT, "environment": ENVIRONMENT, "flag": FLAG, "seen": seen, "reason": "wrong answers"}
    olga, mara = server.person("olga"), server.person("mara")
    opened = olga.post("/api/v1/break-glass", json={**glass, "password": PASSWORD})
    assert opened.status_code == 201, opened.text
    review = opened.json()
    assert world.served(conversation="c-1", plan="pro") == "baseline"
    assert [each["id"] for each in mara.get("/api/v1/reviews", params={"status": "open"}).json()] == [review["id"]]
    closing = {"found": "justified", "note": "the model was down", "password": PASSWORD}
    assert olga.post(f"/api/v1/reviews/{review['id']}/close", json=closing).status_code == 403
    closed = mara.post(f"/api/v1/reviews/{review['id']}/close", json=closing).json()
    assert (closed["status"], closed["closed_by"], closed["found"]) == ("closed", "mara", "justified")
    again = mara.post(f"/api/v1/reviews/{review['id']}/close", json=closing)
    assert again.status_code == 409


def test_one_can_ask_what_an_approval_would_open_and_nothing_changes(server: Doors, world: World) -> None:
    made = drafted(world)
    viewer, path = server.person("viewer"), f"/api/v1/proposals/{made.id}/gate"

    def gate(*names: str) -> dict[str, Any]:
        found: dict[str, Any] = viewer.get(path, params={"approves": list(names)}).json()["gate"]
        return found

    assert gate("mara")["sentence"] == "waiting for support_ai_platform_owner"
    assert gate("mara", "ines")["status"] == "open"
    assert gate("role:release_manager", "role:support_ai_platform_owner")["status"] == "open"
    assert gate("viewer")["status"] == "waiting"
    assert viewer.get(path, params={"approves": "nobody"}).status_code == 404
    with world.store.read() as uow:
        assert uow.approvals.count() == 0


def test_the_author_cannot_even_be_supposed_to_approve(server: Doors, world: World) -> None:
    made = drafted(world, by=world.mara)
    answer = server.person("viewer").get(f"/api/v1/proposals/{made.id}/gate", params={"approves": ["mara", "ines"]})
    assert answer.json()["gate"]["sentence"] == "waiting for release_manager"


def test_in_an_environment_without_keys_a_persons_draft_is_live_at_once_and_an_agents_waits(
    server: Doors, world: World
) -> None:
    unguard = [{"edit": "set_guarding", "project": PROJECT, "environment": ENVIRONMENT, "guarded": False}]
    made = propose(server, edits=unguard).json()
    answer = {"digest": made["digest"], "password": PASSWORD, "note": ""}
    server.person("timo").post(f"/api/v1/access/proposals/{made['id']}/approve", json=answer)
    agent = server.token(Scope.FLAGS_READ, Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT)
    waiting = draft_by(agent)
    assert waiting["status"] == "pending"
    mara = server.person("mara")
    assert mara.get(f"/api/v1/proposals/{waiting['id']}").json()["may"] == ["apply", "edit"]
    assert (
        mara.post(f"/api/v1/proposals/{waiting['id']}/apply", json={"password": PASSWORD}).json()["status"] == "applied"
    )
    operation = {"op": "set_enabled", "flag": "new_header", "enabled": False}
    assert draft_by(mara, operations=[operation])["status"] == "applied"
    assert draft_by(server.person("viewer"), operations=[{**operation, "enabled": True}])["status"] == "pending"
