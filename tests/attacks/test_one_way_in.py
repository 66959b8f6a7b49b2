"""There is one way to flag state, `publish`, and every door that leads there is known by name.

A route, a command or a job that is added and not named here fails this test: whoever adds one says whether it moves
flag state, and by which step.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.attempts import DRAFT, REDUCE_JSON, draft_by
from tests.cli.test_help import paths
from tests.support.server import Doors
from tests.support.world import ENVIRONMENT, FLAG, PASSWORD, PROJECT, World
from twokey.adapters.sql.flags import SqlFlags
from twokey.domain.identity import ActorKind, Scope
from twokey.domain.job import JobKind
from twokey.surfaces.app import create_api
from twokey.wiring import jobs_of

SOURCE = Path(inspect.getfile(create_api)).parents[1]
MOVES = {
    ("POST", "/proposals"): "where an environment takes no keys, a person's draft is applied: apply_change",
    ("POST", "/proposals/joint"): "drafts as well, of several environments: apply_change, where none takes keys",
    ("POST", "/proposals/copy"): "a draft as well, of a copy: apply_change, where no keys are taken",
    ("POST", "/proposals/{id}/approve"): "the last key: review_proposal",
    ("POST", "/proposals/{id}/apply"): "apply_change",
    ("POST", "/changes/{id}/reverse"): "reverse_change",
    ("POST", "/break-glass"): "break_glass",
    ("POST", "/proposals/rollout"): "a draft as well, of a guarded rollout: apply_change, where no keys are taken",
    ("POST", "/rollouts/{id}/roll-back"): "guard_rollout",
}
"""Routes that can move flag state, and the step that does it through `publish`."""
STAYS = {
    ("POST", "/session"), ("DELETE", "/session"), ("DELETE", "/sessions"), ("DELETE", "/sessions/{id}"),
    ("POST", "/session/second"), ("POST", "/session/challenge"), ("POST", "/session/proof"),
    ("POST", "/session/elsewhere"), ("POST", "/account/elsewhere"),
    ("POST", "/account/totp"), ("POST", "/account/totp/confirm"), ("DELETE", "/account/totp"),
    ("POST", "/account/passkeys/wish"), ("POST", "/account/passkeys"), ("DELETE", "/account/passkeys/{id}"),
    ("POST", "/account/recovery-codes"), ("POST", "/invitations/show"), ("POST", "/invitations/accept"),
    ("POST", "/password"), ("POST", "/users"), ("POST", "/users/{username}/disable"),
    ("POST", "/users/{username}/invite"),
    ("POST", "/environments"), ("POST", "/tokens"), ("DELETE", "/tokens/{id}"),
    ("POST", "/access/proposals"), ("POST", "/access/proposals/{id}/approve"),
    ("POST", "/access/proposals/{id}/reject"), ("POST", "/access/proposals/{id}/withdraw"),
    ("POST", "/reviews/{id}/close"), ("POST", "/people/{username}/erase"),
    ("POST", "/proposals/{id}/reject"), ("POST", "/proposals/{id}/edit"), ("POST", "/proposals/{id}/withdraw"),
    ("POST", "/projects/{project}/environments/{environment}/flags/{key}/explain"),
    ("POST", "/cases/{id}/notes"), ("POST", "/cases/{id}/owner"), ("POST", "/cases/{id}/close"),
    ("POST", "/cases/{id}/check"), ("POST", "/telemetry"),
    ("POST", "/cases/{id}/findings"), ("POST", "/cases/{id}/findings/failures"),
    ("POST", "/proposals/preview"), ("POST", "/cases/{id}/findings/runs"),
    ("POST", "/otlp/v1/logs"), ("POST", "/otlp/v1/traces"), ("POST", "/otlp/v1/metrics"),
    ("POST", "/audit/checkpoint"),
    ("POST", "/rollouts/{id}/pause"), ("POST", "/rollouts/{id}/resume"), ("POST", "/rollouts/{id}/agree"),
    ("POST", "/rollouts/{id}/stop"),
}  # fmt: skip
"""Routes that change something else, or nothing."""
JOBS_THAT_MOVE = {JobKind.APPLY_SCHEDULED, JobKind.ASK_ORDERS, JobKind.GUARD_ROLLOUT}
COMMANDS_THAT_MOVE = {
    ("proposal", "approve"), ("proposal", "apply"), ("proposal", "draft"), ("change", "reverse"), ("flag", "create"),
    ("flag", "copy"), ("env", "copy"), ("rollout", "roll-back"),
}  # fmt: skip


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    made.add_person("ada", "administrator", "security", "break_glass", "release_manager")
    yield made
    made.close()


@pytest.fixture
def server(world: World) -> Doors:
    return Doors(world)


def routes(server: Doors) -> set[tuple[str, str]]:
    """Every route that is not for reading, described or not: without the prefix that the API is hung under."""
    return {
        (method, route.path.removeprefix("/api/v1"))
        for route in _routes(server.app._api.routes)
        for method in route.methods
        if method not in ("GET", "HEAD")
    }


def _routes(of: Iterable[Any]) -> Iterator[Any]:
    for each in of:
        if hasattr(each, "original_router"):
            yield from _routes(each.original_router.routes)
        else:
            yield each


def test_every_route_that_changes_something_is_known_and_says_what_it_does(server: Doors) -> None:
    webhooks = {each for each in routes(server) if each[1].startswith(("/signals/", "/changes/v1/"))}
    known = set(MOVES) | STAYS | webhooks
    assert routes(server) - known == set()
    assert {each for each in known if each not in routes(server)} == set()


def test_flag_state_is_written_by_publish_and_by_nothing_else_in_the_source() -> None:
    writers = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "write"
        if isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "flags"
    }
    assert writers == {"steps/publish.py"}


def test_how_an_environment_is_governed_is_written_by_two_steps_alone() -> None:
    writers = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "put_environment"
    }
    assert writers == {"steps/manage_access.py", "steps/govern_access.py"}


def test_every_job_is_known_and_those_that_move_flag_state_are_two(world: World) -> None:
    assert set(jobs_of(world.store, world.telemetry)) == set(JobKind)
    moves = {JobKind.APPLY_SCHEDULED, JobKind.ASK_ORDERS, JobKind.GUARD_ROLLOUT}
    assert moves == JOBS_THAT_MOVE


def test_every_command_speaks_to_the_server_but_those_that_set_up_read_or_repair() -> None:
    local = {
        file.stem for file in (SOURCE / "cli").rglob("*.py") if "from twokey import wiring" in file.read_text("utf-8")
    }
    assert local == {"local"}
    assert {each for each in paths() if each} >= COMMANDS_THAT_MOVE


class Spy:
    """Notes who writes flag state, by the names of the functions that led there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ways: list[set[str]] = []
        original = SqlFlags.write

        def write(flags: SqlFlags, *arguments: Any, **more: Any) -> Any:
            self.ways.append({each.function for each in inspect.stack()})
            return original(flags, *arguments, **more)

        monkeypatch.setattr(SqlFlags, "write", write)


