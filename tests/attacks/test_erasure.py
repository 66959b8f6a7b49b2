"""What is personal is bound to the log and not in it: it can be erased on record, and never quietly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.attacks.attempts import drafted
from tests.support.server import Doors
from tests.support.world import PASSWORD, PRESENT, World
from twokey.cli.audit_files import _verify, entries_of
from twokey.domain.audit import Verification
from twokey.domain.errors import NotFound, Refused
from twokey.domain.identity import Actor
from twokey.steps.erase_person import erase
from twokey.steps.manage_access import end_session, open_sessions
from twokey.steps.review_proposal import approve

BROWSER, NOTE = "Mara's very own browser 7.3", "mara saw it herself"


@pytest.fixture
def house(any_world: World) -> World:
    """Mara signed in by her browser, and approved with a note."""
    any_world.add_person("sefa", "security")
    client = Doors(any_world).client(**{"User-Agent": BROWSER})
    assert client.post("/api/v1/session", json={"username": "mara", "password": PASSWORD}).status_code == 200
    proposal = drafted(any_world)
    approve(any_world.store, any_world.mara, proposal.id, proposal.digest, PRESENT, NOTE)
    return any_world


@pytest.fixture
def sefa(house: World) -> Actor:
    with house.store.read() as uow:
        return uow.users.where(username="sefa")[0].actor()


def sql(url: str, statement: str) -> list[Any]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        found = list(result) if result.returns_rows else []
    engine.dispose()
    return found


def verified(world: World) -> Verification:
    with world.store.read() as uow:
        return uow.audit.verify()


def told(world: World) -> str:
    with world.store.read() as uow:
        return str([each.happening.detail for each in uow.audit.entries(limit=1000)])


def test_the_chain_holds_no_word_of_it_and_readers_see_it_all_the_same(house: World, store_url: str) -> None:
    documents = str(sql(store_url, "SELECT document FROM audit_entries"))
    assert BROWSER not in documents
    assert NOTE not in documents
    assert BROWSER in told(house)
    assert NOTE in told(house)
    assert verified(house).ok


def test_erased_is_gone_from_the_store_the_log_verifies_and_says_so(house: World, store_url: str, sefa: Actor) -> None:
    count = erase(house.store, sefa, "mara", PRESENT, "she left, and asked for it")
    assert count >= 2
    everything = str(
        [sql(store_url, f"SELECT * FROM {name}") for name in ("audit_entries", "audit_asides", "sessions")]
    )
    assert BROWSER not in everything
    assert NOTE not in everything
    assert verified(house).ok
    with house.store.read() as uow:
        (entry,) = [each for each in uow.audit.entries(limit=1000) if each.happening.action == "audit.erase"]
        assert uow.users.where(username="mara")[0].name != "mara", "who still works here keeps their name"
    assert (entry.happening.subject, entry.happening.detail["values"]) == ("mara", count)
    assert verified(house).entries > 0


def test_only_another_person_of_the_security_role_erases_and_with_proof(house: World, sefa: Actor) -> None:
    for who, person, proof in ((house.mara, "ines", PRESENT), (sefa, "sefa", PRESENT), (sefa, "mara", None)):
        with pytest.raises(Refused):
            erase(house.store, who, person, proof, "r")
    with pytest.raises(Refused):
        erase(house.store, house.agent, "mara", PRESENT, "r")
    with pytest.raises(NotFound):
        erase(house.store, sefa, "nobody", PRESENT, "r")
    assert NOTE in told(house)


@pytest.mark.parametrize("what", ["DELETE FROM audit_asides WHERE field = 'note'", "DELETE FROM audit_asides"])
def test_what_is_taken_away_quietly_is_missed(house: World, store_url: str, what: str) -> None:
    sql(store_url, what)
    found = verified(house)
    assert not found.ok
    assert "is gone, and no erasure of it is on record" in found.problem


def test_an_erasure_covers_what_was_before_it_and_nobody_else(house: World, store_url: str, sefa: Actor) -> None:
    erase(house.store, sefa, "mara", PRESENT, "r")
    client = Doors(house).client(**{"User-Agent": "another"})
    for name in ("mara", "ines"):
        client.post("/api/v1/session", json={"username": name, "password": PASSWORD})
    assert verified(house).ok
    for name in ("mara", "ines"):
        kept = sql(store_url, f"SELECT * FROM audit_asides WHERE person = '{name}'")
        sql(store_url, f"DELETE FROM audit_asides WHERE person = '{name}'")
        assert not verified(house).ok, name
        for row in kept:
            values = ", ".join(f"'{each}'" if isinstance(each, str) else str(each) for each in row)
            sql(store_url, f"INSERT INTO audit_asides (position, field, person, salt, value) VALUES ({values})")
        assert verified(house).ok


@pytest.mark.parametrize(
    "what",
    [
        "UPDATE audit_asides SET value = '\"she did not\"' WHERE field = 'note'",
        "UPDATE audit_asides SET salt = 'another' WHERE field = 'note'",
        "UPDATE audit_asides SET value = 'no JSON' WHERE field = 'note'",
        "UPDATE audit_asides SET field = 'text' WHERE field = 'note'",
    ],
)
def test_what_is_altered_is_found_and_named(house: World, store_url: str, what: str) -> None:
    sql(store_url, what)
    found = verified(house)
    assert not found.ok
    assert "was altered" in found.problem


def test_an_export_is_checked_alike_before_and_after(house: World, sefa: Actor, tmp_path: Path) -> None:
    def exported() -> list[dict[str, Any]]:
        lines = Doors(house).person("sefa").get("/api/v1/audit/export").text.splitlines()
        return [json.loads(each) for each in lines]

    def check(entries: list[dict[str, Any]]) -> dict[str, object]:
        file = tmp_path / "log.ndjson"
        file.write_text("\n".join(json.dumps(each) for each in entries))
        return _verify(entries_of(file), "")

    whole = exported()
    assert check(whole)["ok"]
    (noted,) = [each for each in whole if each["happening"].get("detail", {}).get("note") == NOTE]
    detail = noted["happening"]["detail"]
    detail["note"] = "another"
    assert not check(whole)["ok"]
    del detail["note"], noted["salts"]["note"]
    assert "no erasure" in str(check(whole)["problem"])
    erase(house.store, sefa, "mara", PRESENT, "r")
    after = exported()
    assert NOTE not in str(after)
    assert check(after)["ok"]


def test_a_session_that_ended_long_ago_keeps_no_label_either(house: World, sefa: Actor) -> None:
    with house.store.read() as uow:
        (session,) = [each for each in open_sessions(uow, "mara") if each.label == BROWSER]
    end_session(house.store, house.mara, session.id)
    erase(house.store, sefa, "mara", PRESENT, "r")
    with house.store.read() as uow:
        assert uow.sessions.get(session.id).label == ""
