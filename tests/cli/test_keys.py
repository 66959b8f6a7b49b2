"""Turning a key. Whatever is stored on this machine, in its environment or in a pipe, a person has to be there."""

from typing import Any

import pytest

from tests.cli import views
from tests.cli.snapshot import assert_matches
from tests.cli.world import DEFAULT, PASSWORDS, TOKEN, FakeTerminal, Person
from twokey.cli.exits import Exit
from twokey.cli.sessions import Session, SessionFile

ID = "proposal-7k2m9qa3xv4b"
KEYS = {
    "approve": ("proposal", "approve", ID),
    "reject": ("proposal", "reject", ID, "--note", "too wide"),
    "apply": ("proposal", "apply", ID),
    "reverse": ("change", "reverse", "change-1"),
}
MOVING = ("/approve", "/reject", "/apply", "/reverse")


@pytest.fixture
def person(ines: Person) -> Person:
    """Ines, in front of a proposal that waits for her."""
    for move in ("approve", "reject", "apply"):
        ines.server.on("POST", f"proposals/{ID}/{move}", views.applied())
    ines.server.on("GET", f"proposals/{ID}", views.proposal())
    ines.server.on("GET", "changes/change-1", views.change())
    undone = {"change": "change-2", "proposal": None, "together": [], "sentence": "undone: the rollback narrows"}
    ines.server.on("POST", "changes/change-1/reverse", undone)
    ines.env = {}
    return ines


def answers(*more: str, password: str = PASSWORDS["ines"]) -> FakeTerminal:
    return FakeTerminal(["ines", *more], [password])


def turned(person: Person) -> list[str]:
    """The keys that the server was asked to turn."""
    return [each for each in person.server.moves() if each.endswith(MOVING)]


def test_a_person_reads_says_yes_and_is_signed_out(person: Person) -> None:
    person.terminal = answers("y")
    ended = person.runs("proposal", "approve", ID, "--note", "seen the chart")
    assert ended.code == 0
    assert person.server.moves() == [
        "POST session", f"GET proposals/{ID}", f"POST proposals/{ID}/approve", "DELETE session",
    ]  # fmt: skip
    sent = {"digest": views.DIGEST, "password": PASSWORDS["ines"], "note": "seen the chart"}
    assert person.server.body("approve") == sent
    assert person.server.sessions == {}
    assert_matches("approve", ended.err + ended.out)


def test_what_is_read_before_the_question_names_sentence_effect_and_digest(person: Person) -> None:
    person.terminal = answers("n")
    shown = person.runs("proposal", "approve", ID).err
    for each in ("remove rule pro-10", "narrows", views.DIGEST, "not joined to a variation"):
        assert each in shown


def test_a_person_who_asks_for_json_reads_it_all_the_same(person: Person) -> None:
    person.terminal = answers("y")
    ended = person.runs("proposal", "approve", ID, "--json")
    assert views.DIGEST in ended.err
    assert ended.json == views.applied()


@pytest.mark.parametrize("answer", ["", "n", "no", "yes please", "ja"])
def test_anything_but_yes_sends_nothing(person: Person, answer: str) -> None:
    person.terminal = answers(answer)
    ended = person.runs("proposal", "approve", ID)
    assert ended.code == Exit.REFUSED
    assert turned(person) == []
    assert person.server.sessions == {}


@pytest.mark.parametrize("move", KEYS)
def test_every_key_asks_for_the_password_and_sends_it_once(person: Person, move: str) -> None:
    person.terminal = answers("yes")
    assert person.runs(*KEYS[move]).code == 0
    assert person.terminal.questions[:2] == ["Username:", "Password:"]
    assert person.server.body(move)["password"] == PASSWORDS["ines"]
    assert person.server.moves()[-1] == "DELETE session"


class TestNothingStoredTurnsAKey:
    @pytest.fixture
    def laptop(self, person: Person) -> Person:
        """A laptop with everything on it that could be stored: a live session, a token, passwords in variables."""
        person.server.sessions["stolen"] = "ines"
        session = Session("ines", "twokey_session", "stolen", "csrf-of-ines", "2026-03-05T15:20:00Z")
        SessionFile(person.home / "state" / "twokey").keep(DEFAULT, session)
        stolen = dict.fromkeys(("TWOKEY_PASSWORD", "PASSWORD", "TWOKEY_SESSION"), PASSWORDS["ines"])
        person.env = {"TWOKEY_TOKEN": TOKEN, "TWOKEY_USERNAME": "ines", "USER": "ines", **stolen}
        return person

    @pytest.mark.parametrize("move", KEYS)
    def test_an_agent_without_a_person_gets_nowhere(self, laptop: Person, move: str) -> None:
        ended = laptop.runs(*KEYS[move])
        assert ended.code == Exit.USAGE
        assert "Nobody is at the terminal" in ended.err
        assert laptop.server.moves() == []

    @pytest.mark.parametrize("move", KEYS)
    def test_a_wrong_password_is_not_made_good_by_the_session(self, laptop: Person, move: str) -> None:
        laptop.terminal = answers("y", password="a guess")
        ended = laptop.runs(*KEYS[move])
        assert ended.code == Exit.NOT_SIGNED_IN
        assert laptop.server.moves() == ["POST session"]

    @pytest.mark.parametrize("move", KEYS)
    def test_neither_session_nor_token_travels_with_a_key(self, laptop: Person, move: str) -> None:
        laptop.terminal = answers("y")
        assert laptop.runs(*KEYS[move]).code == 0
        for asked in laptop.server.asked:
            assert "authorization" not in asked.headers
            assert "stolen" not in asked.headers.get("cookie", "")

    def test_a_yes_in_a_pipe_is_not_a_person(self, laptop: Person) -> None:
        laptop.terminal = FakeTerminal(piped="y\ny\n")
        assert laptop.runs("proposal", "approve", ID).code == Exit.USAGE
        assert laptop.server.moves() == []

    def test_the_server_too_refuses_a_session_without_the_password(self, laptop: Person) -> None:
        """The fake keeps the rule that the real one keeps, so the tests above mean something."""
        import httpx

        headers = {"Cookie": "twokey_session=stolen", "X-CSRF-Token": "csrf-of-ines"}
        with httpx.Client(transport=httpx.MockTransport(laptop.server), base_url=DEFAULT, headers=headers) as http:
            sent: dict[str, Any] = {"digest": views.DIGEST}
            assert http.post(f"/api/v1/proposals/{ID}/approve", json=sent).status_code == 403