def test_whatever_is_asked_of_any_route_by_whomever_state_moves_through_publish_alone(
    server: Doors, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, revision = Spy(monkeypatch), world.revision
    made = draft_by(server.person("ines"))
    bodies: list[dict[str, Any]] = [
        {},
        DRAFT,
        {"password": PASSWORD},
        {"digest": made["digest"], "password": PASSWORD, "note": "n"},
        {"digest": made["digest"], "operations": [REDUCE_JSON], "reason": "r"},
        {"flags": [], "revision": 99, "state": {}, "enabled": True, "guarded": False},
        {"project": PROJECT, "environment": ENVIRONMENT, "flag": FLAG, "seen": 1, "reason": "r", "password": PASSWORD},
        {"edits": [{"edit": "set_flag", "flag": FLAG}], "reason": "r", "password": PASSWORD},
    ]
    callers = [
        server.client(),
        server.token(Scope.FLAGS_READ, Scope.PROPOSALS_WRITE, kind=ActorKind.AGENT),
        server.token(Scope.TELEMETRY_WRITE, Scope.SIGNALS_WRITE, Scope.FLAGS_EVALUATE),
        server.person("ada"),
    ]
    for method, path in sorted(routes(server)):
        if (method, path) in {("DELETE", "/session"), ("DELETE", "/sessions"), ("POST", "/session")}:
            continue
        filled = path.format(
            id=made["id"], key=FLAG, project=PROJECT, environment=ENVIRONMENT, username="viewer", source="alertmanager"
        )
        for caller in callers:
            for body in bodies:
                elsewhere = filled.startswith(("/signals/", "/changes/v1/", "/otlp/"))
                answer = caller.request(method, filled if elsewhere else f"/api/v1{filled}", json=body)
                assert answer.status_code < 500, (method, path, body, answer.text)
    assert all("publish" in each for each in spy.ways)
    with world.store.read() as uow:
        changes = uow.changes.where(limit=100)
        assert uow.flags.revision(PROJECT, ENVIRONMENT) == revision + len(spy.ways)
        assert {each.revision_after for each in changes} >= set(range(revision, world.revision + 1))
        assert uow.audit.verify().ok
