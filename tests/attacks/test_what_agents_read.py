"""What an assistant read is on record before it has the answer, and reading cannot fill the log."""

from __future__ import annotations

import pytest

from tests.attacks.attempts import draft_by
from tests.support.server import Doors, problem
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, World
from twokey.domain.audit import Happening
from twokey.domain.identity import ActorKind, Scope
from twokey.surfaces import readings

FLAGS = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags"


def on_record(world: World) -> list[Happening]:
    with world.store.read() as uow:
        found = [each.happening for each in uow.audit.entries(limit=10_000)]
    return [each for each in found if each.action == "agent.read"]


def agent(server: Doors):  # type: ignore[no-untyped-def]
    return server.token(Scope.FLAGS_READ, Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT)


def test_an_entry_says_by_whose_token_for_whom_and_what(any_server: Doors, any_world: World) -> None:
    reader = agent(any_server)
    assert reader.get(f"{FLAGS}/{FLAG}").status_code == 200
    (entry,) = on_record(any_world)
    assert entry.subject == FLAG
    assert entry.detail == {"path": f"{FLAGS.removeprefix('/api/v1')}/{FLAG}"}
    assert (entry.actor["kind"], entry.actor["on_behalf_of"]) == ("agent", "viewer")
    assert (entry.project, entry.environment) == (PROJECT, ENVIRONMENT)


def test_reading_by_explaining_is_reading(server: Doors, world: World) -> None:
    asked = {"context": {"targetingKey": "u-1"}}
    assert agent(server).post(f"{FLAGS}/{FLAG}/explain", json=asked).status_code == 200
    assert [each.detail["path"] for each in on_record(world)] == [f"{FLAGS}/{FLAG}/explain".removeprefix("/api/v1")]


def test_the_same_address_again_is_on_record_once_in_ten_minutes(server: Doors, world: World) -> None:
    reader = agent(server)
    for _ in range(5):
        reader.get(FLAGS, params={"archived": "true"})
    assert len(on_record(world)) == 1
    world.clock.forward(minutes=11)
    reader.get(FLAGS)
    assert len(on_record(world)) == 2


def test_what_it_could_not_read_is_no_reading_and_people_read_in_peace(server: Doors, world: World) -> None:
    assert agent(server).get("/api/v1/audit").status_code == 403
    assert agent(server).get(f"{FLAGS}/nowhere").status_code == 404
    assert server.person("mara").get(FLAGS).status_code == 200
    assert server.token(Scope.FLAGS_READ).get(FLAGS).status_code == 200
    assert on_record(world) == []


def test_what_it_drafts_is_on_record_as_a_draft(server: Doors, world: World) -> None:
    made = draft_by(agent(server))
    assert on_record(world) == []
    assert world.audit("proposal.draft") == [made["id"]]


def test_an_agent_that_reads_without_end_is_held_up_and_another_is_not(
    server: Doors, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "MOST", 2)
    reader, other = agent(server), agent(server)
    seen = [reader.get(path).status_code for path in (FLAGS, f"{FLAGS}/{FLAG}", "/api/v1/environments", FLAGS)]
    assert seen == [200, 200, 429, 200]
    assert problem(reader.get("/api/v1/environments"))["status"] == 429
    assert other.get("/api/v1/environments").status_code == 200
    assert len(on_record(world)) == 3


def test_where_it_cannot_be_put_on_record_there_is_no_answer(
    server: Doors, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(readings, "record", away)
    assert agent(server).get(FLAGS).status_code == 500
    assert server.person("mara").get(FLAGS).status_code == 200
