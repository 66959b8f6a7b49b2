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
    ines.server.on("POST", "users", views.user() | {"invitation": None}, 201)
    ines.server.on("POST", "invitations/show", {"username": "ines", "name": "Ines Ruiz"})
    ines.server.on("POST", "invitations/accept", {}, 204)
    return ines


def test_a_token_s_secret_is_alone_on_standard_output(admin: Person) -> None:
    said = ("--kind", "agent", "--on-behalf-of", "mona", "--scope", "flags:read", "--scope", "proposals:write")
    ended = admin.runs("token", "create", "ops agent", *said, "--days", "7", *PLACE)
    assert ended.out == "twokey_once\n"
    assert "twokey_once" not in ended.err
    assert admin.server.body("tokens") == {
        "name": "ops agent", "kind": "agent", "scopes": ["flags:read", "proposals:write"], "project": "support",
        "environment": "production", "expires_in_days": 7, "on_behalf_of": "mona", "flags": [],
    }  # fmt: skip


def test_a_token_is_revoked_by_its_id(admin: Person) -> None:
    admin.server.on("DELETE", "tokens/token-1", {})
    ended = admin.runs("token", "revoke", "token-1", "--json")
    assert ended.json == {"id": "token-1", "revoked": True}
    assert admin.server.moves() == ["DELETE tokens/token-1"]


class TestUsers:
    NEW = ("user", "create", "mona", "--name", "Mona Berg", "--role", "support_ai_platform_owner")

    def test_a_link_is_printed_alone_and_no_password_is_sent(self, admin: Person) -> None:
        admin.server.on("POST", "users", views.user() | {"invitation": "invitation_once"}, 201)
        ended = admin.runs(*self.NEW)
        assert ended.out == "http://127.0.0.1:8080/invitation#invitation_once\n"
        assert "invitation_once" not in ended.err
        assert admin.server.body("users") == {
            "username": "mona", "name": "Mona Berg", "password": None, "roles": ["support_ai_platform_owner"],
        }  # fmt: skip

    def test_where_the_session_is_no_recent_proof_the_person_is_asked(self, admin: Person) -> None:
        needed = views.problem(403, "Prove that you are here", "fresh proof") | {
            "type": "urn:twokey:problem:proof-needed"
        }
        admin.server.on("POST", "users", needed, 403)
        assert admin.runs(*self.NEW).code == Exit.REFUSED
        admin.terminal = FakeTerminal(passwords=["123 456"])
        admin.server.on("POST", "session/proof", {}, 204)
        assert admin.runs(*self.NEW).code == Exit.REFUSED, "the fake server goes on to refuse"
        assert admin.server.body("session/proof") == {"code": "123456"}

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


class TestLinks:
    LINK = ("accept", "https://twokey.example/invitation#invitation_once")

    def test_a_password_is_typed_twice_and_printed_never(self, admin: Person) -> None:
        admin.terminal = FakeTerminal(passwords=[GOOD, GOOD])
        ended = admin.runs(*self.LINK)
        assert ended.code == 0, ended.err
        assert GOOD not in ended.out + ended.err
        assert admin.server.body("invitations/accept") == {"secret": "invitation_once", "password": GOOD}

    def test_two_that_differ_are_not_sent(self, admin: Person) -> None:
        admin.terminal = FakeTerminal(passwords=[GOOD, GOOD + "x"])
        assert admin.runs(*self.LINK).code == Exit.USAGE
        assert "POST invitations/accept" not in admin.server.moves()

    def test_nobody_to_ask_is_an_error(self, admin: Person) -> None:
        assert admin.runs(*self.LINK).code == Exit.USAGE
        assert "POST invitations/accept" not in admin.server.moves()
