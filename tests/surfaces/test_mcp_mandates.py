"""Agents that come by an identity provider's access token: it opens the door for which it was made, and no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from msgspec.structs import replace

from tests.support.passkeys import b64
from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PROJECT, World
from tests.surfaces.test_mcp_http import ADDRESS, DRAFT, PLACE, READING, House, challenge_of, result_of
from tests.surfaces.test_oidc import KEY, OTHER, Provider, handmade
from twokey.adapters.oidc import OpenIdProvider
from twokey.domain.elsewhere import Unproven
from twokey.surfaces.services import Agents, Elsewhere

RESOURCE = f"{ADDRESS}/mcp"
ALL = f"{READING} proposals:write"
Claims = dict[str, Any]


class Issued:
    """A server with a provider, which gives access tokens for it."""

    def __init__(self, house: House, provider: Provider, doors: Doors) -> None:
        self.house, self.provider, self.doors = house, provider, doors
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one", "typ": "at+jwt"}
        self.signer: Any = KEY

    def claims(self, **more: Any) -> Claims:
        now = int(self.house.world.clock().timestamp())
        said = {"iss": self.provider.issuer, "sub": "sub-1", "aud": RESOURCE, "client_id": "coding-agent",
                "iat": now, "exp": now + 600, "jti": "j", "scope": ALL} | more  # fmt: skip
        return {name: value for name, value in said.items() if value is not None}

    def token(self, **more: Any) -> str:
        return jwt.encode(self.header, self.claims(**more), self.signer, algorithms=[self.header["alg"]])

    def status(self, token: str) -> int:
        return self.house.send("tools/list", token=token).status_code


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def issued(world: World, provider: Provider) -> Iterator[Issued]:
    bind(world, "mara", f"{provider.issuer} sub-1")
    elsewhere = Elsewhere(provider=OpenIdProvider(provider.issuer, "us"), agents=(PROJECT, ENVIRONMENT))
    doors = Doors(world, elsewhere=elsewhere, agents=Agents(address=ADDRESS))
    with doors.client() as http:
        yield Issued(House(world, doors, http), provider, doors)


def bind(world: World, username: str, subject: str, **more: Any) -> None:
    with world.store.begin() as uow:
        (user,) = uow.users.where(username=username, limit=1)
        uow.users.replace(replace(user, subject=subject, **more))


def test_the_metadata_names_who_gives_tokens(issued: Issued) -> None:
    told = issued.house.http.get("/.well-known/oauth-protected-resource/mcp").json()
    assert told["authorization_servers"] == [issued.provider.issuer], "letter by letter, without a slash of ours"
    assert told["scopes_supported"] == READING.split(), "drafting is asked for on purpose"


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
def test_an_agent_comes_in_for_the_person_whom_the_subject_is_bound_to(issued: Issued, era: str) -> None:
    token = issued.token()
    made = issued.house.call("draft_proposal", token, era, **DRAFT)["structuredContent"]["data"]
    assert (made["author_kind"], made["on_behalf_of"]) == ("agent", "mara")
    assert made["author"].startswith("token-elsewhere-")
    drafted = issued.house.log("proposal.draft")[-1].happening
    assert drafted.actor == {
        "id": made["author"], "kind": "agent", "name": "coding-agent", "on_behalf_of": "mara"
    }  # fmt: skip
    issued.house.call("get_flag", token, era, **PLACE, key=FLAG)
    assert issued.house.log("agent.read")[-1].happening.actor["on_behalf_of"] == "mara"
    body = {"digest": made["digest"], "password": PASSWORD}
    refused = issued.doors.person("mara").post(f"/api/v1/proposals/{made['id']}/approve", json=body)
    assert refused.status_code == 403
    assert "has an agent act for them" in refused.text, "whoever sent the agent counts for no key"
    assert issued.doors.person("ines").post(f"/api/v1/proposals/{made['id']}/approve", json=body).status_code == 200
    assert issued.house.world.revision == 1


def test_an_agent_of_another_client_or_person_is_another(issued: Issued) -> None:
    bind(issued.house.world, "ines", f"{issued.provider.issuer} sub-2")
    authors = {
        issued.house.call("draft_proposal", issued.token(**more), **DRAFT)["structuredContent"]["data"]["author"]
        for more in ({}, {"sub": "sub-2"}, {"client_id": "other-agent"}, {"jti": "k"})
    }
    assert len(authors) == 3


def test_its_scopes_are_those_that_it_was_given_and_that_agents_may_hold(issued: Issued) -> None:
    reader = issued.token(scope="flags:read openid telemetry:write signals:write flags:evaluate admin")
    listed = [each["name"] for each in result_of(issued.house.send("tools/list", token=reader))["tools"]]
    assert "list_flags" in listed
    assert not {"draft_proposal", "list_cases"} & set(listed)
    refused = issued.house.send("tools/call", {"name": "draft_proposal", "arguments": DRAFT}, token=reader)
    assert refused.status_code == 403
    assert set(challenge_of(refused)["scope"].split()) == {"flags:read", "proposals:write"}
    for scope in ("openid", "", None):
        nothing = issued.house.send("tools/list", token=issued.token(scope=scope))
        assert (nothing.status_code, challenge_of(nothing)["error"]) == (403, "insufficient_scope")
        assert challenge_of(nothing)["scope"] == READING


def test_it_opens_the_door_that_it_was_made_for_and_not_the_api(issued: Issued) -> None:
    token = issued.token()
    assert issued.status(token) == 200
    headers = {"Authorization": f"Bearer {token}"}
    for path in ("/api/v1/cases", "/api/v1/token", f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags"):
        assert issued.house.http.get(path, headers=headers).status_code == 401
    assert issued.house.http.post("/ofrep/v1/evaluate/flags", json={}, headers=headers).status_code == 401


def test_it_reaches_one_environment(issued: Issued) -> None:
    assert issued.house.call("list_flags", issued.token(), project=PROJECT, environment="staging")["isError"]


LIES: dict[str, Callable[[Claims], Claims]] = {
    "another audience": lambda claims: claims | {"aud": "https://other.example/mcp"},
    "the API's audience": lambda claims: claims | {"aud": ADDRESS},
    "the audience with a slash": lambda claims: claims | {"aud": RESOURCE + "/"},
    "the client's audience": lambda claims: claims | {"aud": "us"},
    "several audiences without ours": lambda claims: claims | {"aud": ["a", "b"]},
    "no audience": lambda claims: {name: value for name, value in claims.items() if name != "aud"},
    "another issuer": lambda claims: claims | {"iss": "https://other.example"},
    "no issuer": lambda claims: {name: value for name, value in claims.items() if name != "iss"},
    "over": lambda claims: claims | {"exp": claims["exp"] - 1000, "iat": claims["iat"] - 1000},
    "no end": lambda claims: {name: value for name, value in claims.items() if name != "exp"},
    "an end that is no time": lambda claims: claims | {"exp": "tomorrow"},
    "an end too far away": lambda claims: claims | {"exp": claims["exp"] + 2 * 86_400},
    "not yet": lambda claims: claims | {"nbf": claims["exp"]},
    "made in the future": lambda claims: claims | {"iat": claims["exp"]},
    "nobody": lambda claims: claims | {"sub": ""},
    "a number for a subject": lambda claims: claims | {"sub": 7},
    "no client": lambda claims: {name: value for name, value in claims.items() if name != "client_id"},
    "somebody whom nobody here knows": lambda claims: claims | {"sub": "sub-9"},
    "our own name for a subject": lambda claims: claims | {"sub": "mara"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_says_something_else_opens_nothing(issued: Issued, lie: str) -> None:
    token = jwt.encode(issued.header, LIES[lie](issued.claims()), KEY)
    answer = issued.house.send("tools/list", token=token)
    assert answer.status_code == 401
    assert challenge_of(answer)["error"] == "invalid_token"
    assert token not in answer.text


def test_several_audiences_with_ours_among_them_are_for_us(issued: Issued) -> None:
    assert issued.status(issued.token(aud=["https://provider.example/userinfo", RESOURCE])) == 200


@pytest.mark.parametrize("kind", ["JWT", "id+jwt", "", None, 7])
def test_a_token_that_is_no_access_token_is_none(issued: Issued, kind: Any) -> None:
    issued.header = {"alg": "RS256", "kid": "one"} | ({} if kind is None else {"typ": kind})
    token = handmade_rs(issued) if kind == 7 else issued.token()
    assert issued.status(token) == 401


def handmade_rs(issued: Issued) -> str:
    return ".".join(b64(json.dumps(each).encode()) for each in (issued.header, issued.claims())) + ".x"


def test_what_another_key_or_none_or_a_shared_secret_signed_opens_nothing(issued: Issued) -> None:
    assert issued.status(issued.token()) == 200
    issued.signer = OTHER
    assert issued.status(issued.token()) == 401
    for secret in (None, KEY.as_pem(private=False), KEY.as_der(private=False)):
        header = {"alg": "HS256" if secret else "none", "kid": "one", "typ": "at+jwt"}
        assert issued.status(handmade(header, issued.claims(), secret)) == 401
    issued.header, issued.signer = {"alg": "ES256", "kid": "two", "typ": "at+jwt"}, ECKey.generate_key("P-256")
    assert issued.status(issued.token()) == 401


def test_who_was_shut_out_sends_no_agent_either(issued: Issued) -> None:
    token = issued.token()
    assert issued.status(token) == 200
    issued.house.world.add_person("ada", "administrator")
    ada = issued.doors.person("ada")
    assert ada.post("/api/v1/users/mara/disable", json={"password": PASSWORD}).status_code == 200
    assert issued.status(token) == 401


def test_strangers_do_not_have_the_provider_asked_again_and_again(issued: Issued) -> None:
    asked = []
    keys = issued.provider.keys
    issued.provider.keys = lambda: asked.append(1) or keys()  # type: ignore[method-assign,func-returns-value]
    issued.header, issued.signer = {"alg": "ES256", "kid": "x", "typ": "at+jwt"}, ECKey.generate_key("P-256")
    for _ in range(10):
        assert issued.status(issued.token()) == 401
    assert len(asked) <= 2


def test_a_provider_that_is_away_lets_nobody_in(world: World, provider: Provider) -> None:
    away = OpenIdProvider("http://127.0.0.1:9", "us")
    with pytest.raises(Unproven):
        away.mandate("a.b.c", RESOURCE, world.clock())


def test_without_that_setting_no_access_token_of_the_provider_opens_anything(world: World, provider: Provider) -> None:
    bind(world, "mara", f"{provider.issuer} sub-1")
    doors = Doors(
        world, elsewhere=Elsewhere(provider=OpenIdProvider(provider.issuer, "us")), agents=Agents(address=ADDRESS)
    )
    with doors.client() as http:
        issued = Issued(House(world, doors, http), provider, doors)
        assert issued.status(issued.token()) == 401
        told = http.get("/.well-known/oauth-protected-resource/mcp").json()
        assert "authorization_servers" not in told
