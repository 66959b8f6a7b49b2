"""The six questions of a case are answered from the audit log alone: online, and from an export without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.server import Doors, alertmanager_body, problem
from tests.support.world import FLAG, PRESENT, World
from twokey.cli.audit_state import answered
from twokey.cli.exits import Exit
from twokey.cli.failures import Failure
from twokey.documents.decision_record import QUESTIONS
from twokey.domain.identity import Scope
from twokey.steps.review_proposal import approve

DECISION = {
    "choice": "roll_back",
    "rationale": "both guardrails breached",
    "outcome": "latency recovered",
    "owner": "support-ai-platform",
    "review_date": "2026-12-01",
}


def a_case(server: Doors, world: World) -> str:
    """An alert after half an hour of harm; the analyst has drafted."""
    world.clock.forward(minutes=31)
    world.traffic(3000, slow=0.04, slow_candidate=0.35)
    alert = alertmanager_body("High", start="2026-11-02T09:31:00Z")
    received = server.token(Scope.SIGNALS_WRITE).post("/signals/v1/alertmanager", json=alert)
    world.work()
    return str(received.json()["results"][0]["case"])


def play(server: Doors, world: World) -> str:
    """The whole of a case, from its alert to its decision."""
    case = a_case(server, world)
    with world.store.read() as uow:
        (proposal,) = uow.proposals.where(status="pending", limit=5)
    for person in (world.ines, world.mara):
        approve(world.store, person, proposal.id, proposal.digest, PRESENT)
    world.clock.forward(minutes=31)
    world.traffic(4000, slow=0.02, seed=2)
    world.work()
    assert server.person("mara").post(f"/api/v1/cases/{case}/close", json=DECISION).status_code == 200
    return case


def asked(server: Doors, case: str) -> dict[str, dict[str, object]]:
    answer = server.person("mara").get("/api/v1/audit/answers", params={"case": case})
    assert answer.status_code == 200, answer.text
    assert [(each["key"], each["question"]) for each in answer.json()] == list(QUESTIONS)
    return {each["key"]: each for each in answer.json()}


def test_a_whole_case_is_told_by_its_entries(any_server: Doors, any_world: World) -> None:
    case = play(any_server, any_world)
    told = {key: " ".join(each["sentences"]) for key, each in asked(any_server, case).items()}  # type: ignore[arg-type]
    assert "High from test at 2026-11-02 09:31" in told["signal"]
    assert all(part in told["control"] for part in ("narrows", "revision 1 to 2", "person mara"))
    assert all(f"person {name} as {role}" in told["approval"] for name, role in (
        ("ines", "support_ai_platform_owner"), ("mara", "release_manager"),
    ))  # fmt: skip
    assert "of 3000 replayed units" in told["affected"]
    assert "plan: " in told["affected"]
    assert "p95_latency" in told["telemetry"]
    assert "Closed as roll back by person mara; support-ai-platform looks again on 2026-12-01" in told["lifetime"]
    assert f"{FLAG} is temporary: review " in told["lifetime"]


def test_each_answer_names_the_entries_that_it_rests_on(server: Doors, world: World) -> None:
    told = asked(server, play(server, world))
    with world.store.read() as uow:
        actions = {each.index: each.happening.action for each in uow.audit.entries(limit=10_000)}
    rests = {key: [actions[index] for index in each["entries"]] for key, each in told.items()}  # type: ignore[attr-defined]
    assert rests == {
        "signal": ["signal.receive"],
        "control": ["change.apply"],
        "approval": ["proposal.approve"] * 2,
        "affected": ["proposal.draft"],
        "telemetry": ["evidence.check"],
        "lifetime": ["change.apply", "case.close"],
    }


def test_an_export_answers_without_a_server_and_a_forged_one_does_not(
    server: Doors, world: World, tmp_path: Path
) -> None:
    case, file = play(server, world), tmp_path / "audit.ndjson"
    text = server.person("mara").get("/api/v1/audit/export").text
    file.write_text(text)
    assert answered(file, case) == list(asked(server, case).values())
    file.write_text(text.replace('"id":"ines"', '"id":"omar"'))
    with pytest.raises(Failure, match="does not hold") as refused:
        answered(file, case)
    assert refused.value.exit == Exit.VERIFICATION_FAILED


def test_what_the_log_does_not_say_is_said_to_be_unknown(server: Doors, world: World) -> None:
    told = asked(server, a_case(server, world))
    assert {key: tuple(each["sentences"]) for key, each in told.items() if not each["entries"]} == {  # type: ignore[arg-type]
        "control": ("Nothing was changed.",),
        "approval": ("Nobody: no approval is on record.",),
        "affected": ("Not known: nothing was applied.",),
        "telemetry": ("Nothing was measured after a change.",),
        "lifetime": ("Not known: no flag was changed.",),
    }


def test_a_case_that_the_log_does_not_know_has_no_answers(server: Doors, world: World, tmp_path: Path) -> None:
    mara, file = server.person("mara"), tmp_path / "audit.ndjson"
    assert problem(mara.get("/api/v1/audit/answers", params={"case": "case-none"}))["status"] == 404
    file.write_text(mara.get("/api/v1/audit/export").text)
    with pytest.raises(Failure, match="knows no case") as refused:
        answered(file, "case-none")
    assert refused.value.exit == Exit.NOT_FOUND
    reader = server.token(Scope.FLAGS_READ)
    assert reader.get("/api/v1/audit/answers", params={"case": "case-none"}).status_code == 403