class TestPasswordOnStandardInput:
    SCRIPT = ("proposal", "approve", ID, "--username", "ines", "--password-stdin")

    def test_a_script_names_the_digest_that_it_read(self, person: Person) -> None:
        person.terminal = FakeTerminal(piped=PASSWORDS["ines"] + "\n")
        ended = person.runs(*self.SCRIPT, "--digest", views.DIGEST, "--json")
        assert ended.code == 0
        assert ended.json["status"] == "applied"
        assert person.terminal.questions == []

    def test_without_a_digest_nothing_is_sent(self, person: Person) -> None:
        person.terminal = FakeTerminal(piped=PASSWORDS["ines"] + "\n")
        assert person.runs(*self.SCRIPT).code == Exit.USAGE
        assert person.server.moves() == []

    def test_another_digest_than_the_one_now_turns_nothing(self, person: Person) -> None:
        person.terminal = FakeTerminal(piped=PASSWORDS["ines"] + "\n")
        ended = person.runs(*self.SCRIPT, "--digest", "sha256:" + "00" * 32)
        assert ended.code == Exit.CONFLICT
        assert turned(person) == []
        assert person.server.sessions == {}

    def test_without_a_username_nothing_is_sent(self, person: Person) -> None:
        person.terminal = FakeTerminal(piped=PASSWORDS["ines"] + "\n")
        ended = person.runs("proposal", "approve", ID, "--password-stdin", "--digest", views.DIGEST)
        assert ended.code == Exit.USAGE
        assert person.server.moves() == []


def test_a_person_who_read_another_digest_is_stopped(person: Person) -> None:
    person.terminal = answers("y")
    assert person.runs("proposal", "approve", ID, "--digest", "sha256:old").code == Exit.CONFLICT
    assert turned(person) == []


def test_the_password_is_printed_nowhere_and_kept_in_no_file(person: Person) -> None:
    person.terminal = answers("y")
    ended = person.runs("proposal", "approve", ID)
    assert PASSWORDS["ines"] not in ended.out + ended.err
    assert list(person.files()) == []


def test_a_refusal_of_the_server_is_told_with_its_gate_and_still_signs_out(person: Person) -> None:
    gate = {"status": "waiting", "sentence": "waiting for release_manager", "rule": "reduce", "children": [
        {"status": "open", "sentence": "nobody rejected it", "rule": "veto"},
        {"status": "waiting", "sentence": "release_manager: waiting", "rule": "role"}]}  # fmt: skip
    refused = views.problem(403, "Refused", "the author never counts", gate=gate)
    person.server.on("POST", f"proposals/{ID}/approve", refused, status=403)
    person.terminal = answers("y")
    ended = person.runs("proposal", "approve", ID)
    assert ended.code == Exit.REFUSED
    assert "the author never counts" in ended.err
    assert "release_manager: waiting" in ended.err
    assert "nobody rejected it" not in ended.err
    assert person.server.moves()[-1] == "DELETE session"


def test_a_stale_proposal_is_a_conflict(person: Person) -> None:
    stale = views.problem(409, "What you relied on has moved", "the flag is at revision 19", remedy="draft it anew")
    person.server.on("POST", f"proposals/{ID}/approve", stale, status=409)
    person.terminal = answers("y")
    ended = person.runs("proposal", "approve", ID)
    assert ended.code == Exit.CONFLICT
    assert "draft it anew" in ended.err


def test_who_may_not_turn_it_reads_why_before_the_question(person: Person) -> None:
    person.server.on("GET", f"proposals/{ID}", views.proposal(may=[], why_not="you drafted it"))
    person.terminal = answers("n")
    assert "You: you drafted it" in person.runs("proposal", "approve", ID).err


def test_undoing_that_widens_becomes_a_proposal(person: Person) -> None:
    waits = {"change": None, "proposal": "proposal-2", "sentence": "it widens: proposal-2 waits for its own keys"}
    person.server.on("POST", "changes/change-1/reverse", waits)
    person.terminal = answers("y")
    ended = person.runs("change", "reverse", "change-1", "--way", "rollback")
    assert person.server.body("reverse")["way"] == "rollback"
    assert "serve baseline to everyone" in ended.err
    assert "proposal-2" in ended.out


def test_withdrawing_takes_no_key(person: Person) -> None:
    person.env = {"TWOKEY_TOKEN": TOKEN}
    person.server.on("POST", f"proposals/{ID}/withdraw", views.proposal(status="withdrawn"))
    assert person.runs("proposal", "withdraw", ID).out == f"{ID} is withdrawn.\n"
