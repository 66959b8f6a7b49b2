"""The policies in force and the matrix they make, as pages and tools read them."""

from __future__ import annotations

from tests.adapters.cedar.test_matrix import PROMISED, cells
from tests.support.server import Doors, problem
from tests.support.world import ENVIRONMENT, PROJECT, World
from twokey.adapters.cedar import gatekeeper
from twokey.domain.access import Policies
from twokey.domain.identity import Scope

PLACE = {"project": PROJECT, "environment": ENVIRONMENT}
NO_KILL = '// Not here.\n@id("no-kill") forbid (principal, action, resource) when { context.change == "kill" };'
COLUMNS = ("ai_alone", "ai_may_draft", "approval", "prompt_alone")


def test_the_matrix_over_http_is_the_promised_one(server: Doors) -> None:
    shown = server.person("mara").get("/api/v1/policy/matrix", params=PLACE).json()
    rows = [(row["says"], *(row[column]["says"] for column in COLUMNS)) for row in shown["rows"]]
    assert [tuple(shown["headings"]), *rows] == cells(PROMISED)
    assert shown["digest"] == gatekeeper("").digest
    assert shown["rows"][3]["ai_alone"]["policies"] == ["agents-turn-no-key", "services-turn-no-key"]


def test_every_policy_in_force_is_shown_with_its_text(server: Doors) -> None:
    shown = server.person("mara").get("/api/v1/policy").json()
    assert [each["id"] for each in shown["policies"]] == [each.id for each in gatekeeper("").written]
    assert all(each["shipped"] and each["says"] and each["text"].endswith(";") for each in shown["policies"])


def test_a_teams_policies_are_shown_and_asked_once_they_are_in_force(server: Doors, world: World) -> None:
    with world.store.begin() as uow:
        uow.policies.add(Policies(id=uow.new_id("policies"), text=NO_KILL, set_at=uow.now, set_by="mara"))
    mara = server.person("mara")
    ours = mara.get("/api/v1/policy").json()["policies"][-1]
    assert (ours["id"], ours["says"], ours["shipped"]) == ("no-kill", "Not here.", False)
    rows = {row["key"]: row for row in mara.get("/api/v1/policy/matrix", params=PLACE).json()["rows"]}
    assert rows["kill"]["approval"] == {"says": "nobody may", "policies": ["no-kill"]}
    assert rows["reduce"]["approval"]["says"] == "yes"


def test_an_assistant_may_know_the_rules_of_its_own_environment_alone(server: Doors) -> None:
    agent = server.token(Scope.FLAGS_READ)
    assert agent.get("/api/v1/policy").status_code == 200
    assert agent.get("/api/v1/policy/matrix", params=PLACE).status_code == 200
    assert problem(agent.get("/api/v1/policy/matrix", params=PLACE | {"environment": "staging"}))["status"] == 404
    assert problem(server.token(Scope.SIGNALS_WRITE).get("/api/v1/policy"))["status"] == 403


def test_nobody_reads_it_without_signing_in(server: Doors) -> None:
    for path in ("/api/v1/policy", "/api/v1/policy/matrix"):
        assert problem(server.client().get(path, params=PLACE))["status"] == 401


def test_a_place_that_is_none_has_no_matrix(server: Doors) -> None:
    mara = server.person("mara")
    assert problem(mara.get("/api/v1/policy/matrix", params=PLACE | {"environment": "nowhere"}))["status"] == 404
    assert problem(mara.get("/api/v1/policy/matrix"))["status"] == 422


def test_no_call_writes_a_policy(server: Doors) -> None:
    mara = server.person("mara")
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (
            mara.request(method, "/api/v1/policy", json={"text": "permit (principal, action, resource);"}).status_code
            == 405
        )
