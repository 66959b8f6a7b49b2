"""The command line against the real server: one story, from an empty folder to a log that verifies without it."""

import json
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from threading import Thread

import pyotp
import pytest

from tests.cli.world import FakeTerminal, Result
from tests.support.process import free_port
from twokey.cli.exits import Exit
from twokey.cli.main import run
from twokey.cli.runtime import Runtime

PASSWORD = "a long enough password"
CONTROL = {
    "flag": {
        "key": "answer_profile", "type": "string", "enabled": True, "baseline": "baseline", "unit": "conversation",
        "variations": [{"key": "baseline", "value": "baseline"}, {"key": "reranker_v2", "value": "reranker_v2"}],
        "rules": [
            {"id": "pro-10", "clauses": [{"attribute": "plan", "operator": "in", "values": ["pro"]}],
             "serve": {"rollout": {"weights": [["reranker_v2", 10000], ["baseline", 90000]]}}}
        ],
        "otherwise": {"variation": "baseline"},
    },
    "owner": "support-ai", "purpose": "how answers are found", "surface": "retrieval", "kind": "permanent",
    "permanent_because": "it is a mode", "approvers": ["platform_owner"], "caution": ["baseline", "reranker_v2"],
}  # fmt: skip
DRAFT = """
reason: latency guardrail breached for the candidate cohort
operations:
  - {op: remove_rule, flag: answer_profile, rule: pro-10}
"""


class House:
    """A folder, a port, and the people who use them."""

    def __init__(self, home: Path) -> None:
        self.home, self.data = home, home / "data"
        self.port = free_port()

    def runs(self, *arguments: str, as_: str = "admin", terminal: FakeTerminal | None = None) -> Result:
        env = {"TWOKEY_URL": f"http://127.0.0.1:{self.port}", "XDG_STATE_HOME": str(self.home / as_)}
        world = Runtime(env=env, terminal=terminal or FakeTerminal())
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(arguments, world)
        return Result(code, out.getvalue(), err.getvalue())

    def done(self, *arguments: str, as_: str = "admin", terminal: FakeTerminal | None = None) -> Result:
        ended = self.runs(*arguments, as_=as_, terminal=terminal)
        assert ended.code == 0, ended.err
        return ended


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    uvicorn = pytest.importorskip("uvicorn")
    from twokey import wiring
    from twokey.settings import Settings

    house = House(tmp_path)
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"format": "twokey-state/1", "controls": [CONTROL]}))
    setting_up = ("init", "--project", "support", "--environment", "production", "--from", str(state))
    link = house.done(*setting_up, "--data", str(house.data), terminal=FakeTerminal(["admin"])).out.split()[-1]
    server = wiring.build(Settings(data=house.data, port=house.port))
    web = uvicorn.Server(uvicorn.Config(server.app, host="127.0.0.1", port=house.port, log_level="error"))
    thread = Thread(target=web.run, daemon=True)
    thread.start()
    server.start()
    while not web.started and thread.is_alive():
        time.sleep(0.02)
    house.done("accept", link, terminal=FakeTerminal(passwords=[PASSWORD] * 2))
    yield house
    web.should_exit = True
    thread.join(10)
    server.stop()


def person(username: str) -> FakeTerminal:
    return FakeTerminal([username, "y"], [PASSWORD])


def test_from_an_empty_folder_to_a_change_that_was_undone(house: House) -> None:
    house.done("login", terminal=person("admin"))
    for username, role in (("ines", "release_manager"), ("mona", "platform_owner")):
        new = ("user", "create", username, "--name", username.title(), "--role", role)
        link = house.done(*new).out.strip()
        house.done("accept", link, as_=username, terminal=FakeTerminal(passwords=[PASSWORD] * 2))
    assert "10 %" in house.done("flag", "list").out

    drafted = house.done("proposal", "draft", "-", "--json", terminal=FakeTerminal(piped=DRAFT)).json
    assert (drafted["effect"], drafted["status"]) == ("narrows", "pending")
    proposal = drafted["id"]
    assert "current_control: answer_profile" in house.done("proposal", "show", proposal, "--yaml").out
    assert house.done("proposal", "show", proposal).out

    refused = house.runs("proposal", "approve", proposal, terminal=person("admin"))
    assert refused.code == Exit.REFUSED, "the author never counts"
    assert house.runs("proposal", "approve", proposal).code == Exit.USAGE, "a live session is no person"
    first = house.done("proposal", "approve", proposal, as_="ines", terminal=person("ines"))
    assert "waiting for platform_owner" in first.out
    second = house.done("proposal", "approve", proposal, "--json", as_="mona", terminal=person("mona")).json
    assert second["status"] == "applied"

    change = house.done("change", "list", "--json").json[0]["id"]
    assert house.done("change", "show", change).out
    undone = house.done("change", "reverse", change, "--json", terminal=person("ines")).json
    assert undone["change"] is None, "putting the rollout back widens: it waits for keys of its own"
    assert undone["proposal"] in house.done("proposal", "list").out

    assert house.done("flag", "show", "answer_profile").out
    explained = house.done("flag", "explain", "answer_profile", "--set", "plan=pro", "--json").json
    assert explained["variation"] == "baseline"

    assert house.done("audit", "verify", "--json").json["ok"] is True
    file = house.home / "audit.ndjson"
    house.done("audit", "export", "-o", str(file))
    head = house.done("audit", "verify", "--offline", "--export", str(file), "--json").json["head"]
    online = house.done("audit", "state", "--json").json
    assert online["agrees"] is True
    offline = house.done("audit", "state", "--export", str(file), "--json").json
    assert (offline["revision"], offline["digest"]) == (online["revision"], online["digest"])
    then = house.home / "then.json"
    house.done("audit", "state", "--export", str(file), "--revision", "1", "-o", str(then))
    assert house.done("snapshot", "validate", str(then), "--json").json["revision"] == 1
    assert house.runs("audit", "state", "--revision", "99").code != 0
    database = f"sqlite:///{house.data / 'twokey.db'}"
    house.done("audit", "verify", "--offline", "--database", database, "--head", head)
    house.done("logout")
    assert house.runs("case", "list").code == Exit.NOT_SIGNED_IN


