"""Who governs: the written policy is asked, names are names, and a body moves nothing that it was not asked for."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.server import Doors, problem
from tests.support.world import ENVIRONMENT, PASSWORD, PRESENT, PROJECT, World
from twokey.adapters import system
from twokey.domain.access import AccessProposal, parse_edits
from twokey.domain.errors import Refused
from twokey.domain.identity import Actor, ActorKind, Scope, User
from twokey.steps.govern_access import approve, propose
from twokey.steps.invite import invite
from twokey.steps.manage_access import TokenRequest, create_token, create_user, disable_user, revoke_token

FROZEN = """
@id("production-stays-guarded")
forbid (principal, action == Action::"govern", resource == Environment::"support/production")
when { context.action == "guarding" };

@id("no-new-people-by-nadia")
forbid (principal == Person::"nadia", action == Action::"govern", resource)
when { context.action == "people" || context.action == "tokens" };
"""
TOKEN = TokenRequest(
    name="t",
    kind=ActorKind.SERVICE,
    scopes=frozenset({Scope.FLAGS_READ}),
    project=PROJECT,
    environment=ENVIRONMENT,
    expires_at=None,
)


@pytest.fixture
def world(world: World) -> World:
    """Two of the security role, an administrator, and the team's own policies about governing."""
    sefa = world.add_person("sefa", "security", "administrator")
    timo = world.add_person("timo", "security")
    world.add_person("nadia", "administrator")
    policies = propose(world.store, sefa, parse_edits([{"edit": "set_policies", "text": FROZEN}]), "r", PRESENT)
    approve(world.store, timo, policies.id, policies.digest, PRESENT)
    return world


def who(world: World, name: str) -> Actor:
    with world.store.read() as uow:
        return uow.users.where(username=name, limit=1)[0].actor()


def unguard(world: World, name: str, environment: str = ENVIRONMENT) -> AccessProposal:
    edit = {"edit": "set_guarding", "project": PROJECT, "environment": environment, "guarded": False}
    return propose(world.store, who(world, name), parse_edits([edit]), "r", PRESENT)


def test_what_the_written_policy_forbids_to_govern_the_security_role_does_not_even_propose(world: World) -> None:
    with pytest.raises(Refused, match=r"govern guarding in support/production: production-stays-guarded"):
        unguard(world, "sefa")
    with world.store.read() as uow:
        assert uow.access_proposals.count(status="pending") == 0


def test_a_policy_that_came_after_the_proposal_stops_its_approval(world: World) -> None:
    edits = parse_edits([{"edit": "grant_role", "person": "viewer", "grant": f"qa@{PROJECT}/{ENVIRONMENT}"}])
    waiting = propose(world.store, who(world, "sefa"), edits, "r", PRESENT)
    more = FROZEN + '@id("no-roles") forbid (principal, action == Action::"govern", resource)\n'
    more += 'when { context.action == "roles" };\n'
    policies = propose(
        world.store, who(world, "sefa"), parse_edits([{"edit": "set_policies", "text": more}]), "r", PRESENT
    )
    approve(world.store, who(world, "timo"), policies.id, policies.digest, PRESENT)
    with pytest.raises(Refused, match="no-roles"):
        approve(world.store, who(world, "timo"), waiting.id, waiting.digest, PRESENT)
    assert who(world, "viewer").roles == frozenset()


def test_an_administrator_whom_the_policy_stops_adds_nobody_and_no_token(world: World) -> None:
    nadia = who(world, "nadia")
    token, _ = create_token(world.store, system, who(world, "sefa"), TOKEN)
    new = User(id="x", username="x", name="X", created_at=world.clock())
    for attempt in (
        lambda: create_user(world.store, nadia, new),
        lambda: disable_user(world.store, nadia, "viewer"),
        lambda: invite(world.store, system, nadia, "viewer"),
        lambda: create_token(world.store, system, nadia, TOKEN),
        lambda: revoke_token(world.store, nadia, token.id),
    ):
        with pytest.raises(Refused, match="no-new-people-by-nadia"):
            attempt()
    with world.store.read() as uow:
        assert uow.tokens.get(token.id).revoked_at is None
        assert not uow.users.where(username="viewer", limit=1)[0].disabled


def test_an_environment_is_created_guarded_by_an_administrator_alone(world: World) -> None:
    server = Doors(world)
    body = {"project": PROJECT, "key": "staging", "approvers": ["qa"]}
    made = server.person("sefa").post("/api/v1/environments", json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["guarded"], made.json()["flags"], made.json()["revision"]) == (True, 0, 0)
    assert problem(server.person("timo").post("/api/v1/environments", json=body | {"key": "b"}))["status"] == 403
    assert problem(server.person("sefa").post("/api/v1/environments", json=body))["status"] == 409
    assert problem(server.person("sefa").post("/api/v1/environments", json=body | {"guarded": False}))["status"] == 422
    with world.store.read() as uow:
        environment = uow.flags.environment(PROJECT, "staging")
    assert environment.approvers == environment.widening_approvers == ("qa",)


