"""Turning a key: the one thing that no stored credential can do.

Rules this module keeps:

- Whoever turns a key is asked for username and password now. Neither the session of `twokey login` nor TWOKEY_TOKEN is
  read here, and there is no option or variable that holds a password.
- The person signs in afresh, sees what the key is turned for, is asked, and is signed out again, whatever happens.
- A script that passes a password on standard input must name the digest that was read; another one is not approved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twokey.cli.exits import Exit
from twokey.cli.failures import Failure, usage
from twokey.cli.output import tell
from twokey.cli.proving import second_step
from twokey.cli.runtime import Runtime
from twokey.cli.server import Principal, Server, by_session, check_channel, connect, path
from twokey.cli.sessions import Session

if TYPE_CHECKING:
    import httpx


SECOND_OWED = 202


@dataclass(frozen=True)
class Proof:
    """How a person shows that they are here: by answering, or (for scripts) by standard input."""

    username: str | None
    password_stdin: bool
    digest: str | None = None


@dataclass(frozen=True)
class Present:
    """A person who has just signed in. The password is held as long as the command runs, and nowhere else."""

    server: Server
    session: Mapping[str, Any]
    password: str

    def turn(self, address: str, body: Mapping[str, Any]) -> Any:
        """The call that needs the person: sent with the password."""
        return self.server.post(address, {**body, "password": self.password})


@contextmanager
def present(world: Runtime, proof: Proof) -> Iterator[Present]:
    """Sign in afresh; sign out when the block ends."""
    username, password = credentials(world, proof.username, password_stdin=proof.password_stdin)
    view, session = sign_in(world, username, password, piped=proof.password_stdin)
    with connect(world, by_session(session)) as server:
        try:
            yield Present(server, view, password)
        finally:
            sign_out(server)


def credentials(world: Runtime, username: str | None, *, password_stdin: bool) -> tuple[str, str]:
    """Username and password, from the person at the terminal or, where asked for, from standard input."""
    check_channel(world)
    terminal = world.terminal
    if password_stdin:
        if not username:
            raise usage("No username was given", "add `--username NAME` beside --password-stdin")
        return username, terminal.piped_line()
    if not terminal.is_attended():
        raise usage(
            "Nobody is at the terminal to be asked for a password",
            "run it in a terminal; a script passes --username, --password-stdin and --digest",
            "a key is turned by a person who is present, never by what is stored",
        )
    return username or terminal.ask("Username:"), terminal.ask_password("Password:")


def sign_in(world: Runtime, username: str, password: str, *, piped: bool) -> tuple[Mapping[str, Any], Session]:
    """Open a session; where a second factor is owed, ask for it. Raises Failure where one of them is wrong."""
    with connect(world, Principal()) as server:
        response = _open(server, {"username": username, "password": password})
        if response.status_code == SECOND_OWED:
            response = second_step(world, server, response.json(), piped=piped)
        view = response.json()
        found = [(name, value) for name, value in response.cookies.items() if name.endswith("twokey_session")]
    if not found:
        raise Failure(Exit.ERROR, "The server opened no session", "its answer has no session cookie")
    name, cookie = found[0]
    return view, Session(view["username"], name, cookie, view["csrf"], view["expires_at"])


def _open(server: Server, body: Mapping[str, str]) -> httpx.Response:
    try:
        return server.send("POST", path("session"), body=body)
    except Failure as failure:
        if failure.exit is Exit.NOT_SIGNED_IN:
            failure.remedy = "try again; after ten wrong passwords the server lets a minute pass"
        raise


def sign_out(server: Server) -> None:
    """End the session. That it could not be ended is said, and changes nothing else."""
    try:
        server.delete(path("session"))
    except Failure as failure:
        tell(f"Note: the session could not be ended ({failure.happened}); it ends by itself.")


def confirm(world: Runtime, question: str, proof: Proof, digest: str | None) -> None:
    """Go on only if the person says yes, or the script named this very digest."""
    if proof.digest is not None and digest is not None and proof.digest != digest:
        raise Failure(
            Exit.CONFLICT, f"The digest is {digest}, not {proof.digest}", "it is not the one that you read",
            "read it again, and decide on what it says now",
        )  # fmt: skip
    if proof.password_stdin:
        return
    if world.terminal.ask(question + " [y/N]").strip().lower() not in {"y", "yes"}:
        raise Failure(Exit.REFUSED, "Nothing was sent", "you did not say yes")


def require_digest(proof: Proof) -> None:
    """A script must name what it read. Raises Failure where it does not."""
    if proof.password_stdin and not proof.digest:
        raise usage(
            "No digest was given", "add `--digest sha256:...` as `twokey proposal show ID --json` gave it",
            "a script has to name what it read: nobody looks at it before the key is turned",
        )  # fmt: skip
