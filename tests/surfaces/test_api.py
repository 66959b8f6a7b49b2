"""The JSON API: the loop through HTTP, and a clear problem for everything that is wrong."""

from __future__ import annotations

from starlette.testclient import TestClient

from tests.support.server import Doors, alertmanager_body, problem
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PROJECT, World
from twokey.domain.identity import ActorKind, Scope

REDUCE = {"op": "set_weights", "flag": FLAG, "rule": "pro-10", "weights": [["reranker_v2", 1000], ["baseline", 99000]]}


def draft(client: TestClient, **more: object) -> dict[str, object]:
    body = {"project": PROJECT, "environment": ENVIRONMENT, "operations": [REDUCE], "reason": "less of it"} | more
    answer = client.post("/api/v1/proposals", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, object] = answer.json()
    return made


def refusals(world: World) -> list[str]:
    with world.store.read() as uow:
        return [each.happening.action for each in uow.audit.entries(limit=1000) if each.happening.outcome == "refused"]


def test_the_loop_from_alert_to_decision_through_http(server: Doors, world: World) -> None:
    world.clock.forward(minutes=31)
    world.traffic(3000, slow=0.04, slow_candidate=0.35)
    source = server.token(Scope.SIGNALS_WRITE)
    received = source.post("/signals/v1/alertmanager", json=alertmanager_body("High", start="2026-11-02T09:31:00Z"))
    assert received.status_code == 200, received.text
    case_id = received.json()["results"][0]["case"]
    world.work()

    mara, ines = server.person("mara"), server.person("ines")
    case = mara.get(f"/api/v1/cases/{case_id}").json()
    assert case["status"] == "acting"
    assert [each["status"] for each in case["steps"]][:4] == ["done", "done", "done", "current"]
    assert {each["state"] for each in case["tiles"]} == {"harm", "gap"} or case["tiles"]
    proposal = mara.get(f"/api/v1/proposals/{case['proposals'][0]['id']}").json()
    assert [each["status"] for each in proposal["keys"]] == ["waiting", "waiting"]
    assert proposal["diffs"][0]["flag"] == FLAG
    document = mara.get(f"/api/v1/proposals/{proposal['id']}/document").text
    assert "operations_signal:" in document
    assert "approval_required_from:" in document

    for client in (ines, mara):
        answer = client.post(
            f"/api/v1/proposals/{proposal['id']}/approve", json={"digest": proposal["digest"], "password": PASSWORD}
        )
        assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "applied"

    world.clock.forward(minutes=20)
    world.traffic(2000, slow=0.02, seed=2)
    checked = mara.post(f"/api/v1/cases/{case_id}/check").json()
    assert checked["phase"] == "after"
    assert mara.get(f"/api/v1/cases/{case_id}/series").json()[0]["lines"]
    closed = mara.post(
        f"/api/v1/cases/{case_id}/close",
        json={
            "choice": "roll_back",
            "rationale": "both guardrails breached",
            "outcome": "latency recovered",
            "owner": "support-ai-platform",
            "review_date": "2026-12-01",
        },
    )
    assert closed.status_code == 200, closed.text
    record = mara.get(f"/api/v1/cases/{case_id}/record").json()
    assert record["decision"]["choice"] == "roll_back"
    assert "# " in mara.get(f"/api/v1/cases/{case_id}/record?format=markdown").text
    assert mara.get("/api/v1/audit/verify").json()["ok"] is True


def test_nobody_reads_without_signing_in(server: Doors) -> None:
    for path in ("/api/v1/cases", "/api/v1/proposals", "/api/v1/environments", "/api/v1/audit", "/api/v1/users"):
        assert problem(server.client().get(path))["status"] == 401


def test_a_wrong_password_is_refused_and_on_record_and_after_ten_it_is_throttled(server: Doors, world: World) -> None:
    client = server.client()
    for _ in range(10):
        answer = client.post("/api/v1/session", json={"username": "mara", "password": "wrong wrong wrong"})
        assert problem(answer)["status"] == 401
    answer = client.post("/api/v1/session", json={"username": "mara", "password": PASSWORD})
    assert problem(answer)["status"] == 429
    assert answer.headers["retry-after"].isdigit()
    assert "session.refuse" in refusals(world)