TRICKS = [
    "../production",
    "a/b",
    "..",
    ".",
    "",
    " ",
    "a b",
    "a\u0000",
    "a%2fb",
    "a@b",
    "a\u202eb",
    "\u0430",
    "a" * 65,
    "-a",
    "A\n",
]


@pytest.mark.parametrize("trick", TRICKS)
def test_a_path_is_no_name_of_a_project_an_environment_a_role_or_a_flag(world: World, trick: str) -> None:
    server, before = Doors(world), len(environments(world))
    sefa = server.person("sefa")
    for body in (
        {"project": trick, "key": "fine"},
        {"project": PROJECT, "key": trick},
        {"project": PROJECT, "key": "fine", "approvers": [trick]},
        {"project": PROJECT, "key": "fine", "widening_approvers": [trick]},
    ):
        assert problem(sefa.post("/api/v1/environments", json=body))["status"] == 422
    assert len(environments(world)) == before
    flag = {"op": "create_flag", "flag": trick}
    draft = {"project": PROJECT, "environment": ENVIRONMENT, "operations": [flag], "reason": "r"}
    assert problem(sefa.post("/api/v1/proposals", json=draft))["status"] == 422
    path = f"/api/v1/projects/{PROJECT}/environments/{quote(trick, safe='') or '%20'}/flags"
    assert sefa.get(path).status_code in (404, 405, 422)


def environments(world: World) -> list[str]:
    with world.store.read() as uow:
        return [f"{each.project}/{each.key}" for each in uow.flags.environments()]


# ------------------------------------------------------------------ mass assignment

MINE = {
    "status": "approved", "approved": 9, "digest": "sha256:0", "author": "ines", "author_kind": "person",
    "required_roles": [], "effect": "narrows", "editors": [], "supersedes": "p", "reverse": {}, "rollback": {},
    "guarded": False, "kind": "person", "id": "chosen", "roles": ["administrator"], "created_by": "root",
    "password_hash": "x", "on_behalf_of": None, "secret_hash": "x", "proved_at": "2026-01-01T00:00:00Z",
}  # fmt: skip
"""Fields of records that no body may set where it does not name them itself."""


def bodies(document: dict[str, Any]) -> list[tuple[str, str, set[str], bool]]:
    """Method, path, the fields that its body names, and whether it takes no other, of every changing call."""
    schemas, found = document["components"]["schemas"], []
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            content = call.get("requestBody", {}).get("content", {}).get("application/json")
            if content is None or "$ref" not in content["schema"]:
                continue
            schema = schemas[content["schema"]["$ref"].rsplit("/", 1)[1]]
            closed = schema.get("additionalProperties") is False
            found.append((method, path, set(schema.get("properties", {})), closed))
    return found


def test_every_body_is_closed_and_a_field_more_is_refused_by_name(world: World) -> None:
    server = Doors(world)
    sefa = server.person("sefa")
    calls = bodies(sefa.get("/api/v1/openapi.json").json())
    assert len(calls) > 25
    for method, path, names, closed in calls:
        if path.startswith("/api/v1/signals"):
            continue  # a webhook's shape is its sender's; what is not read is dropped
        assert closed, f"{method} {path} takes fields that it does not know"
        for name in sorted(MINE.keys() - names):
            answer = sefa.request(method, path.replace("{", "").replace("}", ""), json={name: MINE[name]})
            said = problem(answer)
            assert answer.status_code == 422, (method, path, name, answer.text)
            assert name in answer.text, (method, path, said)


# ------------------------------------------------------------- who is there is not told


class Counting:
    """The product's own secrets, with a count of the hashes that were compared."""

    def __init__(self) -> None:
        self.compared = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(system, name)

    def password_fits(self, *given: Any) -> bool:
        self.compared += 1
        return system.password_fits(*given)


def test_a_wrong_name_and_a_wrong_password_are_answered_alike_and_cost_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut_out = world.add_person("gone")
    disable_user(world.store, who(world, "sefa"), shut_out.id)
    invited = User(id="new", username="new", name="New", created_at=world.clock())
    create_user(world.store, who(world, "sefa"), invited)
    counting = Counting()
    server = Doors(world, secrets=counting)
    told = []
    for name in ("nobody", "mara", "gone", "new"):
        counting.compared = 0
        body = {"username": name, "password": "a wrong guess"}
        answer = server.client().post("/api/v1/session", json=body)
        assert counting.compared == 1, f"{name}: one hash is compared, whoever it is"
        text = answer.text.replace(name, "NAME")
        told.append((answer.status_code, text, sorted(answer.headers)))
    assert told[0][0] == 401
    assert told.count(told[0]) == len(told)
    right = {"username": "gone", "password": PASSWORD}
    assert server.client().post("/api/v1/session", json=right).text.replace("gone", "NAME") == told[0][1]
