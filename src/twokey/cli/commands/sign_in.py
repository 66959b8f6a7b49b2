"""`twokey login`, `logout`, `whoami`: a session for reading and drafting. It turns no key."""

from __future__ import annotations

import typer

from twokey.cli import options
from twokey.cli.failures import Failure
from twokey.cli.keys import credentials, sign_in, sign_out
from twokey.cli.output import answer, facts, tell
from twokey.cli.runtime import runtime
from twokey.cli.server import by_session, connect, path
from twokey.cli.sessions import Session, SessionFile
from twokey.cli.times import stamp


def login(
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Sign in for reading and drafting. Turning a key asks for the password again, every time."""
    world = runtime()
    kept = SessionFile(world.state_folder)
    name, password = credentials(world, username, password_stdin=password_stdin)
    view, session = sign_in(world, name, password, piped=password_stdin)
    kept.keep(world.url, session)
    if json:
        return answer({key: value for key, value in view.items() if key != "csrf"})
    roles = ", ".join(view["roles"]) or "no roles"
    return tell(f"Signed in to {world.url} as {view['name']} ({roles}) until {stamp(view['expires_at'])}.")


def logout(json: options.Json = False) -> None:
    """Sign out, and forget the session."""
    world = runtime()
    kept = SessionFile(world.state_folder)
    session = kept.find(world.url)
    kept.forget(world.url)
    if session is not None:
        _end(session)
    if json:
        return answer({"signed_out": session is not None})
    return tell(f"Signed out of {world.url}." if session else f"There was no session with {world.url}.")


def whoami(json: options.Json = False) -> None:
    """Say who this terminal is."""
    world = runtime()
    if world.env.get("TWOKEY_TOKEN"):
        return answer({"token": True}) if json else tell(f"A bearer token, for {world.url}: TWOKEY_TOKEN is set.")
    with connect(world) as server:
        view = server.get(path("session"))
    if json:
        return answer({key: value for key, value in view.items() if key != "csrf"})
    return facts(
        [
            ("server", world.url),
            ("username", view["username"]),
            ("name", view["name"]),
            ("roles", ", ".join(view["roles"])),
            ("until", stamp(view["expires_at"])),
        ]
    )


def _end(session: Session) -> None:
    try:
        with connect(runtime(), by_session(session)) as server:
            sign_out(server)
    except Failure as failure:
        tell(f"Note: {failure.happened}; the session ends by itself.")


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command("login")(login)
    app.command("logout")(logout)
    app.command("whoami")(whoami)