def test_a_session_without_its_csrf_token_changes_nothing(server: Doors, world: World) -> None:
    mara = server.person("mara")
    del mara.headers["X-CSRF-Token"]
    body = {"project": PROJECT, "environment": ENVIRONMENT, "operations": [REDUCE], "reason": "x"}
    assert "CSRF" in str(problem(mara.post("/api/v1/proposals", json=body))["detail"])
    mara.headers["X-CSRF-Token"] = server.person("mara").headers["X-CSRF-Token"]
    assert problem(mara.post("/api/v1/proposals", json=body))["status"] == 403


def test_a_call_that_a_foreign_page_caused_is_refused(server: Doors) -> None:
    mara = server.person("mara")
    mara.headers["Origin"] = "http://evil.test"
    assert problem(mara.delete("/api/v1/session"))["status"] == 403


def test_an_ended_session_is_over_at_once(server: Doors) -> None:
    mara = server.person("mara")
    kept = mara.cookies.get("twokey_session")
    assert mara.delete("/api/v1/session").status_code == 204
    mara.cookies.set("twokey_session", kept or "")
    assert problem(mara.get("/api/v1/session"))["status"] == 401


def test_an_agent_token_drafts_and_never_turns_a_key(server: Doors, world: World) -> None:
    agent = server.token(Scope.PROPOSALS_WRITE, Scope.FLAGS_READ, kind=ActorKind.AGENT)
    made = draft(agent)
    assert made["author_kind"] == "agent"
    for move in ("approve", "reject", "apply"):
        body = {"digest": made["digest"], "password": PASSWORD, "note": "APPROVED by the release manager"}
        body = {"password": PASSWORD} if move == "apply" else body
        assert problem(agent.post(f"/api/v1/proposals/{made['id']}/{move}", json=body))["status"] == 403
    assert len([each for each in refusals(world) if each.startswith("refused.")]) == 3
    assert world.revision == 1


def test_a_wrong_password_at_approval_turns_no_key(server: Doors, world: World) -> None:
    made = draft(server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT))
    mara = server.person("mara")
    answer = mara.post(
        f"/api/v1/proposals/{made['id']}/approve", json={"digest": made["digest"], "password": "wrong wrong wrong"}
    )
    assert "fresh proof" in str(problem(answer)["detail"])
    assert "refused.approve" in refusals(world)


def test_unknown_fields_operations_and_flags_are_refused_by_name(server: Doors) -> None:
    mara = server.person("mara")
    body = {"project": PROJECT, "environment": ENVIRONMENT, "operations": [REDUCE], "reason": "x", "force": True}
    assert problem(mara.post("/api/v1/proposals", json=body))["field"] == "force"
    body = {"project": PROJECT, "environment": ENVIRONMENT, "operations": [{"op": "grant_role"}], "reason": "x"}
    assert "grant_role" in str(problem(mara.post("/api/v1/proposals", json=body))["detail"])
    body["operations"] = [{"op": "set_enabled", "flag": "nope", "enabled": False}]
    assert "nope" in str(problem(mara.post("/api/v1/proposals", json=body))["detail"])
    place = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}"
    assert problem(mara.get(f"{place}/flags/nope"))["status"] == 404
    assert problem(mara.get("/api/v1/cases/case-nope"))["status"] == 404
    assert problem(mara.get("/api/v1/no/such/address"))["status"] == 404


def test_malformed_and_oversized_alerts_are_refused_whole(server: Doors, world: World) -> None:
    source = server.token(Scope.SIGNALS_WRITE)
    good = alertmanager_body("A", "B")
    broken = alertmanager_body("A", "B")
    broken["alerts"][1]["status"] = "perhaps"
    assert problem(source.post("/signals/v1/alertmanager", json=broken))["field"] == "alerts[1].status"
    assert problem(source.post("/signals/v1/alertmanager", json=good | {"version": "3"}))["field"] == "version"
    assert problem(source.post("/signals/v1/alertmanager", json=good | {"alerts": []}))["field"] == "alerts"
    assert problem(source.post("/signals/v1/alertmanager", content=b"\xff not json"))["field"] == "body"
    large = source.post("/signals/v1/alertmanager", content=b"[" + b" " * 2_000_000)
    assert problem(large)["status"] == 413
    with world.store.read() as uow:
        assert uow.cases.where() == ()
    assert "refused.alertmanager" in refusals(world)


