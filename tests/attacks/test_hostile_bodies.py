"""Bodies made to break something: each is refused by name, in a problem document, and nothing of it stays behind."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.attacks.attempts import DRAFT, draft_by, refused
from tests.support.server import Doors, alertmanager_body, problem
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, World
from twokey.domain.identity import Scope

JSON = {"content-type": "application/json"}
EXPLAIN = f"/api/v1/projects/{PROJECT}/environments/{ENVIRONMENT}/flags/{FLAG}/explain"
DEEP = "[" * 100_000 + "]" * 100_000


def send(client: TestClient, path: str, body: str | bytes, **headers: str) -> Any:
    return client.post(path, content=body, headers=JSON | headers)


@pytest.mark.parametrize(
    "value",
    [
        "NaN",
        "-Infinity",
        "1e400",
        "1" * 5000,
        '"\\ud800"',
        '"\\udfff\\ud800"',
        '{"\\ud800": 1}',
        DEEP,
        '"unended',
    ],
    ids=["nan", "infinity", "1e400", "5000 digits", "surrogate", "surrogates", "surrogate key", "deep", "unended"],
)
def test_what_is_no_json_is_refused_as_such_wherever_it_hides(server: Doors, world: World, value: str) -> None:
    mara = server.person("mara")
    for path, body in (
        (EXPLAIN, json.dumps({"context": {"plan": "@"}}).replace('"@"', value)),
        ("/api/v1/proposals", json.dumps(DRAFT | {"project": "@"}).replace('"@"', value)),
        ("/api/v1/proposals", json.dumps(DRAFT | {"operations": [{"op": "@"}]}).replace('"@"', value)),
    ):
        told = problem(send(mara, path, body))
        assert (told["status"], told["field"]) == (422, "body")
    assert len(refused(world)) == 3
    assert all(each.actor["id"] == "mara" for each in refused(world))


def test_other_alphabets_and_compressed_bodies_are_no_json(server: Doors) -> None:
    mara, body = server.person("mara"), json.dumps({"context": {}})
    for sent, headers in (
        (body.encode("utf-16"), {}),
        (body.encode("utf-32-le"), {}),
        (gzip.compress(body.encode()), {"content-encoding": "gzip"}),
        (b"\xef\xbb\xbf" + body.encode(), {}),
        (body.encode() + b" trailing", {}),
    ):
        assert problem(send(mara, EXPLAIN, sent, **headers))["field"] == "body"


def test_a_body_of_another_type_is_not_taken_for_json(server: Doors) -> None:
    mara, body = server.person("mara"), json.dumps(DRAFT)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = mara.post("/api/v1/proposals", content=body, headers={"content-type": kind})
        assert problem(answer)["field"] == "body"


def test_a_time_without_its_offset_is_refused_by_name(server: Doors) -> None:
    mara = server.person("mara")
    for at in ("2026-11-02T10:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        answer = mara.post("/api/v1/proposals", json=DRAFT | {"apply": "at", "apply_at": at})
        assert problem(answer)["field"] == "apply_at"


def test_a_position_that_no_log_has_is_refused_by_name(any_server: Doors) -> None:
    mara = any_server.person("mara")
    for start in ("9223372036854775808", "9" * 40, "-1", "1e3"):
        assert problem(mara.get(f"/api/v1/audit?start={start}"))["field"] == "start"
    assert mara.get("/api/v1/audit?start=9223372036854775807").json() == []


def test_nul_in_every_text_is_kept_and_shown_as_it_came(any_server: Doors, any_world: World) -> None:
    any_world.add_person("root", "administrator")
    root, mara = any_server.person("root"), any_server.person("mara")
    source = any_server.token(Scope.SIGNALS_WRITE)
    alert = alertmanager_body("A\0")
    alert["alerts"][0]["labels"] |= {"workflow": "w\0", "service": "\0", "z\0": "\0"}
    alert["alerts"][0]["fingerprint"] = "\0"
    case = source.post("/signals/v1/alertmanager", json=alert).json()["results"][0]["case"]
    again = source.post("/signals/v1/alertmanager", json=alert).json()["results"][0]
    assert (again["outcome"], again["case"]) == ("repeated", case)
    made = draft_by(mara, case=case, **dict.fromkeys(("title", "reason", "expected_effect", "justification"), "a\0b"))
    assert made["title"] == "a\0b"
    assert mara.post(f"/api/v1/cases/{case}/notes", json={"text": "\0"}).json()["text"] == "\0"
    assert mara.post(f"/api/v1/cases/{case}/owner", json={"owner": "\0"}).json()["owner"] == "\0"
    body = {"digest": "\0", "password": "\0", "note": "\0"}
    assert problem(mara.post(f"/api/v1/proposals/{made['id']}/reject", json=body))["status"] == 403
    new = {"username": "eve", "name": "\0", "password": "twelve letters\0", "roles": ["\0"]}
    assert root.post("/api/v1/users", json=new).json()["name"] == "\0"
    for path in (f"cases/{case}", f"cases/{case}/record?format=markdown", f"proposals/{made['id']}/document"):
        assert mara.get(f"/api/v1/{path}").status_code == 200
    for path in ("cases/%00", "proposals/%00", "changes/%00", f"projects/%00/environments/{ENVIRONMENT}/flags"):
        assert problem(mara.get(f"/api/v1/{path}"))["status"] == 404
    any_world.work()
    assert mara.get("/api/v1/audit/verify").json()["ok"]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("alerts[0].startsAt", {"startsAt": "0001-01-01T00:00:00+14:00"}),
        ("alerts[0].startsAt", {"startsAt": "9999-12-31T23:59:59-14:00"}),
        ("alerts[0].endsAt", {"endsAt": "9999-12-31T23:59:59-14:00", "status": "resolved"}),
        ("alerts[0].labels", {"labels": {f"label-{number}": "x" for number in range(10_000)}}),
        ("alerts[0].annotations", {"annotations": {f"note-{number}": "x" for number in range(10_000)}}),
        ("alerts[0].fingerprint", {"fingerprint": "f" * 100_000}),
        ("alerts[0].labels[...]", {"labels": {"alertname": None}}),
    ],
    ids=["before all time", "after all time", "ends after all time", "labels", "annotations", "fingerprint", "null"],
)
def test_an_alert_made_to_break_something_is_refused_by_field(
    server: Doors, world: World, field: str, change: dict[str, Any]
) -> None:
    body = alertmanager_body("A")
    body["alerts"][0] |= change
    assert problem(server.token(Scope.SIGNALS_WRITE).post("/signals/v1/alertmanager", json=body))["field"] == field
    with world.store.read() as uow:
        assert uow.cases.count() == 0


def test_ten_thousand_alerts_in_one_payload_are_refused_whole(server: Doors, world: World) -> None:
    alerts = [{"status": "firing", "labels": {"a": "b"}, "startsAt": "2026-11-02T09:00:00Z"}] * 10_000
    answer = server.token(Scope.SIGNALS_WRITE).post("/signals/v1/alertmanager", json={"version": "4", "alerts": alerts})
    assert problem(answer)["field"] == "alerts"
    with world.store.read() as uow:
        assert uow.signals.count() == 0


def test_depth_that_no_reader_survives_is_refused_at_every_intake(server: Doors) -> None:
    source, intake = server.token(Scope.SIGNALS_WRITE), server.token(Scope.TELEMETRY_WRITE)
    assert problem(send(source, "/signals/v1/alertmanager", f'{{"version":"4","x":{DEEP}}}'))["field"] == "body"
    record = '{"metric":"m","value":1,"unit":"u","unit_name":"c","at":"2026-11-02T08:59:00Z","attributes":{"a":%s}}'
    for batch in (f'{{"batch_id":"b","metrics":{DEEP}}}', '{"batch_id":"b","metrics":[%s]}' % (record % DEEP)):
        assert problem(send(intake, "/api/v1/telemetry", batch))["field"] == "batch"


def test_a_refusal_repeats_a_part_of_what_was_sent_and_no_more(server: Doors) -> None:
    answer = server.person("mara").post("/api/v1/proposals", json=DRAFT | {"project": "p" * 900_000})
    assert problem(answer)["status"] == 404
    assert len(answer.content) < 10_000


def test_bodies_over_the_limit_are_refused_before_they_are_read(server: Doors, world: World) -> None:
    mara = server.person("mara")
    for path, size in (("/api/v1/proposals", 10 * 2**20), ("/api/v1/telemetry", 17 * 2**20)):
        assert problem(send(mara, path, b" " * size))["status"] == 413
    assert problem(mara.post("/api/v1/proposals", content=iter([b" " * 2**20] * 3), headers=JSON))["status"] == 413
