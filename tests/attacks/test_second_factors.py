"""Second factors and one-time links: each proof is for its owner, its matter and its moment, and counts once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from starlette.testclient import TestClient

from tests.attacks.attempts import draft_by
from tests.support.passkeys import SoftPasskey
from tests.support.server import Doors, problem
from tests.support.world import PASSWORD, World
from twokey.domain.approval import Proof
from twokey.domain.identity import ActorKind, Scope

API = "/api/v1"
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


def post(client: TestClient, path: str, **body: Any) -> Any:
    return client.post(API + path, json=body)


class App:
    """Somebody's authenticator app, by the world's clock."""

    def __init__(self, world: World, client: TestClient) -> None:
        self.world = world
        self.secret = post(client, "/account/totp").json()["secret"]

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.secret).at(int(self.world.clock().timestamp()) + 30 * steps)

    def next_code(self) -> str:
        self.world.clock.forward(minutes=1)
        return self.code()


def with_app(world: World, client: TestClient) -> tuple[App, list[str]]:
    app = App(world, client)
    confirmed = post(client, "/account/totp/confirm", code=app.code())
    assert confirmed.status_code == 200, confirmed.text
    return app, confirmed.json()["recovery_codes"]


def with_passkey(client: TestClient, passkey: SoftPasskey | None = None) -> SoftPasskey:
    made = passkey or SoftPasskey()
    wish = post(client, "/account/passkeys/wish").json()["wish"]
    kept = post(client, "/account/passkeys", name="laptop", passkey=made.make(wish))
    assert kept.status_code == 201, kept.text
    return made


def sign_in(server: Doors, name: str) -> tuple[TestClient, Any]:
    client = server.client()
    return client, post(client, "/session", username=name, password=PASSWORD)


def approve(client: TestClient, proposal: dict[str, Any], **proof: Any) -> Any:
    return post(client, f"/proposals/{proposal['id']}/approve", digest=proposal["digest"], **proof)


def proposal_of(server: Doors) -> dict[str, Any]:
    return draft_by(server.token(Scope.PROPOSALS_WRITE, Scope.FLAGS_READ, kind=ActorKind.AGENT))


def question(client: TestClient, about: str) -> dict[str, Any]:
    asked: dict[str, Any] = post(client, "/session/challenge", about=about).json()["question"]
    return asked


def matter(proposal: dict[str, Any], verb: str = "approve") -> str:
    return f"/proposals/{proposal['id']}/{verb} {proposal['digest']}"


# -------------------------------------------------------------------- signing in


def test_a_password_alone_opens_nothing_where_a_second_factor_is_in_use(world: World, server: Doors) -> None:
    app, _ = with_app(world, server.person("mara"))
    client, owed = sign_in(server, "mara")
    assert owed.status_code == 202
    assert not client.cookies
    ticket = owed.json()["ticket"]
    for cookie in ("twokey_session", "__Host-twokey_session"):
        stranger = server.client()
        stranger.cookies.set(cookie, ticket, domain="twokey.test")
        assert stranger.get(API + "/cases").status_code == 401, "a ticket is no session"
    assert post(client, "/session/second", ticket=ticket, code=app.next_code()).status_code == 200
    assert client.get(API + "/session").json()["username"] == "mara"


def test_a_code_counts_once_and_so_does_a_ticket(world: World, server: Doors) -> None:
    app, _ = with_app(world, server.person("mara"))
    first, second = (sign_in(server, "mara") for _ in range(2))
    code = app.next_code()
    assert post(first[0], "/session/second", ticket=first[1].json()["ticket"], code=code).status_code == 200
    assert post(second[0], "/session/second", ticket=second[1].json()["ticket"], code=code).status_code == 401
    again = post(server.client(), "/session/second", ticket=first[1].json()["ticket"], code=app.next_code())
    assert again.status_code == 401, "the ticket was used"


def test_a_ticket_does_not_wait_for_ever(world: World, server: Doors) -> None:
    app, _ = with_app(world, server.person("mara"))
    client, owed = sign_in(server, "mara")
    world.clock.forward(minutes=6)
    assert post(client, "/session/second", ticket=owed.json()["ticket"], code=app.code()).status_code == 401


def test_somebody_else_s_code_does_not_help(world: World, server: Doors) -> None:
    with_app(world, server.person("mara"))
    theirs, _ = with_app(world, server.person("ines"))
    client, owed = sign_in(server, "mara")
    assert post(client, "/session/second", ticket=owed.json()["ticket"], code=theirs.next_code()).status_code == 401


def test_six_digits_are_not_guessed(world: World, server: Doors) -> None:
    app, _ = with_app(world, server.person("mara"))
    world.clock.forward(minutes=1)
    answers = []
    for _ in range(5):
        client, owed = sign_in(server, "mara")
        ticket = owed.json()["ticket"]
        wrong = f"{(int(app.code()) + 1) % 1_000_000:06d}"
        answers += [post(client, "/session/second", ticket=ticket, code=wrong).status_code for _ in range(10)]
    assert answers.count(401) <= 30, "thirty an hour, whatever the tickets"
    assert answers[-1] == 429


def test_a_recovery_code_lets_in_once(world: World, server: Doors) -> None:
    _, codes = with_app(world, server.person("mara"))
    assert len(set(codes)) == 10
    statuses = []
    for _ in range(2):
        client, owed = sign_in(server, "mara")
        answer = post(client, "/session/second", ticket=owed.json()["ticket"], recovery_code=codes[0])
        statuses.append(answer.status_code)
    assert statuses == [200, 401]


def test_an_app_that_was_never_confirmed_locks_nobody_out(world: World, server: Doors) -> None:
    App(world, server.person("mara"))
    assert sign_in(server, "mara")[1].status_code == 200


def test_a_passkey_is_the_second_step(server: Doors) -> None:
    passkey = with_passkey(server.person("mara"))
    client, owed = sign_in(server, "mara")
    assert owed.json()["factors"] == ["passkey", "recovery_code"]
    signed = passkey.sign(owed.json()["question"])
    assert post(client, "/session/second", ticket=owed.json()["ticket"], passkey=signed).status_code == 200
    other, owed = sign_in(server, "mara")
    assert post(other, "/session/second", ticket=owed.json()["ticket"], passkey=signed).status_code == 401, "a replay"


# -------------------------------------------------------------------- turning a key


def test_each_proof_turns_a_key_and_stands_in_the_record(world: World, server: Doors) -> None:
    mara, ines = server.person("mara"), server.person("ines")
    app, _ = with_app(world, mara)
    passkey = with_passkey(ines)
    proposal = proposal_of(server)
    assert approve(mara, proposal, code=app.next_code()).status_code == 200
    signed = passkey.sign(question(ines, matter(proposal)))
    assert approve(ines, proposal, passkey=signed).json()["status"] == "applied"
    with world.store.read() as uow:
        given = {each.person: each.proof for each in uow.approvals.where(proposal=proposal["id"])}
    assert given == {"mara": Proof.TOTP, "ines": Proof.PASSKEY}


def test_a_passkey_that_signed_for_another_matter_turns_nothing(server: Doors) -> None:
    ines = server.person("ines")
    passkey, proposal = with_passkey(ines), proposal_of(server)
    others = (matter(proposal, "reject"), f"/proposals/{proposal['id']}/approve", "sign-in", "add a passkey")
    for about in others:
        assert approve(ines, proposal, passkey=passkey.sign(question(ines, about))).status_code == 403, about


def test_a_signature_is_good_once_in_its_own_session_and_for_minutes(world: World, server: Doors) -> None:
    ines = server.person("ines")
    passkey, proposal = with_passkey(ines), proposal_of(server)
    client, owed = sign_in(server, "ines")
    ticket, signed = owed.json()["ticket"], passkey.sign(owed.json()["question"])
    client.headers["X-CSRF-Token"] = post(client, "/session/second", ticket=ticket, passkey=signed).json()["csrf"]
    theirs = passkey.sign(question(ines, matter(proposal)))
    assert approve(client, proposal, passkey=theirs).status_code == 403, "signed in another session"
    late = passkey.sign(question(ines, matter(proposal)))
    world.clock.forward(minutes=6)
    assert approve(ines, proposal, passkey=late).status_code == 403


@pytest.mark.parametrize("counts", [True, False], ids=["counting", "counting nothing"])
def test_a_signature_is_not_played_again(server: Doors, counts: bool) -> None:
    ines = server.person("ines")
    passkey, proposal = with_passkey(ines, SoftPasskey(counts=counts)), proposal_of(server)
    good = passkey.sign(question(ines, matter(proposal)))
    assert approve(ines, proposal, passkey=good).status_code == 200
    assert approve(ines, proposal, passkey=good).status_code == 403
    turned = ines.get(f"{API}/proposals/{proposal['id']}").json()["approved"]
    assert turned == 1


def test_a_passkey_of_another_site_or_without_its_user_is_not_kept(server: Doors) -> None:
    mara = server.person("mara")
    for passkey in (SoftPasskey("http://twokey.test.evil"), SoftPasskey(verifies=False)):
        wish = post(mara, "/account/passkeys/wish").json()["wish"]
        assert post(mara, "/account/passkeys", name="x", passkey=passkey.make(wish)).status_code == 403
    assert mara.get(API + "/account").json()["passkeys"] == []


def test_a_copied_passkey_is_noticed_by_its_count(server: Doors) -> None:
    ines = server.person("ines")
    passkey, proposal = with_passkey(ines), proposal_of(server)
    passkey.count = 7
    assert approve(ines, proposal, passkey=passkey.sign(question(ines, matter(proposal)))).status_code == 200
    passkey.count = 3
    another = proposal_of(server)
    assert approve(ines, another, passkey=passkey.sign(question(ines, matter(another)))).status_code == 403


def test_what_is_no_passkey_at_all_is_a_refusal_and_no_crash(server: Doors) -> None:
    ines = server.person("ines")
    with_passkey(ines)
    proposal = proposal_of(server)
    for answer in ({}, {"id": 7}, {"id": "x", "response": None}, {"id": "x", "rawId": "y", "response": {"a": [1]}}):
        question(ines, matter(proposal))
        assert approve(ines, proposal, passkey=answer).status_code == 403


def test_two_proofs_or_none_are_refused_by_name(server: Doors) -> None:
    mara, proposal = server.person("mara"), proposal_of(server)
    for proof in ({}, {"password": PASSWORD, "code": "123456"}):
        answer = approve(mara, proposal, **proof)
        assert answer.status_code == 422
        assert problem(answer)["field"] == "password"


# -------------------------------------------------------------------- what guards the house


def test_what_guards_the_house_asks_for_recent_proof(world: World, server: Doors) -> None:
    ada = server.person("ada")
    world.clock.forward(minutes=11)
    new = {"username": "new", "name": "New"}
    refused = post(ada, "/users", **new)
    assert refused.status_code == 403
    assert problem(refused)["type"].endswith("proof-needed")
    for path in ("/account/totp", "/account/passkeys/wish", "/account/recovery-codes", "/users/new/invite"):
        assert post(ada, path).status_code == 403, path
    assert post(ada, "/session/proof", password="wrong").status_code == 403
    assert post(ada, "/users", **new).status_code == 403
    assert post(ada, "/session/proof", password=PASSWORD).status_code == 204
    assert post(ada, "/users", **new).status_code == 201


def test_a_session_that_nobody_used_for_two_hours_is_over(world: World, server: Doors) -> None:
    used, idle = server.person("mara"), server.person("mara")
    for _ in range(3):
        world.clock.forward(minutes=50)
        assert used.get(API + "/session").status_code == 200
    assert idle.get(API + "/session").status_code == 401
    assert [each["this"] for each in used.get(API + "/sessions").json()] == [True]


def test_the_last_factor_takes_the_recovery_codes_with_it(world: World, server: Doors) -> None:
    mara = server.person("mara")
    _, codes = with_app(world, mara)
    assert mara.delete(API + "/account/totp").status_code == 204
    assert mara.get(API + "/account").json()["recovery_codes"] == 0
    app, fresh = with_app(world, mara)
    assert not set(codes) & set(fresh)
    assert app.secret


# -------------------------------------------------------------------- one-time links


def invited(server: Doors, name: str = "nora") -> str:
    made = post(server.person("ada"), "/users", username=name, name=name.title())
    return str(made.json()["invitation"])


def test_a_link_lets_its_owner_choose_a_password_once(server: Doors) -> None:
    secret, client = invited(server), server.client()
    assert post(client, "/session", username="nora", password=PASSWORD).status_code == 401
    assert post(client, "/invitations/show", secret=secret).json() == {"username": "nora", "name": "Nora"}
    assert post(client, "/invitations/accept", secret=secret, password=ANOTHER).status_code == 204
    assert post(client, "/invitations/accept", secret=secret, password=PASSWORD).status_code == 403
    assert post(client, "/session", username="nora", password=ANOTHER).status_code == 200


def test_nobody_without_a_password_signs_in_with_an_empty_one(server: Doors) -> None:
    invited(server)
    for password in ("", " ", "None"):
        assert post(server.client(), "/session", username="nora", password=password).status_code == 401


def test_a_link_ends_after_two_days_and_when_a_new_one_is_made(world: World, server: Doors) -> None:
    first = invited(server)
    second = post(server.person("ada"), "/users/nora/invite").json()["invitation"]
    assert post(server.client(), "/invitations/show", secret=first).status_code == 403
    world.clock.forward(minutes=2 * 24 * 60)
    assert post(server.client(), "/invitations/show", secret=second).status_code == 403


def test_an_administrator_cannot_become_an_approver_by_a_link(server: Doors) -> None:
    refused = post(server.person("ada"), "/users/mara/invite")
    assert refused.status_code == 403
    assert "holds roles" in problem(refused)["detail"]
    assert post(server.person("mara"), "/users/viewer/invite").status_code == 403, "no administrator"


def test_links_are_not_guessed(server: Doors) -> None:
    client = server.client()
    answers = [post(client, "/invitations/show", secret=f"invitation_{n}").status_code for n in range(15)]
    assert answers[-1] == 429


# -------------------------------------------------------------------- tokens


def token(server: Doors, **wanted: Any) -> Any:
    body = {"name": "t", "kind": "service", "project": "support", "environment": "production", **wanted}
    return post(server.person("ada"), "/tokens", **body)


def test_a_token_reads_alone_unless_more_was_said(server: Doors) -> None:
    assert token(server).json()["scopes"] == ["evidence:read", "flags:read", "signals:read"]


def test_an_agent_s_token_ends_after_a_month_and_never_lasts_longer_than_three(world: World, server: Doors) -> None:
    agent: dict[str, Any] = {"kind": "agent", "on_behalf_of": "viewer"}
    made = token(server, **agent).json()
    assert made["expires_at"] == (world.clock() + timedelta(days=30)).isoformat().replace("+00:00", "Z")
    for days in (91, 3650):
        assert problem(token(server, **agent, expires_in_days=days))["field"] == "expires_in_days"
    forever = token(server, **agent, expires_in_days=None).json()
    assert forever["expires_at"] is not None


def test_only_a_token_that_sends_telemetry_is_bound_to_flags_and_to_flags_that_are_there(server: Doors) -> None:
    assert problem(token(server, flags=["answers"]))["field"] == "flags"
    scopes = ["telemetry:write"]
    assert problem(token(server, scopes=scopes, flags=["nowhere"]))["field"] == "flags"
