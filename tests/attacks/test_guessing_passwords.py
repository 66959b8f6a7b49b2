"""Guessing at passwords is hopeless, and guessing at somebody's does not lock them out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from starlette.testclient import TestClient

from tests.attacks.attempts import draft_by, refused, turn
from tests.support.loop import Client
from tests.support.server import Doors, problem
from tests.support.world import PASSWORD, World
from twokey.domain.identity import ActorKind, Scope
from twokey.surfaces.throttle import Throttle

WRONG = "wrong wrong wrong"


def caller_at(server: Doors, address: str) -> TestClient:
    """Somebody at another address."""
    return Client(server.app, base_url="http://twokey.test", client=(address, 50_000), raise_server_exceptions=False)


def sign_in(client: TestClient, name: str = "mara", password: str = PASSWORD) -> int:
    return client.post("/api/v1/session", json={"username": name, "password": password}).status_code


def test_guesses_at_once_are_counted_before_the_password_is_looked_at(server: Doors) -> None:
    client = server.client()
    with ThreadPoolExecutor(20) as pool:
        codes = sorted(pool.map(lambda _: sign_in(client, password=WRONG), range(24)))
    assert codes == [401] * 10 + [429] * 14


def test_who_floods_an_account_from_elsewhere_does_not_lock_its_owner_out(server: Doors) -> None:
    home = caller_at(server, "10.0.0.1")
    assert sign_in(home) == 200
    for number in range(11):
        attacker = caller_at(server, f"203.0.113.{number}")
        assert {sign_in(attacker, password=WRONG) for _ in range(10)} <= {401, 429}
    assert sign_in(caller_at(server, "203.0.113.99"), password=WRONG) == 429
    assert sign_in(home) == 200


def test_who_shares_an_address_with_a_guesser_is_not_locked_out(server: Doors) -> None:
    office = caller_at(server, "10.0.0.1")
    assert sign_in(office) == 200
    codes = [sign_in(office, name=f"nobody-{number % 9}", password=WRONG) for number in range(55)]
    assert codes.count(429) >= 5
    assert sign_in(office) == 200


def test_a_guesser_without_a_session_cannot_keep_a_person_from_turning_a_key(server: Doors) -> None:
    made = draft_by(server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT))
    mara = server.person("mara")
    for _ in range(15):
        sign_in(server.client(), password=WRONG)
    assert sign_in(server.client()) == 429
    assert turn(mara, made).status_code == 200


def test_proof_is_throttled_by_session_and_a_wrong_one_turns_no_key(server: Doors, world: World) -> None:
    made = draft_by(server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT))
    stolen, own = server.person("mara"), server.person("mara")
    codes = [turn(stolen, made, WRONG).status_code for _ in range(12)]
    assert codes == [403] * 10 + [429] * 2
    assert turn(stolen, made).status_code == 429
    with world.store.read() as uow:
        assert uow.approvals.count() == 0
    assert turn(own, made).status_code == 200


def test_proof_is_for_one_call_and_nothing_is_remembered_of_it(server: Doors) -> None:
    mara = server.person("mara")
    first = draft_by(server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT))
    second = draft_by(server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT), reason="another")
    assert turn(mara, first).status_code == 200
    for password in ("", WRONG):
        assert "fresh proof" in problem(turn(mara, second, password))["detail"]
    assert problem(turn(mara, second | {"digest": first["digest"]}))["status"] == 409


def test_the_colleagues_password_is_no_proof(server: Doors, world: World) -> None:
    from tests.support.world import PASSWORD_HASH  # the same for everybody in this world, so Eve gets her own
    from twokey.adapters import system
    from twokey.domain.identity import SYSTEM, User
    from twokey.steps.manage_access import create_user

    assert PASSWORD_HASH
    hashed = system.hash_password("a password of Eve's")
    roles = frozenset({"release_manager"})
    create_user(
        world.store,
        SYSTEM,
        User(id="eve", username="eve", name="Eve", password_hash=hashed, roles=roles, created_at=world.clock()),
    )
    made = draft_by(server.token(Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT))
    eve = server.client()
    body = {"username": "eve", "password": "a password of Eve's"}
    eve.headers["X-CSRF-Token"] = eve.post("/api/v1/session", json=body).json()["csrf"]
    assert problem(turn(eve, made, PASSWORD))["status"] == 403


def test_failed_sign_ins_are_on_record_once_each_and_a_flood_of_them_is_not(server: Doors, world: World) -> None:
    client = server.client()
    for _ in range(30):
        sign_in(client, password=WRONG)
    assert [(each.action, each.subject) for each in refused(world)] == [("session.refuse", "mara")] * 10


def test_nobody_fills_the_log_without_being_known(server: Doors, world: World) -> None:
    client = server.client()
    for path in ("session", "proposals", "users", "telemetry"):
        client.post(f"/api/v1/{path}", content=b"{", headers={"content-type": "application/json"})
    assert refused(world) == []


def test_what_is_remembered_of_addresses_is_bounded(monkeypatch: object) -> None:
    throttle = Throttle()
    for number in range(10_050):
        throttle.signed_in("mara", f"address-{number}")
    assert len(throttle._familiar) == 10_000
    assert ("mara", "address-0") not in throttle._familiar
