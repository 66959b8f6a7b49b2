"""Signing in by an identity provider: a provider that lies, mixes up, repeats itself or is somebody else opens nothing.

The provider here is hostile and ours; `tests/clients_js/test_openid_provider.py` signs in by a certified one.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.testclient import TestClient

from tests.support.passkeys import b64
from tests.support.server import Doors, problem
from tests.support.world import PASSWORD, World
from twokey.adapters.oidc import OpenIdProvider
from twokey.domain.elsewhere import Unproven
from twokey.surfaces.services import Elsewhere

CLIENT = "twokey-at-provider"
START = "/api/v1/session/elsewhere"
Claims = dict[str, Any]
KEY, OTHER = (RSAKey.generate_key(2048, {"kid": "one"}) for _ in range(2))


class Provider:
    """An OpenID provider on loopback that can be told to misbehave."""

    def __init__(self) -> None:
        self.key = KEY
        self.signer: Any = self.key
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.change: Callable[[Claims], Claims] = dict
        self.document: dict[str, Any] = {}
        self.asked: dict[str, dict[str, str]] = {}
        self.forms: list[dict[str, str]] = []
        self.subject, self.now = "sub-1", 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                pages = {"/.well-known/openid-configuration": provider.about, "/keys": provider.keys}
                self.answer(pages[self.path]())

            def do_POST(self) -> None:
                form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
                self.answer(provider.token(form))

            def answer(self, said: dict[str, Any]) -> None:
                body = json.dumps(said).encode()
                self.send_response(400 if "error" in said else 200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def about(self) -> dict[str, Any]:
        said = {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys"}  # fmt: skip
        return said | self.document

    def keys(self) -> dict[str, Any]:
        return {"keys": [self.key.as_dict(private=False)]}

    def authorize(self, address: str) -> dict[str, str]:
        """What a person's browser brings back once they said yes there."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = f"code-{len(self.asked)}"
        self.asked[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        self.forms.append(form)
        asked = self.asked.pop(form["code"], None)
        if asked is None or create_s256_code_challenge(form["code_verifier"]) != asked["code_challenge"]:
            return {"error": "invalid_grant"}
        claims = {"iss": self.issuer, "sub": self.subject, "aud": CLIENT, "iat": self.now, "exp": self.now + 300,
                  "nonce": asked["nonce"], "preferred_username": "Mara@corp.example", "name": "Mara Elsewhere",
                  "auth_time": self.now}  # fmt: skip
        return {"access_token": "x", "token_type": "Bearer", "id_token": self.signed(self.change(claims))}

    def signed(self, claims: Claims) -> str:
        return jwt.encode(self.header, claims, self.signer, algorithms=[self.header["alg"]])


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def server(world: World, provider: Provider) -> Doors:
    provider.now = int(world.clock().timestamp())
    return Doors(world, elsewhere=Elsewhere(provider=OpenIdProvider(provider.issuer, CLIENT), create=True))


def set_out(client: TestClient, **body: Any) -> str:
    answer = client.post(START, json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["address"])


def come_back(client: TestClient, brought: dict[str, str]) -> str:
    answer = client.get(f"{START}/callback", params=brought, follow_redirects=False)
    assert answer.status_code == 303
    return str(answer.headers["location"])


def journey(server: Doors, provider: Provider, **body: Any) -> tuple[TestClient, str]:
    client = server.client()
    return client, come_back(client, provider.authorize(set_out(client, **body)))


def who(client: TestClient) -> str | None:
    answer = client.get("/api/v1/session")
    return str(answer.json()["username"]) if answer.status_code == 200 else None


# -------------------------------------------------------------------- as it should be


def test_a_person_nobody_knows_comes_in_without_roles_and_takes_nobody_s_name(
    world: World, server: Doors, provider: Provider
) -> None:
    client, led_to = journey(server, provider, after="/flags")
    assert led_to == "/flags"
    assert who(client) == "mara-2", "the name `mara` is taken, and stays hers"
    assert client.get("/api/v1/session").json()["roles"] == []
    assert who(journey(server, provider)[0]) == "mara-2", "the same person again"
    with world.store.read() as uow:
        assert [each.happening.action for each in uow.audit.entries(limit=500)].count("user.create") >= 1


def test_where_nobody_is_added_a_stranger_stays_outside(world: World, provider: Provider, server: Doors) -> None:
    closed = Doors(world, elsewhere=Elsewhere(provider=OpenIdProvider(provider.issuer, CLIENT)))
    client, led_to = journey(closed, provider)
    assert (who(client), led_to) == (None, "/sign-in?refused=unknown")


def test_people_bind_their_own_account_and_nobody_else_s(server: Doors, provider: Provider) -> None:
    mara, ines = server.person("mara"), server.person("ines")
    address = mara.post("/api/v1/account/elsewhere").json()["address"]
    assert "prompt=login" in address
    assert come_back(mara, provider.authorize(address)) == "/account"
    assert mara.get("/api/v1/account").json()["provider"] is True
    assert who(journey(server, provider)[0]) == "mara"
    theirs = ines.post("/api/v1/account/elsewhere").json()["address"]
    assert come_back(ines, provider.authorize(theirs)) == "/sign-in?refused=unknown"
    assert ines.get("/api/v1/account").json()["provider"] is False


def test_a_sign_in_there_is_recent_proof_only_where_the_person_showed_themselves_just_now(
    server: Doors, provider: Provider
) -> None:
    client, _ = journey(server, provider)
    client.headers["X-CSRF-Token"] = client.get("/api/v1/session").json()["csrf"]
    assert client.post("/api/v1/account/totp").status_code == 201
    provider.change = lambda claims: claims | {"auth_time": provider.now - 3600}
    stale, _ = journey(server, provider)
    stale.headers["X-CSRF-Token"] = stale.get("/api/v1/session").json()["csrf"]
    assert problem(stale.post("/api/v1/account/totp"))["type"].endswith("proof-needed")
    assert journey(server, provider, anew=True)[1] == "/sign-in?refused=unproven", "asked anew, and not shown anew"


def test_who_was_shut_out_stays_out(world: World, server: Doors, provider: Provider) -> None:
    journey(server, provider)
    world.add_person("ada", "administrator")
    assert server.person("ada").post("/api/v1/users/mara-2/disable", json={"password": PASSWORD}).status_code == 200
    assert who(journey(server, provider)[0]) is None


# -------------------------------------------------------------------- a provider that lies

LIES: dict[str, Callable[[Claims], Claims]] = {
    "another nonce": lambda claims: claims | {"nonce": "of another journey"},
    "no nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "another audience": lambda claims: claims | {"aud": "somebody-else"},
    "several audiences and another party": lambda claims: claims | {"aud": [CLIENT, "b"], "azp": "b"},
    "several audiences without us": lambda claims: claims | {"aud": ["a", "b"], "azp": CLIENT},
    "another issuer": lambda claims: claims | {"iss": "http://127.0.0.1:1"},
    "over": lambda claims: claims | {"exp": claims["exp"] - 1000, "iat": claims["iat"] - 1000},
    "no end": lambda claims: {name: value for name, value in claims.items() if name != "exp"},
    "nobody": lambda claims: claims | {"sub": ""},
    "a number for a subject": lambda claims: claims | {"sub": 7},
    "no subject": lambda claims: {name: value for name, value in claims.items() if name != "sub"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_says_something_else_opens_nothing(server: Doors, provider: Provider, lie: str) -> None:
    provider.change = LIES[lie]
    client, led_to = journey(server, provider)
    assert (who(client), led_to) == (None, "/sign-in?refused=unproven")


def test_a_token_that_another_key_signed_opens_nothing(server: Doors, provider: Provider) -> None:
    provider.signer = OTHER
    assert who(journey(server, provider)[0]) is None


def handmade(header: dict[str, str], claims: Claims, secret: bytes | None) -> str:
    """A token that no library would make: unsigned, or signed with a public key as if it were a shared secret."""
    text = ".".join(b64(json.dumps(each).encode()) for each in (header, claims))
    return f"{text}.{b64(hmac.digest(secret, text.encode(), 'sha256')) if secret else ''}"


@pytest.mark.parametrize("secret", [None, KEY.as_pem(private=False), KEY.as_der(private=False)])
def test_no_algorithm_and_no_shared_secret_signs_a_token(
    server: Doors, provider: Provider, monkeypatch: pytest.MonkeyPatch, secret: bytes | None
) -> None:
    header = {"alg": "HS256", "kid": "one"} if secret else {"alg": "none"}
    monkeypatch.setattr(provider, "signed", lambda claims: handmade(header, claims, secret))
    assert who(journey(server, provider)[0]) is None


def test_a_key_that_the_provider_never_had_signs_nothing(server: Doors, provider: Provider) -> None:
    provider.header, provider.signer = {"alg": "ES256", "kid": "two"}, ECKey.generate_key("P-256", {"kid": "two"})
    assert who(journey(server, provider)[0]) is None


def test_a_provider_whose_keys_were_changed_is_read_anew(server: Doors, provider: Provider) -> None:
    assert who(journey(server, provider)[0]) is not None
    provider.key = provider.signer = RSAKey.generate_key(2048, {"kid": "new"})
    provider.header = {"alg": "RS256", "kid": "new"}
    assert who(journey(server, provider)[0]) is not None


def test_a_provider_that_is_not_the_one_that_was_set_up_is_none(world: World, provider: Provider) -> None:
    provider.document = {"issuer": "https://elsewhere.example"}
    closed = Doors(world, elsewhere=Elsewhere(provider=OpenIdProvider(provider.issuer, CLIENT)))
    assert closed.client().post(START, json={}).status_code == 403
    for address in ("http://provider.example", "ftp://provider.example"):
        with pytest.raises(Unproven):
            OpenIdProvider(address, CLIENT)
    provider.document = {"token_endpoint": "http://provider.example/token"}
    assert closed.client().post(START, json={}).status_code == 403, "the code would travel in the clear"


# -------------------------------------------------------------------- answers that are brought wrongly


def test_an_answer_counts_once_and_in_its_own_browser(server: Doors, provider: Provider) -> None:
    victim, attacker = server.client(), server.client()
    brought = provider.authorize(set_out(attacker))
    assert come_back(victim, brought) == "/sign-in?refused=unproven", "no journey: signed in as the attacker, otherwise"
    assert who(victim) is None
    assert come_back(attacker, brought) == "/cases"
    assert come_back(attacker, brought) == "/sign-in?refused=unproven", "a replay"
    set_out(victim)
    assert come_back(victim, brought) == "/sign-in?refused=unproven", "another journey's state"


def test_an_answer_of_another_provider_is_not_mixed_in(server: Doors, provider: Provider) -> None:
    client = server.client()
    brought = provider.authorize(set_out(client)) | {"iss": "https://attacker.example"}
    assert come_back(client, brought) == "/sign-in?refused=unproven"
    assert provider.forms == [], "the code was told to nobody"


def test_a_code_without_its_verifier_is_worth_nothing(server: Doors, provider: Provider) -> None:
    attacker, victim = server.client(), server.client()
    stolen = provider.authorize(set_out(victim))["code"]
    state = provider.authorize(set_out(attacker))["state"]
    assert come_back(attacker, {"code": stolen, "state": state}) == "/sign-in?refused=unproven"


def test_a_journey_does_not_last_and_a_no_is_a_no(world: World, server: Doors, provider: Provider) -> None:
    client = server.client()
    brought = provider.authorize(set_out(client))
    world.clock.forward(minutes=11)
    assert come_back(client, brought) == "/sign-in?refused=unproven"
    said_no = {"error": "access_denied", "state": provider.authorize(set_out(client))["state"]}
    assert come_back(client, said_no) == "/sign-in?refused=declined"


@pytest.mark.parametrize("after", ["//evil.example", "https://evil.example", "/\\evil.example", "x", "", "/a\nb"])
def test_nobody_is_led_to_another_site(server: Doors, after: str) -> None:
    assert server.client().post(START, json={"after": after}).status_code == 422


def test_strangers_do_not_fill_the_log(world: World, server: Doors) -> None:
    def entries() -> int:
        with world.store.read() as uow:
            return len(uow.audit.entries(limit=1000))

    before = entries()
    for number in range(5):
        assert come_back(server.client(), {"code": str(number), "state": "s"}).startswith("/sign-in")
    assert entries() == before


def test_without_a_provider_there_is_none(world: World) -> None:
    client = Doors(world).client()
    assert client.get("/api/v1/session/ways").json() == {"provider": None}
    assert client.post(START, json={}).status_code == 403