def test_alerts_need_a_service_token_with_its_scope(server: Doors) -> None:
    body = alertmanager_body("A")
    assert problem(server.client().post("/signals/v1/alertmanager", json=body))["status"] == 401
    wrong = server.token(Scope.FLAGS_EVALUATE)
    assert problem(wrong.post("/signals/v1/alertmanager", json=body))["status"] == 403
    assert problem(server.person("mara").post("/signals/v1/alertmanager", json=body))["status"] == 403


def test_a_telemetry_batch_counts_once_and_bad_records_are_named(server: Doors) -> None:
    intake = server.token(Scope.TELEMETRY_WRITE)
    batch = {
        "batch_id": "b-1",
        "metrics": [
            {"metric": "m", "value": 1.0, "unit": "u", "unit_name": "conversation", "at": "2026-11-02T08:59:00Z"},
            {"metric": "m", "value": 1.0, "unit": "u", "unit_name": "conversation", "at": "2030-01-01T00:00:00Z"},
        ],
    }
    first = intake.post("/api/v1/telemetry", json=batch).json()
    assert (first["metrics"], first["repeated"], len(first["refused"])) == (1, False, 1)
    again = intake.post("/api/v1/telemetry", json=batch).json()
    assert (again["metrics"], again["repeated"]) == (0, True)
    assert problem(intake.post("/api/v1/telemetry", json={"metrics": []}))["status"] == 422


def test_an_agent_makes_no_evidence_of_its_own(server: Doors) -> None:
    agent = server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT)
    assert problem(agent.post("/api/v1/telemetry", json={"batch_id": "b"}))["status"] == 403


def test_only_an_administrator_creates_people_and_tokens(server: Doors, world: World) -> None:
    mara = server.person("mara")
    new = {"username": "eve", "name": "Eve", "password": "twelve letters", "roles": ["release_manager"]}
    assert problem(mara.post("/api/v1/users", json=new))["status"] == 403
    token = {
        "name": "t",
        "kind": "agent",
        "scopes": ["telemetry:write"],
        "project": PROJECT,
        "environment": ENVIRONMENT,
    }
    assert problem(mara.post("/api/v1/tokens", json=token))["status"] == 403
    world.add_person("root", "administrator")
    root = server.person("root")
    assert root.post("/api/v1/users", json=new).status_code == 201
    assert problem(root.post("/api/v1/users", json=new))["status"] == 409
    assert problem(root.post("/api/v1/tokens", json=token))["field"] == "scopes"


def test_a_revoked_token_is_over_at_once(server: Doors, world: World) -> None:
    world.add_person("root", "administrator")
    root = server.person("root")
    body = {"name": "t", "kind": "service", "scopes": ["flags:read"], "project": PROJECT, "environment": ENVIRONMENT}
    made = root.post("/api/v1/tokens", json=body).json()
    client = server.client(Authorization=f"Bearer {made['secret']}")
    assert client.get("/api/v1/environments").status_code == 200
    assert root.delete(f"/api/v1/tokens/{made['id']}").status_code == 204
    assert problem(client.get("/api/v1/environments"))["status"] == 401


def test_a_flag_is_shown_with_its_targeting_and_explained(server: Doors) -> None:
    mara = server.person("mara")
    place = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}"
    rows = {each["key"]: each for each in mara.get(f"{place}/flags").json()}
    assert rows[FLAG]["reach"] == "all of internal, 10 % of pro-10"
    shown = mara.get(f"{place}/flags/{FLAG}").json()
    assert any("10 %" in each["text"] for each in shown["lines"])
    context = {"conversation": "c-1", "targetingKey": "u", "plan": "free"}
    explained = mara.post(f"{place}/flags/{FLAG}/explain", json={"context": context}).json()
    assert (explained["variation"], explained["reason"]) == ("baseline", "DEFAULT")
    assert explained["sentences"]


def test_the_snapshot_is_exported_in_canonical_bytes_with_its_digest(server: Doors, world: World) -> None:
    mara = server.person("mara")
    place = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/snapshot"
    answer = mara.get(place)
    assert answer.content == world.snapshot.to_json()
    assert mara.get(place, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_the_description_of_the_api_names_every_route(server: Doors) -> None:
    paths = server.client().get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/session", "/api/v1/proposals/{id}/approve", "/signals/v1/alertmanager"} <= paths.keys()
    assert all("responses" in each for path in paths.values() for each in path.values())
