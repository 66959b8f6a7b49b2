"""Changes elsewhere come in as CloudEvents in each of their modes, and as GitHub's signed deployments: as evidence."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import msgspec
import pytest

from tests import needs
from tests.support.server import Doors, problem
from tests.support.world import ENVIRONMENT, PROJECT, World
from twokey.domain.identity import ActorKind, Scope
from twokey.domain.telemetry import RecordedChange
from twokey.domain.telemetry import Scope as Where
from twokey.engine.wire import ChangeKind

EVENTS = "/changes/v1/cloudevents"
GITHUB = f"/changes/v1/github/{PROJECT}/{ENVIRONMENT}"
DEPLOYED: dict[str, Any] = {
    "specversion": "1.0", "id": "1", "source": "/ci/shop", "type": "com.example.deploy.finished.v1", "subject": "api",
    "time": "2026-11-02T08:55:00Z", "data": {"title": "api 4.2", "url": "https://ci.example/1"},
}  # fmt: skip
STATUS: dict[str, Any] = {
    "deployment_status": {"id": 7, "state": "success", "created_at": "2026-11-02T08:50:00Z", "log_url": "https://x.test/7"},
    "deployment": {"ref": "main", "sha": "abc123", "environment": "production"},
    "repository": {"name": "shop", "full_name": "acme/shop"},
}  # fmt: skip
SECRET = "a secret of this test"


def changes(world: World) -> list[RecordedChange]:
    return list(world.telemetry.change_events(Where(project=PROJECT, environment=ENVIRONMENT)))


def send(server: Doors, event: Any, content_type: str = "application/cloudevents+json", client: Any = None) -> Any:
    client = client or server.token(Scope.TELEMETRY_WRITE)
    return client.post(EVENTS, content=json.dumps(event), headers={"Content-Type": content_type})


def test_a_structured_event_is_a_change(server: Doors, world: World) -> None:
    assert send(server, DEPLOYED).json() == {"kept": 1, "refused": []}
    (change,) = changes(world)
    assert (change.event.kind, change.event.title, change.event.service) == (ChangeKind.DEPLOY, "api 4.2", "api")
    assert (change.event.at.isoformat(), change.event.url) == ("2026-11-02T08:55:00+00:00", "https://ci.example/1")


def test_a_binary_event_is_the_same(server: Doors, world: World) -> None:
    headers = {f"ce-{name}": DEPLOYED[name] for name in ("specversion", "id", "source", "type", "subject", "time")}
    client = server.token(Scope.TELEMETRY_WRITE)
    sent = {**headers, "Content-Type": "application/json"}
    assert client.post(EVENTS, content=json.dumps(DEPLOYED["data"]), headers=sent).json()["kept"] == 1
    assert changes(world)[0].event.title == "api 4.2"


def test_of_a_batch_the_good_are_kept_and_the_bad_are_named(server: Doors, world: World) -> None:
    batch = [
        DEPLOYED,
        {"specversion": "1.0", "id": "2"},
        DEPLOYED | {"id": "3", "type": "db.migrate", "data": None},
        "x",
    ]
    answer = send(server, batch, "application/cloudevents-batch+json").json()
    assert answer["kept"] == 2
    assert [each.partition(":")[0] for each in answer["refused"]] == ["events[1]", "events[3]"]
    assert {each.event.kind for each in changes(world)} == {ChangeKind.DEPLOY, ChangeKind.MIGRATION}


def test_an_event_that_is_sent_again_is_kept_once(server: Doors, world: World) -> None:
    one = server.token(Scope.TELEMETRY_WRITE)
    assert [send(server, DEPLOYED, client=one).json()["kept"] for _ in range(2)] == [1, 0]
    send(server, [DEPLOYED, DEPLOYED | {"id": "9"}], "application/cloudevents-batch+json", client=one)
    assert len(changes(world)) == 2


@pytest.mark.parametrize(
    "event",
    [
        {}, [], "x", None, {"specversion": "9.9"}, DEPLOYED | {"time": "soon"}, DEPLOYED | {"id": ""},
        DEPLOYED | {"time": "2026-11-02T08:55:00"},
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused(server: Doors, world: World, event: Any) -> None:
    assert problem(send(server, event))["status"] == 422
    assert changes(world) == []


def test_foreign_text_is_bounded_and_a_script_is_no_address(server: Doors, world: World) -> None:
    send(server, DEPLOYED | {"data": {"title": "x" * 5000, "url": "javascript:alert(1)"}})
    assert (len(changes(world)[0].event.title), changes(world)[0].event.url) == (1000, None)


def test_only_a_service_with_the_scope_tells_of_changes(server: Doors) -> None:
    sent = {"content": json.dumps(DEPLOYED), "headers": {"Content-Type": "application/cloudevents+json"}}
    assert server.client().post(EVENTS, **sent).status_code == 401
    for client in (server.token(Scope.FLAGS_READ), server.token(Scope.FLAGS_READ, kind=ActorKind.AGENT)):
        assert client.post(EVENTS, **sent).status_code == 403


@pytest.mark.parametrize("name", ["cloudevent_structured", "cloudevent_binary.body", "cloudevents_batch"])
def test_the_published_samples_are_read(server: Doors, name: str) -> None:
    manifest = json.loads(needs.shared("standards", "signals", "manifest.json").read_text())
    entries = manifest if isinstance(manifest, list) else manifest["samples"]
    sample = next(each for each in entries if each["file"] == f"{name}.json")
    body = needs.shared("standards", "signals", sample["file"]).read_bytes()
    answer = server.token(Scope.TELEMETRY_WRITE).post(EVENTS, content=body, headers=sample["headers"])
    assert answer.status_code == 200, answer.text
    assert answer.json()["refused"] == []


# ---------------------------------------------------------------- GitHub


@pytest.fixture
def signed(world: World) -> Doors:
    made = Doors(world)
    services = made.app._api.state.services
    object.__setattr__(services, "github_secrets", {f"{PROJECT}/{ENVIRONMENT}": SECRET})
    return made


def deliver(
    server: Doors, body: Any, secret: str = SECRET, event: str = "deployment_status", path: str = GITHUB
) -> Any:
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    signature = "sha256=" + hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()
    headers = {"X-GitHub-Event": event, "X-Hub-Signature-256": signature, "Content-Type": "application/json"}
    return server.client().post(path, content=content, headers=headers)


def test_a_deployment_that_succeeded_is_a_deploy(signed: Doors, world: World) -> None:
    assert deliver(signed, STATUS).json() == {"kept": 1, "refused": []}
    assert deliver(signed, STATUS).json()["kept"] == 0, "delivered again"
    (change,) = changes(world)
    assert (change.event.kind, change.event.service) == (ChangeKind.DEPLOY, "shop")
    assert change.event.title == "acme/shop main deployed to production"
    assert change.source == "github"


def test_other_events_and_states_are_taken_and_not_kept(signed: Doors, world: World) -> None:
    failed = STATUS | {"deployment_status": STATUS["deployment_status"] | {"state": "failure"}}
    assert deliver(signed, failed).json()["kept"] == 0
    assert deliver(signed, {"zen": "Keep it logically awesome."}, event="ping").status_code == 200
    assert changes(world) == []


def test_without_its_signature_nothing_is_believed(signed: Doors, server: Doors, world: World) -> None:
    assert problem(deliver(signed, STATUS, secret="another"))["status"] == 401
    assert problem(deliver(signed, STATUS, path=f"/changes/v1/github/{PROJECT}/elsewhere"))["status"] == 401
    assert problem(deliver(server, STATUS, secret=""))["status"] == 401, "no secret was set up"
    assert signed.client().post(GITHUB, json=STATUS).status_code == 401
    assert problem(deliver(signed, b"[]"))["status"] == 422
    assert problem(deliver(signed, {"deployment_status": 1}))["status"] == 422
    assert changes(world) == []
