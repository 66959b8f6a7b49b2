"""Copying from one environment to another, through the API: a proposal like any other, which never writes by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.attacks.attempts import turn
from tests.support.server import Doors, problem
from tests.support.world import (
    ENVIRONMENT,
    FLAG,
    PASSWORD,
    PROJECT,
    World,
    initial_state,
    plain_control,
    support_control,
)
from twokey.domain.control import State
from twokey.domain.identity import SYSTEM, ActorKind, Scope
from twokey.domain.operation import content_digest
from twokey.domain.policy import Environment
from twokey.steps.manage_access import create_environment

COPY = {"project": PROJECT, "from_environment": "staging", "environment": ENVIRONMENT, "reason": "it held in staging"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Production with the article's flag, and staging where it is wider and has company."""
    made = World(tmp_path, support_control(), plain_control("only_here"))
    state = initial_state(support_control(50_000), plain_control("only_there"))
    staging = msgspec.structs.replace(state, environment="staging")
    create_environment(made.store, SYSTEM, Environment(project=PROJECT, key="staging"), staging)
    yield made
    made.close()


@pytest.fixture
def server(world: World) -> Doors:
    return Doors(world)


def state(world: World, environment: str = ENVIRONMENT) -> State:
    with world.store.read() as uow:
        return uow.flags.state(PROJECT, environment)


def copy(server: Doors, who: str = "viewer", **more: Any) -> Any:
    return server.person(who).post("/api/v1/proposals/copy", json=COPY | more)


def turn_both(server: Doors, made: dict[str, Any]) -> dict[str, Any]:
    turn(server.person("ines"), made)
    view: dict[str, Any] = turn(server.person("mara"), made).json()
    return view


def test_a_whole_environment_goes_over_by_its_keys_and_comes_back_the_same_way(server: Doors, world: World) -> None:
    before, there = state(world), state(world, "staging")
    made = copy(server).json()
    assert (made["status"], made["effect"], made["action"]) == ("pending", "widens", "expand_rollout")
    assert made["title"] == "copy every flag from staging to production"
    assert made["expected_effect"] == "every flag in production as in staging at revision 1"
    assert [each["op"] for each in made["operations"]] == ["create_flag", "set_weights", "set_enabled"]
    assert state(world) == before
    assert turn_both(server, made)["status"] == "applied"
    after = state(world)
    for key in (FLAG, "only_there"):
        assert content_digest(after.controls[key]) == content_digest(there.controls[key])
    assert after.controls["only_here"] == before.controls["only_here"]
    assert state(world, "staging") == there
    with world.store.read() as uow:
        (change,) = uow.changes.where(proposal=made["id"])
    body = {"password": PASSWORD, "way": "reverse", "code_reference_review": "nothing asks for `only_there` here"}
    undone = server.person("viewer").post(f"/api/v1/changes/{change.id}/reverse", json=body)
    assert problem(undone)["status"] == 403
    undone = server.person("mara").post(f"/api/v1/changes/{change.id}/reverse", json=body).json()
    assert undone["sentence"] == "undoing this widens exposure, so it needs its own approval"
    back = server.person("both").get(f"/api/v1/proposals/{undone['proposal']}").json()
    assert (back["action"], back["status"]) == ("delete", "pending")
    turn(server.person("ines"), back)
    assert turn(server.person("both"), back).json()["status"] == "applied"
    restored = state(world)
    assert {key: content_digest(each) for key, each in restored.controls.items()} == {
        key: content_digest(each) for key, each in before.controls.items()
    }


def test_one_flag_is_copied_and_what_moved_meanwhile_makes_it_stale(server: Doors, world: World) -> None:
    made = copy(server, flags=[FLAG]).json()
    assert made["title"] == f"copy {FLAG} from staging to production"
    assert made["sentences"][0].startswith("In `pro-10`") or "50" in made["sentences"][0]
    other = copy(server, "both", flags=[FLAG], reason="again").json()
    assert turn_both(server, other)["status"] == "applied"
    turn(server.person("ines"), made)
    assert "changed since" in problem(turn(server.person("mara"), made))["detail"]


def test_what_cannot_be_copied_is_refused_by_the_name_of_its_flag(server: Doors) -> None:
    for more, field, says in (
        ({"flags": ["nothing"]}, "flag", "there is no flag `nothing`"),
        ({"from_environment": ENVIRONMENT}, "from_environment", "is the target itself"),
        ({"flags": [FLAG] * 201}, "flags", "at most 200"),
    ):
        told = problem(copy(server, **more))
        assert (told["status"], told["field"]) == (422, field)
        assert says in told["detail"]
    assert problem(copy(server, from_environment="nowhere"))["status"] == 404
    assert problem(copy(server, environment="nowhere"))["status"] == 404


def test_a_token_learns_nothing_of_another_environment_by_copying_from_it(server: Doors, world: World) -> None:
    agent = server.token(Scope.FLAGS_READ, Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT)
    there, nowhere = (
        problem(agent.post("/api/v1/proposals/copy", json=COPY | {"from_environment": each}))
        for each in ("staging", "nowhere")
    )
    assert there["status"] == nowhere["status"] == 404
    assert there["detail"].replace("staging", "nowhere") == nowhere["detail"]
    assert server.token(Scope.FLAGS_READ).post("/api/v1/proposals/copy", json=COPY).status_code == 403
    assert server.client().post("/api/v1/proposals/copy", json=COPY).status_code == 401


def test_a_copy_belongs_to_its_case_and_may_be_applied_by_hand(server: Doors) -> None:
    assert problem(copy(server, case="case-none"))["status"] == 404
    made = copy(server, apply="manual").json()
    assert turn_both(server, made)["status"] == "approved"
    done = server.person("mara").post(f"/api/v1/proposals/{made['id']}/apply", json={"password": PASSWORD}).json()
    assert done["status"] == "applied"
