"""`twokey serve`, `init`, `demo`: the commands that run on the server's own machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twokey.cli import options
from twokey.cli.failures import usage
from twokey.cli.output import answer, facts, heading, say, tell
from twokey.cli.runtime import Runtime, runtime


def serve(
    data: options.Data = Path("twokey-data"),
    database: options.Database = "",
    host: Annotated[str, typer.Option(envvar="TWOKEY_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="TWOKEY_PORT", min=0, max=65535, help="Port to listen on.")] = 8080,
    workers: Annotated[int, typer.Option(envvar="TWOKEY_WORKERS", min=0, help="Threads that do the jobs.")] = 1,
    secure_cookies: Annotated[
        bool, typer.Option("--secure-cookies", envvar="TWOKEY_SECURE_COOKIES", help="Behind TLS: cookies by TLS only.")
    ] = False,
    proxy: Annotated[
        list[str] | None,
        typer.Option(envvar="TWOKEY_PROXIES", help="A reverse proxy that is believed, repeatable. [default: none]"),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(envvar="TWOKEY_ORIGINS", help="A web origin whose pages may evaluate, repeatable. [default: any]"),
    ] = None,
    evaluations: Annotated[
        int, typer.Option(envvar="TWOKEY_EVALUATIONS", min=1, help="Evaluation requests a minute for each token.")
    ] = 3_000_000,
    visible_evaluations: Annotated[
        int,
        typer.Option(
            envvar="TWOKEY_VISIBLE_EVALUATIONS", min=1, help="The same for each address that comes with a client key."
        ),
    ] = 6_000,
    record_evaluations: Annotated[
        bool,
        typer.Option(
            "--record-evaluations", envvar="TWOKEY_RECORD_EVALUATIONS", help="Keep what OFREP served as exposures."
        ),
    ] = False,
) -> None:
    """Run the server: control room, API, signals, evaluation, jobs."""
    from twokey.cli.local import Listening, Where
    from twokey.cli.local import serve as run

    listening = Listening(
        host=host,
        port=port,
        workers=workers,
        secure_cookies=secure_cookies,
        proxies=tuple(proxy or ()),
        origins=tuple(origin or ("*",)),
        evaluations=evaluations,
        visible_evaluations=visible_evaluations,
        record_evaluations=record_evaluations,
    )
    run(Where(data, database), listening)


def init(
    project: Annotated[str, typer.Option(help="The first project.")],
    environment: Annotated[str, typer.Option(help="Its first environment.")],
    approver: Annotated[
        list[str] | None, typer.Option(help="A role that must agree to changes, repeatable. [default: release_manager]")
    ] = None,
    from_: Annotated[str, typer.Option("--from", help="A file with its first flags: a snapshot or a state.")] = "",
    username: Annotated[str, typer.Option(help="The first administrator. [default: you are asked]")] = "",
    name: Annotated[str, typer.Option(help="What people call them. [default: the username]")] = "",
    generate: Annotated[bool, typer.Option("--generate", help="Make their password, instead of a link.")] = False,
    password_stdin: options.PasswordStdin = False,
    data: options.Data = Path("twokey-data"),
    database: options.Database = "",
    json: options.Json = False,
) -> None:
    """Create the data folder, the first environment and the first administrator.

    A one-time link is printed, by which they choose their own password.
    """
    from twokey.cli.commands.access import new_password, say_link
    from twokey.cli.files import read_text
    from twokey.cli.local import First, Where, initialise

    world = runtime()
    flags = read_text(world, from_) if from_ else ""
    username = username or _ask_username(world)
    given = generate or password_stdin
    password = new_password(world, generate=generate, password_stdin=password_stdin) if given else None
    approvers = tuple(approver or ["release_manager"])
    place, link = initialise(
        First(project, environment, approvers, username, name, password, flags), Where(data, database)
    )
    shown = {"project": project, "environment": environment, "administrator": username, "kept in": place}
    if json:
        secret = {"password": password if generate else None, "invitation": link}
        told = {key: value for key, value in secret.items() if value}
        return answer({key.replace(" ", "_"): value for key, value in shown.items()} | told)
    heading("Ready.")
    facts(shown.items())
    if generate and password:
        tell("The administrator's password is shown this once:")
        say(password)
    if link:
        say_link(world, link)
    return tell("", "Next: `twokey serve`, then the link, and `twokey user create` for whoever approves.")


def demo(
    auto: Annotated[
        bool, typer.Option("--auto", help="Turn both keys, close the case, verify the log, and end.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    json: options.Json = False,
) -> None:
    """Play a release gone wrong, on real components, in a throw-away folder. It waits for your keys."""
    from twokey.cli.local import demo as run

    if code := run(auto=auto, port=port, json=json):
        raise typer.Exit(code)


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command("serve")(serve)
    app.command("init")(init)
    app.command("demo")(demo)


def _ask_username(world: Runtime) -> str:
    if not world.terminal.is_attended():
        return "admin"
    name = world.terminal.ask("Username of the first administrator [admin]:").strip() or "admin"
    if not name.isascii() or not name.isprintable():
        raise usage("That is no username", "use small letters, digits, `.`, `_` and `-`")
    return name
