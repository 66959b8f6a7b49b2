"""A guarded rollout over HTTP: proposed as a plan, approved as a whole, seen on its way, moved by people alone."""

from __future__ import annotations

from typing import Any

from tests.support.server import Doors, problem
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PROJECT, World
from twokey.domain.identity import ActorKind, Scope

PLAN: dict[str, Any] = {
    "flag": FLAG,
    "rule": "pro-10",
    "candidate": "reranker_v2",
    "stages": [{"share": 25_000, "minutes": 30, "units": 200}, {"share": 50_000, "opens": "approval"}],
}
WANTED = {"project": PROJECT, "environment": ENVIRONMENT, "plan": PLAN, "reason": "it looks good"}
MOVE = {"note": "as agreed", "password": PASSWORD}


def begun(server: Doors) -> dict[str, Any]:
    made = server.person("viewer").post("/api/v1/proposals/rollout", json=WANTED)
    assert made.status_code == 201, made.text
    assert made.json()["effect"] == "widens"
    assert [each.startswith("stage ") for each in made.json()["plan"]["says"]] == [True, True]
    for name in ("ines", "mara"):
        body = {"digest": made.json()["digest"], "password": PASSWORD}
        answer = server.person(name).post(f"/api/v1/proposals/{made.json()['id']}/approve", json=body)
        assert answer.status_code == 200, answer.text
    (rollout,) = server.person("mara").get("/api/v1/rollouts", params={"flag": FLAG}).json()
    assert (rollout["status"], rollout["stage"], rollout["proposal"]) == ("running", 0, made.json()["id"])
    found: dict[str, Any] = rollout
    return found


def test_from_a_plan_to_its_end_over_http(server: Doors, world: World) -> None:
    rollout = begun(server)
    mara, address = server.person("mara"), f"/api/v1/rollouts/{rollout['id']}"
    assert rollout["may"] == ["pause", "stop", "roll-back"]
    assert mara.post(f"{address}/pause", json={"note": "lunch"}).json()["status"] == "paused"
    resumed = mara.post(f"{address}/resume", json=MOVE).json()
    assert (resumed["status"], [each["what"] for each in resumed["steps"]]) == (
        "running", ["running", "paused", "running"],
    )  # fmt: skip
    assert problem(mara.post(f"{address}/agree", json=MOVE))["status"] == 409
    back = mara.post(f"{address}/roll-back", json=MOVE).json()
    assert (back["status"], back["may"]) == ("rolled_back", [])
    assert world.served(conversation="c-1", plan="pro") == "baseline"
    assert problem(mara.post(f"{address}/stop", json=MOVE))["status"] == 409


def test_nobody_but_a_person_with_a_role_and_proof_moves_it(server: Doors) -> None:
    rollout = begun(server)
    address = f"/api/v1/rollouts/{rollout['id']}"
    agent = server.token(Scope.FLAGS_READ, Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT)
    assert agent.get(address).json()["may"] == []
    viewer, mara = server.person("viewer"), server.person("mara")
    for verb in ("resume", "agree", "stop", "roll-back"):
        for who in (agent, viewer):
            assert who.post(f"{address}/{verb}", json=MOVE).status_code == 403, verb
        assert mara.post(f"{address}/{verb}", json=MOVE | {"password": "a guess"}).status_code == 403, verb
    for who in (agent, viewer):
        assert who.post(f"{address}/pause", json={"note": "no"}).status_code == 403
    assert mara.get(address).json()["status"] == "running"


def test_an_agent_may_propose_one_and_it_waits_for_both_keys(server: Doors, world: World) -> None:
    agent = server.token(Scope.FLAGS_READ, Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT)
    made = agent.post("/api/v1/proposals/rollout", json=WANTED).json()
    assert (made["status"], made["approved"], made["required"]) == ("pending", 0, 2)
    assert world.revision == 1


def test_a_stage_says_which_rule_it_widens_and_null_is_everybody_else(server: Doors) -> None:
    viewer = server.person("viewer")
    made = viewer.post("/api/v1/proposals/rollout", json=WANTED).json()
    assert [each["rule"] for each in made["plan"]["stages"]] == ["pro-10", "pro-10"]
    for rule, why in ((None, "does not split"), ("nowhere", "no rule `nowhere`"), ("internal", "does not split")):
        stages = [PLAN["stages"][0], PLAN["stages"][1] | {"rule": rule}]
        answer = viewer.post("/api/v1/proposals/rollout", json=WANTED | {"plan": PLAN | {"stages": stages}})
        assert why in problem(answer)["detail"], answer.text


def test_a_plan_is_refused_by_field(server: Doors) -> None:
    viewer = server.person("viewer")
    for change, field in (
        ({"stages": []}, "stages"),
        ({"stages": [{"share": 5_000}]}, "plan: stages[0].share"),
        ({"stages": [{"share": 25_000, "opens": "luck"}]}, "opens"),
        ({"rule": "nowhere"}, "plan: rule"),
        ({"because": "x"}, "because"),
    ):
        told = problem(viewer.post("/api/v1/proposals/rollout", json=WANTED | {"plan": PLAN | change}))
        assert told["status"] == 422
        assert field in told["detail"] or field in told.get("field", ""), told
