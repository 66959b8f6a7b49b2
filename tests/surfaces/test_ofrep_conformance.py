"""OFREP answers every conformance case as the reference does, and every answer is one that the protocol describes.

The cases' snapshots are environments of one server, one for each file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest
from starlette.testclient import TestClient

from tests.engine.conformance import Case, cases
from tests.support import ofrep_schema
from tests.support.ofrep_schema import AMENDMENTS, FLAGS, Document, Seen, Watched, description, schema
from tests.support.server import Doors
from tests.support.world import World
from twokey.adapters import system
from twokey.domain.control import Control, Kind, State, Surface
from twokey.domain.identity import SYSTEM, ActorKind, Scope
from twokey.domain.policy import Environment
from twokey.engine.flag import Flag, Segment
from twokey.steps.manage_access import TokenRequest, create_environment, create_token

CASES = list(cases())
PROJECT = "conformance"
Asking = Callable[[Case], TestClient]


def state_of(name: str, snapshot: Document) -> State:
    flags = msgspec.convert(snapshot["flags"], tuple[Flag, ...])
    segments = msgspec.convert(snapshot.get("segments", []), tuple[Segment, ...])
    plain = {"owner": "tests", "purpose": "a case", "surface": Surface.FEATURE, "kind": Kind.PERMANENT}
    controls = {each.key: Control(flag=each, permanent_because="it is a case", **plain) for each in flags}
    held = {each.key: each for each in segments}
    return State(project=PROJECT, environment=name, revision=0, controls=controls, segments=held)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    world = World(tmp_path_factory.mktemp("conformance"))
    for name, snapshot in {each.id.split("/")[0]: each.snapshot for each in CASES}.items():
        create_environment(world.store, SYSTEM, Environment(project=PROJECT, key=name), state_of(name, snapshot))
    doors = Doors(world)
    doors.app = Watched(doors.app)
    yield doors
    world.close()


@pytest.fixture(scope="module")
def asking(server: Doors) -> Asking:
    """The client of the environment that holds a case's snapshot."""
    made: dict[str, TestClient] = {}

    def client(case: Case) -> TestClient:
        name = case.id.split("/")[0]
        if name not in made:
            wanted = TokenRequest(
                name="test",
                kind=ActorKind.SERVICE,
                scopes=frozenset({Scope.FLAGS_EVALUATE}),
                project=PROJECT,
                environment=name,
                expires_at=None,
            )
            _, secret = create_token(server.world.store, system, SYSTEM, wanted)
            made[name] = server.client(Authorization=f"Bearer {secret}")
        return made[name]

    return client


@pytest.fixture(autouse=True)
def _as_described(server: Doors) -> Iterator[None]:
    """Every answer of every test here is one that the protocol describes."""
    server.app.problems.clear()
    yield
    assert server.app.problems == []


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_ofrep_answers_the_conformance_case(case: Case, asking: Asking) -> None:
    client, asked = asking(case), {"context": case.context}
    single = client.post(f"{FLAGS}/{case.flag}", json=asked)
    expect = {"rule": None, "metadata": {}, **case.expect}
    found = single.json()
    if expect.get("error") is not None:
        status = 404 if expect["error"] == "FLAG_NOT_FOUND" else 400
        assert (single.status_code, found["errorCode"]) == (status, expect["error"]), case.says
        return
    assert single.status_code == 200, case.says
    assert (found["value"], found["variant"], found["reason"]) == (
        expect["value"],
        expect["variation"],
        expect["reason"],
    ), case.says
    assert found["metadata"].get("rule") == expect["rule"]
    assert expect["metadata"].items() <= found["metadata"].items()
    declared = next(each["type"] for each in case.snapshot["flags"] if each["key"] == case.flag)
    assert type(found["value"]) in TYPES[declared], "clients are strict about types"
    many = client.post(FLAGS, json=asked).json()["flags"]
    assert [each for each in many if each["key"] == case.flag] == [found], "one and many are answered alike"


TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "string": (str,),
    "integer": (int,),
    "number": (float,),
    "object": (dict, list),
}


def test_the_description_needs_every_amendment() -> None:
    """Once the protocol has mended itself, ours goes."""
    answer = {"key": "k", "value": True, "reason": "STATIC", "variant": "v", "metadata": {"a": 1}}
    missing = {"key": "k", "errorCode": "FLAG_NOT_FOUND", "errorDetails": "no such flag"}
    default, one_type, missing_flag, structure = AMENDMENTS
    for amendment, name, document in (
        (default, "evaluationSuccess", {**answer, "reason": "DEFAULT"}),
        (one_type, "evaluationSuccess", answer),
        (missing_flag, "bulkEvaluationSuccess", {"flags": [missing]}),
        (structure, "evaluationSuccess", {**answer, "value": [1]}),
    ):
        assert schema(name).is_valid(document)
        assert not schema(name, amendment).is_valid(document)


def test_the_descriptions_own_examples_hold_with_the_amendments() -> None:
    asked = description()["paths"]
    for path, name in (("/ofrep/v1/evaluate/flags/{key}", "evaluationSuccess"), (FLAGS, "bulkEvaluationSuccess")):
        example = asked[path]["post"]["responses"]["200"]["content"]["application/json"]["example"]
        assert schema(name).is_valid(example)


GOOD = {"key": "k", "value": True, "reason": "STATIC", "variant": "v", "metadata": {"a": 1}}


def seen(status: int, document: Document) -> Seen:
    body = msgspec.json.encode({name: value for name, value in document.items() if value is not None})
    return Seen("POST", f"{FLAGS}/k", "", b"", {}, status, {"content-type": "application/json"}, body)


def test_a_good_answer_has_no_problem() -> None:
    assert list(ofrep_schema.problems(seen(200, GOOD))) == []


@pytest.mark.parametrize(
    ("status", "document", "says"),
    [
        (200, {**GOOD, "value": msgspec.Raw(b"null")}, "serverEvaluationSuccess"),
        (200, {**GOOD, "reason": "BECAUSE"}, "BECAUSE"),
        (200, {**GOOD, "metadata": {"nested": {}}}, "serverEvaluationSuccess"),
        (200, {**GOOD, "metadata": None}, "lacks value, variant or metadata"),
        (404, {"key": "k", "errorCode": "GENERAL", "errorDetails": "no"}, "flagNotFound"),
        (400, {"key": "k", "errorCode": "PARSE_ERROR"}, "errorDetails"),
        (401, {"errorCode": "GENERAL", "errorDetails": "who?"}, "`key`"),
        (429, {"key": "k", "errorCode": "GENERAL", "errorDetails": "later"}, "Retry-After"),
    ],
)
def test_what_the_protocol_or_its_clients_do_not_take_is_found(status: int, document: Document, says: str) -> None:
    assert says in str(list(ofrep_schema.problems(seen(status, document))))


def test_an_event_that_the_protocol_does_not_know_is_found() -> None:
    fine = 'id: 1\nevent: message\ndata: {"type": "refetchEvaluation", "etag": "a", "lastModified": 3}\n\n'
    assert list(ofrep_schema.problems_of_stream(f": hello\n\nretry: 1000\n\n{fine}")) == []
    assert list(ofrep_schema.problems_of_stream('id: 1\ndata: {"kind": "refetchEvaluation"}\n\n'))
    assert list(ofrep_schema.problems_of_stream(fine.replace("3}", "-3}")))
    assert list(ofrep_schema.problems_of_stream("event: message\nid: 1\n\n"))
