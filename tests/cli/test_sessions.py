"""`twokey login`: a session in one private file, for reading and drafting."""

import json
import stat

import pytest

from tests.cli import views
from tests.cli.world import PASSWORDS, TOKEN, FakeTerminal, Person
from twokey.cli.exits import Exit


@pytest.fixture
def signed_in(ines: Person) -> Person:
    ines.env = {}
    ines.terminal = FakeTerminal(["ines"], [PASSWORDS["ines"]])
    assert ines.runs("login").code == 0
    ines.server.on("GET", "cases", [views.case_row()])
    return ines


def test_the_session_is_kept_in_a_file_that_only_its_owner_reads(signed_in: Person) -> None:
    (file,) = signed_in.files()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert PASSWORDS["ines"] not in file.read_text()


def test_it_reads_and_drafts_without_asking_again(signed_in: Person) -> None:
    assert signed_in.runs("case", "list").code == 0
    signed_in.server.on(
        "POST", "cases/case-1/notes", {"at": "2026-03-05T03:20:00Z", "author": "ines", "text": "hm"}, 201
    )
    assert signed_in.runs("case", "note", "case-1", "hm").code == 0
    assert signed_in.server.asked[-1].headers["x-csrf-token"] == "csrf-of-ines"


def test_a_file_that_others_can_read_is_not_used(signed_in: Person) -> None:
    (file,) = signed_in.files()
    file.chmod(0o644)
    before = len(signed_in.server.asked)
    ended = signed_in.runs("case", "list")
    assert ended.code == Exit.NOT_SIGNED_IN
    assert "others can read it" in ended.err
    assert len(signed_in.server.asked) == before


def test_a_broken_file_is_as_good_as_none(signed_in: Person) -> None:
    (file,) = signed_in.files()
    file.write_text('{"http://127.0.0.1:8080": {"nonsense": 1}}')
    assert signed_in.runs("case", "list").code == Exit.NOT_SIGNED_IN
    file.write_bytes(b"\xff\x00")
    assert signed_in.runs("case", "list").code == Exit.NOT_SIGNED_IN


def test_the_session_goes_to_its_own_server_only(signed_in: Person) -> None:
    signed_in.env = {"TWOKEY_URL": "http://127.0.0.1:9999"}
    assert signed_in.runs("case", "list").code == Exit.NOT_SIGNED_IN
    assert "cookie" not in signed_in.server.asked[-1].headers


def test_signing_out_ends_it_here_and_there(signed_in: Person) -> None:
    assert signed_in.runs("logout").code == 0
    assert signed_in.server.sessions == {}
    assert list(signed_in.files()) == []
    assert signed_in.runs("case", "list").code == Exit.NOT_SIGNED_IN


def test_signing_out_works_while_the_server_is_away(signed_in: Person) -> None:
    signed_in.server.sessions = {}
    ended = signed_in.runs("logout")
    assert ended.code == 0
    assert "ends by itself" in ended.err
    assert list(signed_in.files()) == []


def test_signing_out_twice_is_no_error(signed_in: Person) -> None:
    signed_in.runs("logout")
    ended = signed_in.runs("logout", "--json")
    assert (ended.code, ended.json) == (0, {"signed_out": False})


def test_who_am_i(signed_in: Person) -> None:
    assert signed_in.runs("whoami", "--json").json["username"] == "ines"
    assert "Ines Ruiz" in signed_in.runs("whoami").out
    signed_in.env = {"TWOKEY_TOKEN": TOKEN}
    assert "TWOKEY_TOKEN" in signed_in.runs("whoami").err


def test_json_tells_who_signed_in_and_no_secret(ines: Person) -> None:
    ines.env = {}
    ines.terminal = FakeTerminal(piped=PASSWORDS["ines"])
    shown = ines.runs("login", "--username", "ines", "--password-stdin", "--json")
    assert shown.json["username"] == "ines"
    for secret in ("csrf-of-ines", "secret-1", PASSWORDS["ines"]):
        assert secret not in shown.out + shown.err


def test_a_wrong_password_keeps_nothing(ines: Person) -> None:
    ines.env = {}
    ines.terminal = FakeTerminal(["ines"], ["a guess"])
    assert ines.runs("login").code == Exit.NOT_SIGNED_IN
    assert list(ines.files()) == []


def test_sessions_with_two_servers_live_side_by_side(signed_in: Person) -> None:
    signed_in.env = {"TWOKEY_URL": "http://127.0.0.1:9999"}
    signed_in.terminal = FakeTerminal(["mona"], [PASSWORDS["mona"]])
    signed_in.runs("login")
    (file,) = signed_in.files()
    assert len(json.loads(file.read_text())) == 2
    signed_in.runs("logout")
    signed_in.env = {}
    assert signed_in.runs("case", "list").code == 0
