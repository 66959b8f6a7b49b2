"""Tokens and people: secrets are shown once, and only where they were asked for."""

import pytest

from tests.cli import views
from tests.cli.world import FakeTerminal, Person
from twokey.cli.exits import Exit

PLACE = ("--project", "support", "--environment", "production")
GOOD = "a long enough password"


@pytest.fixture
def admin(ines: Person) -> Person:
    ines.server.on("POST", "tokens", views.token() | {"secret": "twokey_once"}, 201)
    ines.server.on("POST", "users", views.user(), 201)
    return ines


def test_a_token_s_secret_is_alone_on_standard_output(admin: Person) -> None:
    said = ("--kind", "agent", "--on-behalf-of", "mona", "--scope", "flags:read", "--scope", "proposals:write")
    ended = admin.runs("token", "create", "ops agent", *said, "--days", "7", *PLACE)
    assert ended.out == "twokey_once\n"
    assert "twokey_once" not in ended.err
    assert admin.server.body("tokens") == {
        "name": "ops agent", "kind": "agent", "scopes": ["flags:read", "proposals:write"], "project": "support",
        "environment": "production", "expires_in_days": 7, "on_behalf_of": "mona",
    }  # fmt: skip


def test_a_token_is_revoked_by_its_id(admin: Person) -> None:
    admin.server.on("DELETE", "tokens/token-1", {})
    ended = admin.runs("token", "revoke", "token-1", "--json")
    assert ended.json == {"id": "token-1", "revoked": True}
    assert admin.server.moves() == ["DELETE tokens/token-1"]


class TestUsers:
    NEW = ("user", "create", "mona", "--name", "Mona Berg", "--role", "support_ai_platform_owner")

    def test_a_password_is_typed_twice_and_printed_never(self, admin: Person) -> None:
        admin.terminal = FakeTerminal(passwords=[GOOD, GOOD])
        ended = admin.runs(*self.NEW)
        assert ended.code == 0
        assert GOOD not in ended.out + ended.err
        assert admin.server.body("users") == {
            "username": "mona", "name": "Mona Berg", "password": GOOD, "roles": ["support_ai_platform_owner"],
        }  # fmt: skip

    def test_two_that_differ_are_not_sent(self, admin: Person) -> None:
        admin.terminal = FakeTerminal(passwords=[GOOD, GOOD + "x"])
        assert admin.runs(*self.NEW).code == Exit.USAGE
        assert admin.server.asked == []

    def test_a_made_one_is_shown_once_and_long(self, admin: Person) -> None:
        ended = admin.runs(*self.NEW, "--generate")
        assert ended.out.strip() == admin.server.body("users")["password"]
        assert len(ended.out.strip()) >= 20
        assert admin.runs(*self.NEW, "--generate", "--json").json["password"] != ended.out.strip()

    def test_a_piped_one_is_not_printed(self, admin: Person) -> None:
        admin.terminal = FakeTerminal(piped=GOOD + "\n")
        ended = admin.runs(*self.NEW, "--password-stdin", "--json")
        assert admin.server.body("users")["password"] == GOOD
        assert GOOD not in ended.out + ended.err

    def test_nobody_to_ask_is_an_error(self, admin: Person) -> None:
        assert admin.runs(*self.NEW).code == Exit.USAGE
        assert admin.server.asked == []
