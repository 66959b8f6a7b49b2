"""A server with a flag of every kind, whose answers are held against OFREP's own description."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests import needs
from tests.clients_js.page import HTML, Application, opened, served
from tests.clients_js.toolchain import bundle
from tests.support.browser import FLAGS as SWITCHES
from tests.support.ofrep_server import OfrepServer, plain
from tests.support.world import World
from twokey.engine.flag import Clause, Flag, FlagType, Operator, Rollout, Rule, Serve, Variation

THEME = {"colour": "blue", "sizes": [1, 2.5], "deep": {"on": True, "none": None}}
STAFF = Rule(
    id="staff",
    clauses=(Clause(attribute="email", operator=Operator.ENDS_WITH, values=("@example.com",)),),
    serve=Serve(variation="staff"),
)


def flag(key: str, type: FlagType, *, visible: bool = True, serve: Serve | None = None, **values: object) -> Flag:
    """A flag whose first variation is its baseline, and served where nothing else is said."""
    first = next(iter(values))
    return Flag(
        key=key,
        type=type,
        enabled=key != "disabled",
        variations=tuple(Variation(key=name, value=value) for name, value in values.items()),
        baseline=first,
        otherwise=serve or Serve(variation=first),
        rules=(STAFF,) if "staff" in values else (),
        client_visible=visible,
    )


FLAGS = (
    flag("banner", FlagType.BOOLEAN, serve=Serve(variation="on"), off=False, on=True),
    flag("title", FlagType.STRING, everyone="Welcome", staff="Grüezi 😀"),
    flag("limit", FlagType.INTEGER, ten=10, twenty=20),
    flag("ratio", FlagType.NUMBER, half=0.5),
    flag("whole", FlagType.NUMBER, two=2),
    flag("theme", FlagType.OBJECT, blue=THEME),
    flag("disabled", FlagType.BOOLEAN, off=False, on=True),
    flag(
        "split",
        FlagType.STRING,
        a="A",
        b="B",
        serve=Serve(rollout=Rollout(weights=(("b", 100_000),))),
    ),
    flag("back-office", FlagType.BOOLEAN, on=True, visible=False),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfrepServer]:
    world = World(tmp_path_factory.mktemp("clients"), *(plain(each) for each in FLAGS))
    made = OfrepServer(world).start()
    yield made
    made.stop()
    world.close()


@pytest.fixture(autouse=True)
def _as_described(server: OfrepServer) -> Iterator[None]:
    yield
    server.watched.judge_streams()
    assert server.watched.problems == []


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the application's page comes from."""
    needs.chromium()
    folder = tmp_path_factory.mktemp("page")
    bundle(folder)
    (folder / "index.html").write_text(HTML, encoding="utf-8")
    with served(folder) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=str(needs.chromium()), args=SWITCHES)
        yield made
        made.close()


@pytest.fixture
def application(browser: Browser, origin: str, server: OfrepServer) -> Iterator[Application]:
    with opened(browser, origin, server) as made:
        yield made
