"""Whatever is sent to any address of the API, with or without a name: no crash, and no answer that is not described."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.attacks.attempts import REDUCE, applied, drafted
from tests.support.server import Doors, alertmanager_body
from tests.support.world import ENVIRONMENT, FLAG, PROJECT, World
from twokey.domain.identity import ActorKind, Scope

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
FEW = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """A house with a case, a proposal that waits, and a change: so that some of what is asked for is there."""
    world = World(tmp_path_factory.mktemp("api"))
    world.add_person("ada", "administrator", "security")
    drafted(world)
    applied(world, REDUCE)
    server = Doors(world)
    server.token(Scope.SIGNALS_WRITE).post("/signals/v1/alertmanager", json=alertmanager_body("LatencyHigh"))
    yield server
    world.close()


@pytest.fixture(scope="module")
def api(house: Doors) -> Any:
    found = schemathesis.openapi.from_asgi("/api/v1/openapi.json", house.app)
    return found.exclude(path="/api/v1/events")  # which does not end


class Caller:
    """Nobody, an administrator, or an agent: what each sends, and how they were answered."""

    def __init__(self, house: Doors, name: str) -> None:
        self.house, self.name, self.headers = house, name, dict[str, str]()
        self.answered: Counter[int] = Counter()
        if name == "agent":
            scopes = (Scope.FLAGS_READ, Scope.SIGNALS_READ, Scope.EVIDENCE_READ, Scope.PROPOSALS_WRITE)
            token = house.token(*scopes, kind=ActorKind.AGENT)
            self.headers = {"Authorization": str(token.headers["Authorization"])}

    def come_in(self) -> None:
        """Sign in anew, where that ended: one of the addresses does just that."""
        if self.name == "administrator":
            person = self.house.person("ada")
            cookie = "; ".join(f"{name}={value}" for name, value in person.cookies.items())
            self.headers = {"Cookie": cookie, "X-CSRF-Token": str(person.headers["X-CSRF-Token"])}

    def ask(self, case: Any) -> None:
        answer = case.call(headers=self.headers)
        self.answered[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)


def known(house: Doors, operation: Any) -> dict[str, str]:
    """What is there, for an address that asks for something by its name."""
    with house.world.store.read() as uow:
        kept = {
            "cases": uow.cases.where(limit=1), "proposals": uow.proposals.where(limit=1),
            "changes": uow.changes.where(limit=1),
        }  # fmt: skip
    kind = operation.path.split("/")[3]
    found = {"project": PROJECT, "environment": ENVIRONMENT, "key": FLAG, "username": "mara"}
    return found | ({"id": kept[kind][0].id} if kept.get(kind) else {})


def faults(operation: Any, caller: Caller) -> str:
    """What was wrong with the answers of one address; nothing where all were as described."""
    there = known(caller.house, operation)

    @FEW
    @given(case=operation.as_strategy(), real=st.booleans())
    def ask(case: Any, real: bool) -> None:
        if real:
            case.path_parameters = {
                name: there.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        caller.ask(case)

    caller.come_in()
    try:
        ask()
    except (FailureGroup, ExceptionGroup, AssertionError) as error:
        parts = getattr(error, "exceptions", [error])
        return f"{operation.label}: " + "; ".join(f"{type(each).__name__} {each}"[:600] for each in parts)
    return ""


@pytest.mark.parametrize("who", ["nobody", "administrator", "agent"])
def test_no_answer_is_a_crash_or_undescribed(house: Doors, api: Any, who: str) -> None:
    operations = [each.ok() for each in api.get_all_operations()]
    assert len(operations) > 70
    caller = Caller(house, who)
    found = [fault for each in operations if (fault := faults(each, caller))]
    assert found == [], "\n\n".join(found)
    good = sum(count for status, count in caller.answered.items() if status < 300)
    least = {"nobody": 1, "administrator": 80, "agent": 30}[who]
    assert good >= least, (caller.answered, "answers that say no to everything prove nothing")
