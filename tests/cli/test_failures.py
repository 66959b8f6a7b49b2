"""When it does not work: the exit code, what happened, why, what to do."""

import httpx
import pytest

from tests.cli import views
from tests.cli.snapshot import assert_matches
from tests.cli.world import TOKEN, Person
from twokey.cli.exits import Exit

CODES = {
    400: Exit.USAGE, 401: Exit.NOT_SIGNED_IN, 403: Exit.REFUSED, 404: Exit.NOT_FOUND, 409: Exit.CONFLICT,
    412: Exit.CONFLICT, 413: Exit.USAGE, 422: Exit.USAGE, 429: Exit.ERROR, 500: Exit.ERROR, 503: Exit.UNREACHABLE,
}  # fmt: skip


@pytest.mark.parametrize("status", CODES)
def test_every_status_has_its_exit_code(ines: Person, status: int) -> None:
    ines.server.on("GET", "cases", views.problem(status, "It went wrong", "because of `x`"), status)
    ended = ines.runs("case", "list")
    assert (ended.code, ended.out) == (CODES[status], "")
    assert "Error: It went wrong" in ended.err
    assert "because of `x`" in ended.err


def test_a_machine_gets_the_same_as_json(ines: Person) -> None:
    body = views.problem(422, "The input is not valid", "is no scope", field="scopes", accepted="flags:read")
    ines.server.on("POST", "tokens", body, 422)
    place = ("--project", "support", "--environment", "production")
    ended = ines.runs("token", "create", "ci", "--scope", "all", *place, "--json")
    assert ended.json["error"]["exit"] == Exit.USAGE == ended.code
    assert ended.json["error"]["problem"]["field"] == "scopes"
    assert ended.json["error"]["remedy"] == "give flags:read"
    assert "Error:" in ended.err


def test_a_server_that_is_away_is_named(ines: Person) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    ines.server = away  # type: ignore[assignment]
    ended = ines.runs("case", "list")
    assert ended.code == Exit.UNREACHABLE
    assert_matches("unreachable", ended.err)


def test_a_slow_server_is_one_that_is_away(ines: Person) -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    ines.server = slow  # type: ignore[assignment]
    assert ines.runs("case", "list").code == Exit.UNREACHABLE


@pytest.mark.parametrize("status", [200, 404, 500])
def test_somebody_else_s_server_is_told_apart(ines: Person, status: int) -> None:
    ines.server.on("GET", "cases", "<html>hello</html>", status)
    ended = ines.runs("case", "list")
    assert ended.code == Exit.ERROR
    assert "is not a Twokey server" in ended.err
    assert "<html>" not in ended.err


def test_a_redirect_takes_no_credentials_elsewhere(ines: Person) -> None:
    seen = []

    def redirecting(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(307, headers={"location": "https://elsewhere.example/api/v1/cases"})

    ines.server = redirecting  # type: ignore[assignment]
    assert ines.runs("case", "list").code == Exit.ERROR
    assert len(seen) == 1


@pytest.mark.parametrize(
    "url",
    ["", "ftp://127.0.0.1", "127.0.0.1:8080", "http://", "http://ines:secret@127.0.0.1", "http://[::1", "http://a:b"],
)
def test_an_address_that_is_none_is_a_usage_error(ines: Person, url: str) -> None:
    ines.env |= {"TWOKEY_URL": url}
    ended = ines.runs("case", "list")
    assert ended.code == (Exit.NOT_FOUND if not url else Exit.USAGE)  # an empty one is the default one


class TestSecretsInTheClear:
    def test_a_token_is_not_sent_over_plain_http_to_another_machine(self, ines: Person) -> None:
        ines.env |= {"TWOKEY_URL": "http://twokey.example:8080"}
        ended = ines.runs("case", "list")
        assert ended.code == Exit.USAGE
        assert "in the clear" in ended.err
        assert ines.server.asked == []

    def test_a_password_is_not_even_asked_for(self, ines: Person) -> None:
        ines.env = {"TWOKEY_URL": "http://twokey.example:8080"}
        ines.terminal.attended = True
        assert ines.runs("login").code == Exit.USAGE
        assert ines.terminal.questions == []

    @pytest.mark.parametrize("url", ["https://twokey.example", "http://localhost:8080", "http://[::1]:8080"])
    def test_tls_and_this_machine_are_fine(self, ines: Person, url: str) -> None:
        ines.env |= {"TWOKEY_URL": url}
        ines.server.on("GET", "cases", [])
        assert ines.runs("case", "list").code == 0

    def test_a_network_can_be_said_to_be_trusted(self, ines: Person) -> None:
        ines.env |= {"TWOKEY_URL": "http://twokey:8080", "TWOKEY_INSECURE_HTTP": "1"}
        ines.server.on("GET", "cases", [])
        assert ines.runs("case", "list").code == 0


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_a_name_cannot_climb_out_of_its_path(ines: Person, name: str) -> None:
    assert ines.runs("case", "show", name).code == Exit.USAGE
    assert ines.server.asked == []


def test_a_name_with_a_slash_stays_one_part(ines: Person) -> None:
    ines.runs("case", "show", "../users")
    assert ines.server.asked[0].raw == "/api/v1/cases/..%2Fusers"


def test_a_token_with_a_line_break_makes_no_header(ines: Person) -> None:
    ines.env = {"TWOKEY_TOKEN": f"{TOKEN}\r\nX-Evil: 1"}
    assert ines.runs("case", "list").code == Exit.USAGE
    assert ines.server.asked == []


def test_an_answer_of_another_shape_is_one_sentence(ines: Person) -> None:
    ines.server.on("GET", "cases", [{"id": "case-1"}])
    ended = ines.runs("case", "list")
    assert ended.code == Exit.ERROR
    assert "Something unexpected" in ended.err
    assert "Traceback" not in ended.err


def test_nobody_signed_in_is_told_how(ines: Person) -> None:
    ines.env = {}
    ended = ines.runs("case", "list")
    assert ended.code == Exit.NOT_SIGNED_IN
    assert "twokey login" in ended.err
