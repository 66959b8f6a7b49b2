"""Findings of outside assistants: beside the analyst's, never instead of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.attacks.attempts import REDUCE_JSON
from tests.steps.test_standing_orders import harm
from tests.support.server import Doors, alertmanager_body, problem
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, World
from twokey.domain.audit import Happening
from twokey.domain.identity import AGENT_SCOPES, ANALYST, ActorKind, Scope

DIGEST = "sha256:" + "a" * 64
PROVENANCE = {"provider": "openai", "model": "m-1", "prompt": DIGEST, "answer": DIGEST, "requests": 2, "seconds": 1.5}
CLAIM: dict[str, Any] = {
    "summary": "the reranker is slow",
    "recommendation": "reduce_percentage",
    "reason": "its units wait longer",
    "confidence": 0.8,
    "provenance": PROVENANCE,
    "suspects": [
        {"flag": FLAG, "variation": "reranker_v2", "confidence": 0.8, "because": "slow", "cohort": {"plan": ["pro"]}}
    ],
    "title": "Less of the reranker",
    "operations": [REDUCE_JSON],
}


@pytest.fixture
def server(world: World) -> Doors:
    return Doors(world)


@pytest.fixture
def agent(server: Doors) -> TestClient:
    return server.token(*AGENT_SCOPES, kind=ActorKind.AGENT)


def triaged(world: World) -> str:
    """A case that the analyst has triaged, and drafted for."""
    harm(world)
    with world.store.read() as uow:
        return uow.cases.where(limit=1)[0].id


def seen(server: Doors, case: str) -> dict[str, Any]:
    return dict(server.person("ines").get(f"/api/v1/cases/{case}").json())


def entries(world: World, action: str) -> list[Happening]:
    with world.store.read() as uow:
        return [each.happening for each in uow.audit.entries(limit=1000) if each.happening.action == action]


def cited(server: Doors, case: str) -> dict[str, Any]:
    """A citation of the analyst's, as another assistant would repeat it."""
    found = next(each for each in seen(server, case)["finding"]["citations"] if isinstance(each["value"], float))
    return {key: found[key] for key in ("evidence", "path", "value", "says")}


def test_a_second_opinion_stands_beside_the_analysts_with_what_differs(
    server: Doors, world: World, agent: TestClient
) -> None:
    case = triaged(world)
    mine = seen(server, case)["finding"]
    answer = agent.post(f"/api/v1/cases/{case}/findings", json=CLAIM)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    view = seen(server, case)
    assert view["finding"] == mine
    (opinion,) = view["opinions"]
    assert opinion["finding"]["id"] == told["id"]
    assert opinion["finding"]["suspects"][0]["surface"] == "retrieval"
    assert opinion["provenance"]["model"] == "m-1"
    assert opinion["differences"] == told["differences"]
    assert opinion["compared"]
    about = {each["about"] for each in told["differences"]}
    assert about <= {"control", "recommendation", "variation", "cohort", "operations"}
    assert about


def test_what_it_would_do_differently_is_drafted_beside_the_analysts_draft(
    server: Doors, world: World, agent: TestClient
) -> None:
    case = triaged(world)
    told = agent.post(f"/api/v1/cases/{case}/findings", json=CLAIM).json()
    proposals = {each["id"]: each for each in seen(server, case)["proposals"]}
    assert len(proposals) == 2
    assert proposals[told["proposal"]]["author_kind"] == "agent"
    assert proposals[told["proposal"]]["status"] == "pending"
    assert {each["status"] for each in proposals.values()} == {"pending"}


def test_two_that_would_do_the_same_make_one_proposal(server: Doors, world: World, agent: TestClient) -> None:
    case = triaged(world)
    with world.store.read() as uow:
        (proposal,) = uow.proposals.where(case=case)
    operations = server.person("ines").get(f"/api/v1/proposals/{proposal.id}").json()["operations"]
    mine = seen(server, case)["finding"]
    same = {key: mine["suspects"][0][key] for key in ("flag", "variation", "cohort")}
    claim = CLAIM | {
        "recommendation": mine["recommendation"],
        "operations": operations,
        "suspects": [CLAIM["suspects"][0] | same],
    }
    told = agent.post(f"/api/v1/cases/{case}/findings", json=claim).json()
    assert told["proposal"] is None
    assert told["why_not_drafted"] == f"{proposal.id} would do the same, and waits already"
    assert told["differences"] == []
    assert len(seen(server, case)["proposals"]) == 1


