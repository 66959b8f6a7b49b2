"""`twokey account` and `twokey accept`: one's own password, second factors and sessions."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from twokey.cli import options
from twokey.cli.commands.access import new_password
from twokey.cli.failures import usage
from twokey.cli.keys import Proof, present
from twokey.cli.output import answer, facts, heading, say, tell
from twokey.cli.runtime import runtime
from twokey.cli.server import Principal, check_channel, connect, path
from twokey.cli.times import stamp

app = typer.Typer(no_args_is_help=True, help="Your own password, second factors and sessions.")
totp = typer.Typer(no_args_is_help=True, help="An authenticator app: a second step at each sign-in, and a proof.")
app.add_typer(totp, name="totp")


def accept(
    link: Annotated[str, typer.Argument(help="The one-time link, or the secret in it.")],
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Choose your password by a one-time link. You are asked for it twice."""
    world = runtime()
    check_channel(world)
    secret = link.rpartition("#")[2]
    with connect(world, Principal()) as server:
        shown = server.post(path("invitations", "show"), {"secret": secret})
        if not json:
            tell(f"This link is for {shown['name']}, who signs in as `{shown['username']}`.")
        password = new_password(world, generate=False, password_stdin=password_stdin)
        server.send("POST", path("invitations", "accept"), body={"secret": secret, "password": password})
    if json:
        return answer(shown)
    return tell("Your password is set, and the link is used. Next: `twokey login`.")


@app.command("show")
def show(json: options.Json = False) -> None:
    """Show what you prove by."""
    with connect(runtime()) as server:
        view = server.get(path("account"))
    if json:
        return answer(view)
    passkeys = ", ".join(each["name"] for each in view["passkeys"]) or "none"
    return facts(
        [
            ("username", view["username"]),
            ("password", "set" if view["has_password"] else "none"),
            ("authenticator app", "in use" if view["totp"] else "none"),
            ("passkeys", passkeys),
            ("recovery codes", f"{view['recovery_codes']} left"),
        ]
    )


@app.command("password")
def password(username: options.Username = None, json: options.Json = False) -> None:
    """Change your password. All your other sessions end."""
    world = runtime()
    with present(world, Proof(username, password_stdin=False)) as person:
        chosen = new_password(world, generate=False, password_stdin=False)
        body = {"password": person.password, "new_password": chosen}
        person.server.send("POST", path("password"), body=body)
    if json:
        return answer({"changed": True})
    return tell("Your password is changed; all your other sessions have ended.")


@totp.command("add")
def add_totp(username: options.Username = None) -> None:
    """Add an authenticator app: read the picture with it, then type its first code."""
    world = runtime()
    if not world.terminal.is_attended():
        raise usage("Nobody is at the terminal", "run it in a terminal, or use the control room")
    with present(world, Proof(username, password_stdin=False)) as person:
        made = person.server.post(path("account", "totp"))
        _draw(made["address"])
        tell(f"Or type this secret into the app: {made['secret']}")
        code = world.terminal.ask("The code that the app shows now:")
        codes = person.server.post(path("account", "totp", "confirm"), {"code": code.replace(" ", "")})
    tell("The app is in use: each sign-in asks for its code.")
    _say_codes(codes)


@totp.command("remove")
def remove_totp(username: options.Username = None, json: options.Json = False) -> None:
    """Take the authenticator app out of use."""
    with present(runtime(), Proof(username, password_stdin=False)) as person:
        person.server.delete(path("account", "totp"))
    return answer({"removed": True}) if json else tell("The app is out of use.")


@app.command("recovery-codes")
def recovery_codes(username: options.Username = None, json: options.Json = False) -> None:
    """Make other recovery codes; the old ones are void."""
    with present(runtime(), Proof(username, password_stdin=False)) as person:
        codes = person.server.post(path("account", "recovery-codes"))
    return answer(codes) if json else _say_codes(codes)


@app.command("sessions")
def sessions(json: options.Json = False) -> None:
    """List the sessions that you have open."""
    with connect(runtime()) as server:
        rows = server.get(path("sessions"))
    if json:
        return answer(rows)
    for each in rows:
        heading(each["id"] + (" (this one)" if each["this"] else ""))
        facts([("with", each["label"]), ("last used", stamp(each["last_seen"])), ("until", stamp(each["expires_at"]))])
    return None


@app.command("end-session")
def end_session(
    id: Annotated[str, typer.Argument(help="The session's id; `all` for every one but this.")],
    json: options.Json = False,
) -> None:
    """End one of your sessions at once, or all but this."""
    with connect(runtime()) as server:
        server.delete(path("sessions") if id == "all" else path("sessions", id))
    return answer({"id": id, "ended": True}) if json else tell("Ended.")


def _say_codes(codes: dict[str, Any]) -> None:
    if codes["recovery_codes"]:
        tell("Recovery codes for the day when the app or the passkey is lost, each good once. Shown this once:")
        for each in codes["recovery_codes"]:
            say(each)


def _draw(address: str) -> None:
    """The QR code of an address, on standard error: it is for the person's eyes."""
    import sys

    import segno

    segno.make(address, error="m").terminal(out=sys.stderr, compact=True, border=2)


def register(root: typer.Typer) -> None:
    """Add the commands."""
    root.command("accept")(accept)
    root.add_typer(app, name="account")
