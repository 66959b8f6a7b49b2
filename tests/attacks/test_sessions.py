"""Sessions cannot be planted, kept or used by somebody else; foreign pages change nothing with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.attacks.attempts import DRAFT, draft_by, turn
from tests.support.server import Doors
from tests.support.world import PASSWORD, World
from twokey.domain.identity import ActorKind, Scope
from twokey.surfaces.auth import COOKIE

ANOTHER = "a quite different passphrase"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.add_person("ada", "administrator")
    yield made
    made.close()


@pytest.fixture
def server(world: World) -> Doors:
    return Doors(world)


def sign_in(client: TestClient, name: str, password: str = PASSWORD) -> int:
    return int(client.post("/api/v1/session", json={"username": name, "password": password}).status_code)


def is_in(client: TestClient) -> bool:
    return bool(client.get("/api/v1/session").status_code == 200)


# -------------------------------------------------------------------- fixation and revocation


def test_a_session_that_an_attacker_planted_is_not_taken_up(server: Doors) -> None:
    victim = server.client()
    victim.cookies.set(COOKIE, "session_planted-by-somebody", domain="twokey.test")
    answer = victim.post("/api/v1/session", json={"username": "mara", "password": PASSWORD})
    assert answer.status_code == 200
    attacker = server.client()
    attacker.cookies.set(COOKIE, "session_planted-by-somebody", domain="twokey.test")
    assert not is_in(attacker)


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(server: Doors) -> None:
    answer = server.client().post("/api/v1/session", json={"username": "mara", "password": PASSWORD})
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said


def test_each_session_is_listed_and_ended_by_its_owner_at_once(server: Doors) -> None:
    one, other = server.person("mara"), server.person("mara")
    listed = one.get("/api/v1/sessions").json()
    assert [each["this"] for each in listed].count(True) == 1
    theirs = next(each["id"] for each in listed if not each["this"])
    assert one.delete(f"/api/v1/sessions/{theirs}").status_code == 204
    assert is_in(one)
    assert not is_in(other)


def test_all_other_sessions_end_together(server: Doors) -> None:
    here, *others = (server.person("mara") for _ in range(3))
    stranger = server.person("ines")
    assert here.delete("/api/v1/sessions").status_code == 204
    assert [is_in(each) for each in (here, *others, stranger)] == [True, False, False, True]


def test_nobody_ends_or_sees_the_session_of_somebody_else(server: Doors) -> None:
    mara, ines = server.person("mara"), server.person("ines")
    hers = mara.get("/api/v1/sessions").json()[0]["id"]
    assert hers not in {each["id"] for each in ines.get("/api/v1/sessions").json()}
    assert ines.delete(f"/api/v1/sessions/{hers}").status_code == 404
    assert is_in(mara)
    assert server.person("ada").delete(f"/api/v1/sessions/{hers}").status_code == 204
    assert not is_in(mara)


def test_another_password_needs_the_present_one_and_ends_every_other_session(server: Doors) -> None:
    here, elsewhere = server.person("mara"), server.person("mara")
    wrong = here.post("/api/v1/password", json={"password": "not the present one", "new_password": ANOTHER})
    assert wrong.status_code == 403
    assert here.post("/api/v1/password", json={"password": PASSWORD, "new_password": "short"}).status_code == 422
    assert here.post("/api/v1/password", json={"password": PASSWORD, "new_password": ANOTHER}).status_code == 204
    assert is_in(here)
    assert not is_in(elsewhere)
    assert sign_in(server.client(), "mara") == 401
    assert sign_in(server.client(), "mara", ANOTHER) == 200


def test_who_is_shut_out_is_out_everywhere_and_their_keys_count_for_nothing(server: Doors, world: World) -> None:
    agent = server.token(Scope.FLAGS_READ, Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT)  # it acts for `viewer`
    ines, viewer, ada = server.person("ines"), server.person("viewer"), server.person("ada")
    made = draft_by(server.person("both"))
    assert turn(ines, made).json()["status"] == "pending"
    for name in ("ines", "viewer"):
        assert ada.post(f"/api/v1/users/{name}/disable", json={"password": PASSWORD}).status_code == 200
    assert not is_in(ines)
    assert not is_in(viewer)
    assert agent.get("/api/v1/proposals").status_code == 401
    assert sign_in(server.client(), "ines") == 401
    assert turn(server.person("mara"), made).json()["status"] == "pending"


def test_only_an_administrator_shuts_out_with_fresh_proof_and_never_themselves(server: Doors) -> None:
    ada = server.person("ada")
    for who, password, name, status in (
        (server.person("mara"), PASSWORD, "ines", 403),
        (ada, "not my password", "ines", 403),
        (ada, PASSWORD, "ada", 403),
        (ada, PASSWORD, "nobody", 404),
    ):
        assert who.post(f"/api/v1/users/{name}/disable", json={"password": password}).status_code == status
    assert sign_in(server.client(), "ines") == 200


# -------------------------------------------------------------------- foreign pages


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 40},
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_foreign_page_changes_nothing_with_the_cookie_of_a_signed_in_person(
    server: Doors, world: World, headers: dict[str, str]
) -> None:
    mara = server.person("mara")
    answer = mara.post("/api/v1/proposals", json=DRAFT, headers=headers)
    assert answer.status_code == 403
    with world.store.read() as uow:
        assert uow.proposals.count() == 0


def test_no_reading_request_changes_anything_and_a_method_cannot_be_put_in_a_header(server: Doors) -> None:
    mara = server.person("mara")
    made = draft_by(server.person("ines"))
    for path in ("approve", "reject", "apply", "withdraw"):
        for header in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
            answer = mara.get(f"/api/v1/proposals/{made['id']}/{path}", headers={header: "POST"})
            assert answer.status_code in (404, 405)
    assert mara.get(f"/api/v1/proposals/{made['id']}").json()["status"] == "pending"


# -------------------------------------------------------------------- what a browser is told


def test_every_answer_says_what_a_browser_shall_not_do(server: Doors) -> None:
    for path in ("/api/v1/session", "/healthz", "/no-such-page", "/api/v1/openapi.json"):
        headers = server.client().get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "strict-transport-security" not in headers


def test_behind_tls_the_browser_is_told_to_stay_there(world: World) -> None:
    headers = Doors(world, secure=True).client().get("/healthz").headers
    assert headers["strict-transport-security"].startswith("max-age=63072000")
