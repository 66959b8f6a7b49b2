"""What real clients make of a server that refuses: too many requests (429), and a page that may not ask.

Who is told to wait has asked once more than it may, and then asks no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.contrib.provider.ofrep import OFREPProvider
from playwright.sync_api import Browser

from tests.client.live import eventually
from tests.clients_js.conftest import FLAGS
from tests.clients_js.page import opened
from tests.clients_js.toolchain import NodeClient
from tests.support.ofrep_server import OfrepServer, plain
from tests.support.world import World
from twokey.domain.identity import Scope

Make = Callable[..., OfrepServer]


@pytest.fixture(autouse=True)
def _as_described() -> None:
    """`make` looks at the answers of its server."""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Starts a server with these options, whose answers are held against OFREP's own description."""
    with ExitStack() as stack:

        def made(**options: Any) -> OfrepServer:
            world = World(tmp_path, *(plain(each) for each in FLAGS))
            stack.callback(world.close)
            server = OfrepServer(world, **options).start()
            stack.callback(_as_it_should, server)
            stack.callback(server.stop)
            return server

        yield made


def _as_it_should(server: OfrepServer) -> None:
    server.watched.judge_streams()
    assert server.watched.problems == []


def test_node_waits_as_long_as_it_is_told(make: Make) -> None:
    server, node = make(per_minute=2), NodeClient()
    node.connect("busy", server.url, ("X-API-Key", server.token(Scope.FLAGS_EVALUATE)))
    answers = [node.details("busy", "boolean", "banner", False, targetingKey="u-1") for _ in range(6)]
    assert [each["value"] for each in answers] == [True, True, False, False, False, False]
    assert {each["errorCode"] for each in answers[2:]} == {"GENERAL"}
    assert "paused due to TooManyRequests" in answers[-1]["errorMessage"]
    assert [each.status for each in server.watched.asked("single")] == [200, 200, 429], (
        "it asked once, and then no more"
    )
    node.close()


def test_python_waits_as_long_as_it_is_told(make: Make) -> None:
    server = make(per_minute=2)
    key = server.token(Scope.FLAGS_EVALUATE)
    provider = OFREPProvider(server.url, headers_factory=lambda: {"X-API-Key": key})
    api.set_provider_and_wait(provider, "busy")
    client: OpenFeatureClient = api.get_client("busy")
    answers = [client.get_boolean_details("banner", False) for _ in range(6)]
    provider.session.close()
    api.clear_providers()
    assert [each.value for each in answers] == [True, True, False, False, False, False]
    assert [each.status for each in server.watched.asked("single")] == [200, 200, 429], (
        "it asked once, and then no more"
    )


def test_a_page_waits_as_long_as_it_is_told_and_keeps_what_it_has(make: Make, browser: Browser, origin: str) -> None:
    server = make(visible_per_minute=3)
    with opened(browser, origin, server) as application:
        key = server.token(Scope.FLAGS_EVALUATE_VISIBLE)
        application.connect(token=key, pollInterval=50, changeDetection="polling")
        eventually(lambda: application.heard("PROVIDER_STALE"), "the refusal")
        application.page.wait_for_timeout(400)
        assert [each.status for each in application.asked()] == [200, 304, 304, 429]
        assert application.value("title") == "Welcome"


def test_a_page_of_a_foreign_origin_gets_nothing(make: Make, browser: Browser, origin: str) -> None:
    server = make(origins=("https://app.example.com",))
    with opened(browser, origin, server) as application:
        assert application.connect()["status"] == "ERROR"
        assert application.details("boolean", "banner", False)["value"] is False
        assert application.asked() == [], "the browser did not even ask"
        (preflight,) = application.seen("OPTIONS")
        assert "access-control-allow-origin" not in preflight.headers


def test_a_page_of_a_named_origin_may_ask(make: Make, browser: Browser, origin: str) -> None:
    server = make(origins=("https://app.example.com", origin))
    with opened(browser, origin, server) as application:
        assert application.connect() == {"status": "READY"}
        eventually(application.streams, "the stream")
        for each in (*application.asked(), *application.streams()):
            assert each.headers["access-control-allow-origin"] == origin
            assert "origin" in each.headers["vary"].lower(), "no cache keeps it for another page"
