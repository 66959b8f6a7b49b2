"""OFREP: single and bulk evaluation as real clients need them."""

from __future__ import annotations

from tests.support.server import Doors
from tests.support.world import FLAG, PRESENT, World
from tests.surfaces.test_api import draft
from twokey.domain.identity import Scope
from twokey.steps.review_proposal import approve

SINGLE = f"/ofrep/v1/evaluate/flags/{FLAG}"
BULK = "/ofrep/v1/evaluate/flags"


def context(**more: object) -> dict[str, object]:
    return {"context": {"targetingKey": "u-1", "conversation": "c-1", **more}}


def test_a_flag_is_evaluated_with_everything_a_client_needs(server: Doors) -> None:
    client = server.token(Scope.FLAGS_EVALUATE)
    body = client.post(SINGLE, json=context(plan="free")).json()
    assert (body["key"], body["value"], body["variant"], body["reason"]) == (FLAG, "baseline", "baseline", "DEFAULT")
    assert body["metadata"]["flagSetId"] == "support/production"
    assert body["metadata"]["version"] == "1"
    assert body["metadata"]["contextId"] == "u-1"
    split = client.post(SINGLE, json=context(plan="pro")).json()
    assert (split["reason"], split["metadata"]["rule"]) == ("SPLIT", "pro-10")


def test_every_failure_names_key_code_and_details(server: Doors) -> None:
    good, nobody, other = server.token(Scope.FLAGS_EVALUATE), server.client(), server.token(Scope.FLAGS_READ)
    for answer, status, code in (
        (good.post(f"{BULK}/nope", json=context()), 404, "FLAG_NOT_FOUND"),
        (good.post(SINGLE, content=b"{"), 400, "PARSE_ERROR"),
        (good.post(SINGLE, json={"context": 3}), 400, "INVALID_CONTEXT"),
        (nobody.post(SINGLE, json=context()), 401, "GENERAL"),
        (other.post(SINGLE, json=context()), 403, "GENERAL"),
        (good.get(SINGLE), 405, "GENERAL"),
    ):
        body = answer.json()
        assert (answer.status_code, body["errorCode"]) == (status, code)
        assert body["key"]
        assert body["errorDetails"]


def test_the_etag_covers_the_evaluated_result_and_not_the_configuration(server: Doors, world: World) -> None:
    client = server.token(Scope.FLAGS_EVALUATE)
    first = client.post(BULK, json=context(plan="free"))
    tag = {"If-None-Match": first.headers["etag"]}
    assert {each["key"] for each in first.json()["flags"]} == {FLAG, "new_header"}
    assert client.post(BULK, json=context(plan="free"), headers=tag).status_code == 304
    other = client.post(BULK, json=context(plan="free", email="ines@example.com"), headers=tag)
    assert other.status_code == 200
    assert other.headers["etag"] != first.headers["etag"]


def test_a_change_is_evaluated_by_the_next_request(server: Doors, world: World) -> None:
    client = server.token(Scope.FLAGS_EVALUATE)
    staff = context(email="ines@example.com")
    assert client.post(SINGLE, json=staff).json()["variant"] == "reranker_v2"
    kill = {"op": "set_enabled", "flag": FLAG, "enabled": False}
    made = draft(server.person("viewer"), operations=[kill])
    for who in (world.ines, world.mara):
        approve(world.store, who, str(made["id"]), str(made["digest"]), PRESENT)
    after = client.post(SINGLE, json=staff).json()
    assert (after["variant"], after["reason"], after["metadata"]["version"]) == ("baseline", "DISABLED", "2")
