"""A real Prometheus answers the queries of guardrails; whatever it says else is a problem in words, never a pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.support.process import free_port
from tests.support.prometheus import PrometheusServer
from twokey.adapters.prometheus import Prometheus, placed
from twokey.domain.guardrail import Readings
from twokey.domain.telemetry import Scope, Window
from twokey.engine.errors import Invalid

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = Window(since=NOON - timedelta(minutes=10), until=NOON)
SCOPE = Scope(project="support", environment="production", flag="profile")


def samples(value: float) -> list[tuple[datetime, float]]:
    return [(NOON - timedelta(seconds=15 * back), value) for back in reversed(range(80))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    figures = {
        'errors{service="answers",environment="production"}': samples(3),
        'errors{service="search",environment="production"}': samples(4),
        'requests{service="answers",environment="production"}': samples(100),
        "broken": samples(float("nan")),
    }
    made = PrometheusServer(tmp_path_factory.mktemp("prometheus"), figures)
    yield made
    made.stop()


def ask(server: PrometheusServer, query: str, window: Window = HOUR) -> Readings:
    port = Prometheus({"": server.url})
    try:
        return port.read(SCOPE, query, window)
    finally:
        port.close()


def test_a_query_gives_one_reading_a_step(server: PrometheusServer) -> None:
    found = ask(server, 'errors{service="answers"} / requests')
    assert not found.problem
    assert found.step == timedelta(seconds=15)
    assert [each.value for each in found.values] == [0.03] * 41
    assert (found.values[0].at, found.values[-1].at) == (HOUR.since, HOUR.until)


def test_places_enter_a_query_as_text(server: PrometheusServer) -> None:
    assert ask(server, 'sum(errors{environment="$environment"})').values[0].value == 7
    evil = Scope(project='x"} or vector(0) or errors{a="', environment="e", flag="f")
    assert placed('up{a="$project"}', Scope(project='b"}', environment="e")) == 'up{a="b\\x22\\x7d"}'
    port = Prometheus({"": server.url})
    for quote in "\"'":
        found = port.read(evil, f"errors{{project={quote}$project{quote}}}", HOUR)
        assert (found.values, found.problem) == ((), "")
    port.close()


def test_what_is_no_single_figure_is_a_problem_that_says_what_to_do(server: PrometheusServer) -> None:
    assert ask(server, "errors").problem == ("its query gives 2 series; aggregate them to one, for instance with sum()")
    assert "parse error" in ask(server, "errors{").problem
    assert ask(server, "nobody_sends_this") == Readings()
    assert all(each.value != each.value for each in ask(server, "broken").values), "left to whoever judges"


def test_a_long_window_takes_wider_steps_and_not_more_readings(server: PrometheusServer) -> None:
    found = ask(server, "sum(requests)", Window(since=NOON - timedelta(days=1), until=NOON))
    assert found.step == timedelta(minutes=6)
    assert 0 < len(found.values) <= 241


def test_each_place_may_have_a_prometheus_of_its_own(server: PrometheusServer) -> None:
    elsewhere = Prometheus({"support/staging": server.url})
    assert elsewhere.read(SCOPE, "requests", HOUR).problem == "no Prometheus is known for support/production"
    staging = Scope(project="support", environment="staging")
    assert elsewhere.read(staging, "requests", HOUR).values
    elsewhere.close()


def test_one_that_is_gone_is_a_problem() -> None:
    port = Prometheus({"": f"http://127.0.0.1:{free_port()}"})
    assert port.read(SCOPE, "up", HOUR).problem == "Prometheus does not answer (ConnectError)"
    port.close()


@pytest.mark.parametrize("address", ["prometheus:9090", "ftp://metrics.test", "http://", "/var/lib"])
def test_what_is_no_address_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(Invalid, match="is no address"):
        Prometheus({"": address})


# ---------------------------------------------------------------- answers that no Prometheus gives


HOSTILE = {
    "html": (b"<html>sign in</html>", "text/html", "it answers 200"),
    "half": (b'{"status": "succ', "application/json", "no readings that can be understood"),
    "shape": (b'{"status": "success", "data": {"resultType": "vector", "result": []}}', "application/json", "no rea"),
    "number": (
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1e300,"1"]]}]}}',
        "application/json",
        "no readings that can be understood",
    ),
    "word": (
        b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"much"]]}]}}',
        "application/json",
        "no readings that can be understood",
    ),
    "long": (b" " * 1_500_000, "application/json", "longer than 1,000,000 bytes"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_stranger_on_its_port_is_a_problem_and_no_figure(case: str, tmp_path: Path) -> None:
    body, kind, problem = HOSTILE[case]

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(httpx.codes.OK)
            self.send_header("Content-Type", kind)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return  # it was hung up on: enough was heard

        def log_message(self, *said: object) -> None:
            """Say nothing."""

    stranger = HTTPServer(("127.0.0.1", 0), Stranger)
    Thread(target=stranger.serve_forever, daemon=True).start()
    port = Prometheus({"": f"http://127.0.0.1:{stranger.server_port}"})
    found = port.read(SCOPE, "up", HOUR)
    port.close()
    stranger.shutdown()
    stranger.server_close()
    assert problem in found.problem
    assert not found.values
