"""OpenFeature's scenarios, asked of a real server through the community's Python provider for OFREP.

Every answer is held against OFREP's own description on its way out. What the client cannot do is listed with its
reason; none of it is Twokey's to mend, save `OWN_METADATA`, which is meant.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from pytest_bdd import scenarios

from tests import needs
from tests.gherkin import translation
from tests.gherkin.conftest import OWN_METADATA
from tests.gherkin.suite import DOMAIN, Expected, bound, count, features
from tests.support.ofrep_server import OfrepServer, plain
from tests.support.process import free_port
from tests.support.world import World

scenarios(*features())
NO_STATUS = "the client has no initialisation and sends no events: it is READY from the start, and stays so"
KINDS = ("NOT_READY", "ERROR", "FATAL", "STALE")


class OverServer:
    """The provider over a server with the suite's flags."""

    expected = (
        *OWN_METADATA,
        Expected("Provider not ready error", NO_STATUS),
        Expected("Provider in fatal state error", NO_STATUS),
        *(Expected("Provider status accessibility", NO_STATUS, {"status_code": each}) for each in KINDS),
        Expected("CACHED reason", "the client caches nothing"),
        Expected(
            "Evaluation context immutability",
            "the client hands over the metadata as the plain dict that it read",
        ),
        Expected("Asynchronous flag evaluation", "the client's coroutines wait for the network in the event loop"),
        Expected("Type mismatch error", "to the client and to the SDK, a Python bool is an int", {"type": "Integer"}),
    )

    def __init__(self, server: OfrepServer) -> None:
        self.server = server
        self.token = server.token()

    def bind(self, status: str, stack: ExitStack) -> None:
        url = f"http://127.0.0.1:{free_port()}" if status in ("not ready", "error", "stale") else self.server.url
        token = "nobody's" if status == "fatal" else self.token
        made = OFREPProvider(url, headers_factory=lambda: {"Authorization": f"Bearer {token}"})
        stack.callback(made.session.close)
        api.set_provider_and_wait(made, DOMAIN)

    def context(self) -> dict[str, Any]:
        """As it arrived at the server."""
        return self.server.watched.asked("single")[-1].context()


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OverServer]:
    file = needs.shared("standards", "openfeature-gherkin", "test-flags.json")
    world = World(tmp_path_factory.mktemp("suite"), *(plain(each) for each in translation.flags(file)))
    server = OfrepServer(world).start()
    yield OverServer(server)
    server.stop()
    world.close()


@pytest.fixture(autouse=True)
def _as_described(subject: OverServer) -> Iterator[None]:
    yield
    assert subject.server.watched.problems == []


def test_every_scenario_of_the_suite_is_run() -> None:
    assert bound(sys.modules[__name__]) == count()