def test_figures_are_read_again_and_the_unsupported_ones_marked(server: Doors, world: World, agent: TestClient) -> None:
    case = triaged(world)
    right = cited(server, case)
    wrong = right | {"value": right["value"] + 17.0, "says": "much worse"}
    reason = f"it went to {right['value']:.1f} ms, which is 40 % more, on version v2.1"
    told = agent.post(
        f"/api/v1/cases/{case}/findings", json=CLAIM | {"citations": [right, wrong], "reason": reason, "operations": []}
    ).json()
    assert {"field": "reason", "text": "40 %"} in told["unsupported"]
    assert not any(each["text"].startswith(f"{right['value']:.1f}") for each in told["unsupported"])
    (opinion,) = seen(server, case)["opinions"]
    assert [each["supported"] for each in opinion["finding"]["citations"]] == [True, False]
    (entry,) = entries(world, "finding.submit")
    assert "much worse" in entry.detail["unsupported"]
    assert entry.detail["assistant"]["model"] == "m-1"
    assert entry.detail["assistant"]["prompt"] == DIGEST
    assert list(entry.detail["evidence"]) == [right["evidence"]]


def test_evidence_of_another_case_is_no_evidence(server: Doors, world: World, agent: TestClient) -> None:
    case = triaged(world)
    mine = cited(server, case)
    another = alertmanager_body("Another")
    another["alerts"][0]["labels"]["workflow"] = "billing"
    assert server.token(Scope.SIGNALS_WRITE).post("/signals/v1/alertmanager", json=another).status_code == 200
    world.work()
    with world.store.read() as uow:
        other = next(each.id for each in uow.cases.where() if each.id != case)
    told = agent.post(f"/api/v1/cases/{other}/findings", json=CLAIM | {"citations": [mine], "operations": []})
    assert told.status_code == 201, told.text
    (opinion,) = seen(server, other)["opinions"]
    (citation,) = opinion["finding"]["citations"]
    assert not citation["supported"]
    assert citation["why_not"] == f"there is no evidence `{mine['evidence']}`"


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Doors, str]]:
    """A server whose case the analyst has triaged; what is refused there leaves it as it was for the next one."""
    world = World(tmp_path_factory.mktemp("refusing"))
    case = triaged(world)
    yield Doors(world), case
    world.close()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"approved": True}, "approved"),
        ({"recommendation": "approve"}, "recommendation"),
        ({"recommendation": ["kill_switch", "no_action"]}, "recommendation"),
        ({"confidence": 2}, "confidence"),
        ({"confidence": "high"}, "confidence"),
        ({"suspects": "the reranker"}, "suspects"),
        ({"suspects": [CLAIM["suspects"][0] | {"flag": "no_such"}]}, "suspects.0.flag"),
        ({"suspects": [CLAIM["suspects"][0] | {"flag": FLAG.upper()}]}, "suspects.0.flag"),
        ({"suspects": [CLAIM["suspects"][0] | {"variation": "baseline "}]}, "suspects.0.variation"),
        ({"suspects": [CLAIM["suspects"][0] | {"rule": "r9"}]}, "suspects.0.rule"),
        ({"provenance": {"provider": "x", "model": "y"}}, "provenance.prompt"),
        ({"provenance": PROVENANCE | {"prompt": "what I was told, in plain words"}}, "provenance.prompt"),
        ({"operations": [{"op": "grant_role", "person": "x", "grant": "security"}]}, "operations[0].op"),
        ({"summary": "x" * 2001}, "summary"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field_and_nothing_is_kept(
    refusing: tuple[Doors, str], more: dict[str, Any], field: str
) -> None:
    server, case = refusing
    world, before = server.world, len(server.world.audit("refused.submit"))
    agent = server.token(*AGENT_SCOPES, kind=ActorKind.AGENT)
    answer = agent.post(f"/api/v1/cases/{case}/findings", json=CLAIM | more)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    with world.store.read() as uow:
        assert [each.author for each in uow.findings.where(case=case)] == [ANALYST.id]
        assert uow.proposals.count(case=case) == 1
    assert len(world.audit("refused.submit")) == before + 1


def test_a_draft_that_cannot_be_is_told_and_takes_nothing_from_the_finding(
    server: Doors, world: World, agent: TestClient
) -> None:
    case = triaged(world)
    wrong = REDUCE_JSON | {"flag": "no_such"}
    told = agent.post(f"/api/v1/cases/{case}/findings", json=CLAIM | {"operations": [wrong]}).json()
    assert told["proposal"] is None
    assert "no_such" in told["why_not_drafted"]
    assert seen(server, case)["opinions"][0]["finding"]["id"] == told["id"]
    assert [each.subject for each in entries(world, "refused.draft")] == [told["id"]]


def test_only_an_assistant_submits_and_only_with_its_scope(server: Doors, world: World) -> None:
    case = triaged(world)
    path = f"/api/v1/cases/{case}/findings"
    assert "a person writes a note" in problem(server.person("ines").post(path, json=CLAIM))["detail"]
    reader = server.token(Scope.SIGNALS_READ, kind=ActorKind.AGENT)
    assert "proposals:write" in problem(reader.post(path, json=CLAIM))["detail"]
    source = server.token(Scope.SIGNALS_WRITE, kind=ActorKind.SERVICE)
    assert problem(source.post(path, json=CLAIM))["status"] == 403
    assert seen(server, case)["opinions"] == []


def test_an_assistant_that_submits_without_end_is_stopped(server: Doors, world: World, agent: TestClient) -> None:
    case = triaged(world)
    path, quiet = f"/api/v1/cases/{case}/findings", CLAIM | {"operations": []}
    statuses = [agent.post(path, json=quiet).status_code for _ in range(6)]
    assert statuses == [201] * 5 + [403]
    assert len(seen(server, case)["opinions"]) == 1


def test_what_another_assistant_drafts_first_keeps_the_analyst_from_nothing(
    server: Doors, world: World, agent: TestClient
) -> None:
    """A hostile assistant is quicker than the analyst, and drafts something harmless to look busy."""
    world.clock.forward(minutes=31)
    server.token(Scope.SIGNALS_WRITE).post("/signals/v1/alertmanager", json=alertmanager_body("AnswerLatencyHigh"))
    with world.store.read() as uow:
        case = uow.cases.where(limit=1)[0].id
    quick = {"project": PROJECT, "environment": ENVIRONMENT, "operations": [REDUCE_JSON], "reason": "all is well"}
    assert agent.post("/api/v1/proposals", json=quick | {"case": case}).status_code == 201
    world.traffic(3000, slow=0.04, slow_candidate=0.35)
    world.work()
    with world.store.read() as uow:
        (finding,) = uow.findings.where(case=case, author=ANALYST.id)
        proposals = uow.proposals.where(case=case)
    assert finding.suspects[0].flag == FLAG
    assert {each.author.id == ANALYST.id for each in proposals} == {True, False}
    assert len(proposals) == 2


def test_word_that_there_is_no_finding_is_on_the_case(server: Doors, world: World, agent: TestClient) -> None:
    case = triaged(world)
    body = {"why": "timed_out", "summary": "no answer within 60 s", "provenance": PROVENANCE}
    assert agent.post(f"/api/v1/cases/{case}/findings/failures", json=body).status_code == 204
    items = [each for each in seen(server, case)["timeline"] if each["text"].startswith("finding fail")]
    assert [each["text"] for each in items] == ["finding fail: no answer within 60 s"]
    assert items[0]["step"] == "triage"
    assert seen(server, case)["opinions"] == []


RUN = {"provider": "openai", "model": "m-1"}


def quiet(server: Doors) -> str:
    """A case that nobody has looked at."""
    sender = server.token(Scope.SIGNALS_WRITE)
    told = sender.post("/signals/v1/alertmanager", json=alertmanager_body("Quiet")).json()
    return str(told["results"][0]["case"])


def test_what_an_assistant_has_done_is_told_to_it_and_to_no_other(
    server: Doors, world: World, agent: TestClient
) -> None:
    case = quiet(server)
    path = f"/api/v1/cases/{case}/findings"
    assert agent.get(f"{path}/mine").json() == {"runs": 0, "findings": 0, "failures": 0}
    assert agent.post(f"{path}/runs", json=RUN).status_code == 204
    assert agent.get(f"{path}/mine").json() == {"runs": 1, "findings": 0, "failures": 0}
    assert agent.post(path, json=CLAIM | {"operations": []}).status_code == 201
    failure = {"why": "provider", "summary": "it is busy", "provenance": PROVENANCE}
    assert agent.post(f"{path}/failures", json=failure).status_code == 204
    assert agent.get(f"{path}/mine").json() == {"runs": 1, "findings": 1, "failures": 1}
    other = server.token(*AGENT_SCOPES, kind=ActorKind.AGENT)
    assert other.get(f"{path}/mine").json() == {"runs": 0, "findings": 0, "failures": 0}
    assert "finding begin: m-1" in {each["text"] for each in seen(server, case)["timeline"]}


def test_runs_without_end_are_stopped_and_only_an_assistant_begins_one(
    server: Doors, world: World, agent: TestClient
) -> None:
    case = quiet(server)
    path = f"/api/v1/cases/{case}/findings/runs"
    assert [agent.post(path, json=RUN).status_code for _ in range(11)] == [204] * 10 + [403]
    assert server.person("ines").post(path, json=RUN).status_code == 403
    assert server.token(Scope.SIGNALS_READ, kind=ActorKind.AGENT).post(path, json=RUN).status_code == 403
    assert problem(agent.post(path, json={**RUN, "approved": True}))["field"] == "approved"
    assert len(entries(world, "finding.begin")) == 10
