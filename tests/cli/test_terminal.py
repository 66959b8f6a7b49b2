"""A real terminal, a real process, a real socket: what a person types, and what the screen shows of it."""

import json
import os
import pty
import select
import signal
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.cli import views
from tests.cli.world import PASSWORDS, FakeServer

ID = "proposal-7k2m9qa3xv4b"
INTERRUPT = "\x03"


@pytest.fixture
def listening() -> Iterator[tuple[FakeServer, str]]:
    """The fake server, on a port of this machine."""
    fake = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            url = f"http://127.0.0.1{self.path}"
            response = fake(httpx.Request(self.command, url, headers=dict(self.headers), content=body))
            self.send_response(response.status_code)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield fake, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def at_the_terminal(arguments: list[str], env: dict[str, str], typed: list[tuple[str, str]]) -> tuple[int, str]:
    """Run `twokey` on a terminal of its own; type each answer when its question is on the screen.

    A signal that arrives just before Python waits for a key is seen with the next one: as a person would, Ctrl-C is
    pressed again where nothing happens.
    """
    child, screen = pty.fork()
    if child == 0:
        command = [sys.executable, "-m", "twokey.cli.main", *arguments]
        os.execve(sys.executable, command, env)
    shown, waiting, pressed = b"", list(typed), 0
    while True:
        if not select.select([screen], [], [], 10 if pressed or not waiting else 30)[0]:
            if not waiting and typed[-1][1] == INTERRUPT and pressed < 3:
                os.write(screen, INTERRUPT.encode())
                pressed += 1
            else:
                os.kill(child, signal.SIGKILL)
        try:
            read = os.read(screen, 4096)
        except OSError:
            break
        if not read:
            break
        shown += read
        if waiting and waiting[0][0].encode() in shown:
            os.write(screen, waiting.pop(0)[1].encode())
    _, status = os.waitpid(child, 0)
    os.close(screen)
    return os.waitstatus_to_exitcode(status), shown.decode()


def environment(home: Path, url: str) -> dict[str, str]:
    source = Path(__file__).parents[2] / "src"
    return {
        "HOME": str(home), "TWOKEY_URL": url, "TERM": "xterm", "COLUMNS": "80", "PATH": os.environ["PATH"],
        "PYTHONPATH": str(source), "LANG": "C.UTF-8",
    }  # fmt: skip


def test_a_key_turned_at_a_terminal(tmp_path: Path, listening: tuple[FakeServer, str]) -> None:
    fake, url = listening
    fake.on("GET", f"proposals/{ID}", views.proposal()).on("POST", f"proposals/{ID}/approve", views.applied())
    typed = [("Username:", "ines\n"), ("Password:", PASSWORDS["ines"] + "\n"), ("[y/N]", "y\n")]
    code, shown = at_the_terminal(["proposal", "approve", ID], environment(tmp_path, url), typed)
    assert code == 0, shown
    assert PASSWORDS["ines"] not in shown
    assert shown.index(views.DIGEST) < shown.index("[y/N]") < shown.index("is applied as")
    assert fake.moves()[-2:] == [f"POST proposals/{ID}/approve", "DELETE session"]


def test_walking_away_turns_nothing_and_signs_out(tmp_path: Path, listening: tuple[FakeServer, str]) -> None:
    fake, url = listening
    fake.on("GET", f"proposals/{ID}", views.proposal())
    typed = [("Username:", "ines\n"), ("Password:", PASSWORDS["ines"] + "\n"), ("[y/N]", INTERRUPT)]
    code, _ = at_the_terminal(["proposal", "approve", ID], environment(tmp_path, url), typed)
    assert code != 0
    assert fake.moves()[-1] == "DELETE session"
    assert not any(each.endswith("approve") for each in fake.moves())


def test_signing_in_keeps_no_password(tmp_path: Path, listening: tuple[FakeServer, str]) -> None:
    fake, url = listening
    typed = [("Username:", "ines\n"), ("Password:", PASSWORDS["ines"] + "\n")]
    code, shown = at_the_terminal(["login"], environment(tmp_path, url), typed)
    assert code == 0, shown
    (file,) = (each for each in tmp_path.rglob("*") if each.is_file())
    assert json.loads(file.read_text())[url]["username"] == "ines"
    assert PASSWORDS["ines"] not in file.read_text() + shown
    assert fake.opened == 1