class Phone(FakeTerminal):
    """Somebody with an authenticator app, who types its present code."""

    secret = ""
    used = ""

    def code(self) -> str:
        now = int(time.time())
        fresh = next(code for step in (0, 30) if (code := pyotp.TOTP(self.secret).at(now + step)) != Phone.used)
        Phone.used = fresh
        return fresh

    def ask(self, question: str) -> str:
        return self.code() if "code" in question else super().ask(question)

    def ask_password(self, question: str) -> str:
        return self.code() if "ode of your" in question else super().ask_password(question)


def test_a_second_factor_is_added_asked_for_and_survived(
    house: House, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    phone = Phone(["admin"], [PASSWORD], attended=True)
    keep_totp(monkeypatch, phone)
    codes = house.done("account", "totp", "add", terminal=phone).out.split()
    assert len(codes) == 10
    assert house.runs("login", terminal=FakeTerminal(["admin"], [PASSWORD, ""])).code == Exit.NOT_SIGNED_IN
    again = Phone(["admin"], [PASSWORD])
    again.secret = phone.secret
    house.done("login", terminal=again)
    house.done("login", terminal=FakeTerminal(["admin"], [PASSWORD, codes[0]]))
    shown = house.done("account", "show", "--json").json
    assert (shown["totp"], shown["recovery_codes"]) == (True, 9)
    house.done(
        "login", "--username", "admin", "--password-stdin", terminal=FakeTerminal(piped=f"{PASSWORD}\n{codes[1]}\n")
    )
    assert len(house.done("account", "sessions", "--json").json) == 3


def keep_totp(monkeypatch: pytest.MonkeyPatch, phone: Phone) -> None:
    """Read the picture with the phone."""

    def read(address: str) -> None:
        phone.secret = address.partition("secret=")[2].partition("&")[0]

    monkeypatch.setattr("twokey.cli.commands.account._draw", read)


def test_access_is_governed_and_glass_is_broken_from_the_terminal(house: House) -> None:
    house.done("login", terminal=person("admin"))
    for username in ("sefa", "mona"):
        link = house.done("user", "create", username, "--name", username.title()).out.strip()
        house.done("accept", link, as_=username, terminal=FakeTerminal(passwords=[PASSWORD] * 2))
    why = ("--reason", "she is on call")
    alone = house.done("access", "grant", "sefa", "security", *why, terminal=person("admin"))
    assert "is applied" in alone.out, "until there are two, the first acts alone"
    file = house.home / "edits.yaml"
    edits = [
        f"  - {{edit: grant_role, person: mona, grant: {role}}}" for role in ("release_manager@support", "break_glass")
    ]
    file.write_text("\n".join(["edits:", *edits]))
    by_script = ("--username", "admin", "--password-stdin", "--json")
    piped = FakeTerminal(piped=PASSWORD + "\n")
    waiting = house.done("access", "propose", str(file), *why, *by_script, terminal=piped)
    proposal = waiting.json
    assert proposal["status"] == "pending"
    assert "give mona the role `release_manager@support`" in proposal["says"]
    refused = house.runs("access", "approve", proposal["id"], terminal=person("admin"))
    assert refused.code == Exit.REFUSED, "the author never counts"
    assert house.runs("access", "approve", proposal["id"]).code == Exit.USAGE, "a live session is no person"
    agreed = house.done("access", "approve", proposal["id"], as_="sefa", terminal=person("sefa"))
    assert "is applied" in agreed.out
    assert "release_manager@support" in house.done("access", "show").out
    assert proposal["id"] in house.done("access", "list").out
    assert "she is on call" in house.done("access", "proposal", proposal["id"]).out
    assert "No standing orders" in house.done("order", "list").err

    drafted = house.done("proposal", "draft", "-", "--json", terminal=FakeTerminal(piped=DRAFT)).json["id"]
    supposed = house.done("proposal", "gate", drafted, "--approves", "mona", "--approves", "role:platform_owner")
    assert "If mona and role:platform_owner approved now" in supposed.out

    broken = ("break-glass", "answer_profile", "--reason", "answers are wrong")
    assert house.runs(*broken, terminal=FakeTerminal(["mona", "n"], [PASSWORD])).code == Exit.REFUSED
    review = house.done(*broken, "--json", as_="mona", terminal=person("mona")).json
    assert review["status"] == "open"
    assert "open until" in house.done("review", "list").out
    closing = ("review", "close", review["id"], "--found", "justified", "--note", "they were")
    assert house.runs(*closing, as_="mona", terminal=person("mona")).code == Exit.REFUSED, (
        "not by the person it is about"
    )
    assert "closed: justified" in house.done(*closing, as_="sefa", terminal=person("sefa")).out
    assert review["id"] in house.done("review", "list", "--status", "closed").out
    erased = house.done("audit", "erase", "mona", "--reason", "asked for", as_="sefa", terminal=person("sefa"))
    assert "The log verifies" in erased.out + erased.err
    assert house.done("audit", "verify", "--json").json["ok"] is True
