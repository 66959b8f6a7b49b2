"""A world for the command line: a small server that remembers what it was asked, and a terminal that answers."""

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import httpx

from tests.cli import views
from twokey.cli.main import run
from twokey.cli.runtime import Runtime

PASSWORDS = {"ines": "correct horse battery", "mona": "staple of mona 12"}
TOKEN = "twokey_agent-secret"
DEFAULT = "http://127.0.0.1:8080"


@dataclass
class Asked:
    """A request as it came in."""

    method: str
    path: str
    body: Any
    headers: httpx.Headers
    query: dict[str, str]
    raw: str = ""


@dataclass
class FakeServer:
    """Answers from canned views. It keeps the two rules that matter here: who is called, and fresh proof for keys."""

    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    sessions: dict[str, str] = field(default_factory=dict)
    opened: int = 0

    def on(self, method: str, path: str, answer: Any, status: int = 200) -> "FakeServer":
        """Answer so. A string is sent as text, bytes as lines, anything else as JSON."""
        self.answers[method, "/api/v1/" + path] = (status, answer)
        return self

    def moves(self) -> list[str]:
        """What was asked of it, in order."""
        return [f"{each.method} {each.path.removeprefix('/api/v1/')}" for each in self.asked]

    def body(self, ending: str) -> Any:
        """What was sent to the path that ends so."""
        return next(each.body for each in self.asked if each.path.endswith(ending) and each.method != "GET")

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        asked = Asked(
            request.method, request.url.path, body, request.headers, dict(request.url.params),
            request.url.raw_path.decode().partition("?")[0],
        )  # fmt: skip
        self.asked.append(asked)
        if asked.path == "/api/v1/session" and asked.method == "POST":
            return self._open(asked.body)
        who = self._who(asked)
        if who is None and "/invitations/" not in asked.path:
            return _json(401, views.problem(401, "Not signed in", "sign in, or send a bearer token"))
        if who is not None and asked.path == "/api/v1/session":
            return self._session(asked, who)
        if asked.path.rsplit("/", 1)[-1] in ("approve", "reject", "apply", "reverse") and not self._proven(asked, who):
            return _json(403, views.problem(403, "Refused", "this needs fresh proof that you are here"))
        status, answer = self.answers.get((asked.method, asked.path), (404, views.problem(404, "Not found", "nothing")))
        if isinstance(answer, str | bytes):
            return httpx.Response(status, content=answer, headers={"content-type": "text/plain"})
        return _json(status, answer)

    def _open(self, body: Any) -> httpx.Response:
        if PASSWORDS.get(body["username"]) != body["password"]:
            return _json(401, views.problem(401, "Not signed in", "username or password is wrong"))
        self.opened += 1
        secret = f"secret-{self.opened}"
        self.sessions[secret] = body["username"]
        cookie = f"twokey_session={secret}; HttpOnly; SameSite=Strict; Path=/"
        return httpx.Response(200, json=views.session(body["username"]), headers={"set-cookie": cookie})

    def _session(self, asked: Asked, who: str) -> httpx.Response:
        if asked.method == "DELETE":
            self.sessions = {secret: name for secret, name in self.sessions.items() if name != who}
            return httpx.Response(204)
        return _json(200, views.session(who))

    def _who(self, asked: Asked) -> str | None:
        if asked.headers.get("authorization") == f"Bearer {TOKEN}":
            return "agent"
        name, _, secret = asked.headers.get("cookie", "").partition("=")
        who = self.sessions.get(secret) if name == "twokey_session" else None
        right = asked.method == "GET" or asked.headers.get("x-csrf-token") == f"csrf-of-{who}"
        return who if right else None

    @staticmethod
    def _proven(asked: Asked, who: str | None) -> bool:
        return bool(asked.body) and who is not None and PASSWORDS.get(who) == asked.body.get("password")


@dataclass
class FakeTerminal:
    """A person who has thought of their answers; without any, nobody is there."""

    answers: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    piped: str = ""
    questions: list[str] = field(default_factory=list)
    attended: bool | None = None

    def is_attended(self) -> bool:
        return bool(self.answers or self.passwords) if self.attended is None else self.attended

    def ask(self, question: str) -> str:
        self.questions.append(question)
        return self.answers.pop(0)

    def ask_password(self, question: str) -> str:
        self.questions.append(question)
        return self.passwords.pop(0)

    def piped_line(self) -> str:
        line, _, self.piped = self.piped.partition("\n")
        return line

    def piped_text(self) -> str:
        return self.piped


@dataclass
class Result:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Person:
    """Somebody with a terminal, a home folder and a server."""

    home: Path
    server: FakeServer = field(default_factory=FakeServer)
    terminal: FakeTerminal = field(default_factory=FakeTerminal)
    env: dict[str, str] = field(default_factory=lambda: {"TWOKEY_TOKEN": TOKEN})

    def runs(self, *arguments: str) -> Result:
        """Run `twokey` with these arguments."""
        env = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state"), **self.env}
        world = Runtime(
            env=env, terminal=self.terminal, now=lambda: views.NOW, transport=httpx.MockTransport(self.server)
        )
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = run(arguments, world)
        return Result(code, out.getvalue(), err.getvalue())

    def files(self) -> Iterator[Path]:
        """Every file of theirs."""
        return (each for each in self.home.rglob("*") if each.is_file())


def _json(status: int, body: Any) -> httpx.Response:
    kind = "application/json" if status < 300 else "application/problem+json"
    return httpx.Response(status, content=json.dumps(body).encode(), headers={"content-type": kind})
