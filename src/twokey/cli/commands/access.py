"""`twokey token` and `twokey user`: who may come in. For administrators."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from twokey.cli import options
from twokey.cli.failures import usage
from twokey.cli.output import answer, say, tell
from twokey.cli.place import choose
from twokey.cli.proving import post_guarded
from twokey.cli.runtime import Runtime, runtime
from twokey.cli.server import check_channel, connect, path

tokens = typer.Typer(no_args_is_help=True, help="Bearer tokens of services and agents. They read and draft, no more.")
users = typer.Typer(no_args_is_help=True, help="People who sign in.")


LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""None that is taken for another."""


class TokenKind(StrEnum):
    """Who will use a token."""

    SERVICE = "service"
    AGENT = "agent"


@tokens.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for, for people.")],
    scope: Annotated[list[str], typer.Option(help="What it may do, repeatable: flags:read, flags:evaluate, ...")],
    kind: Annotated[TokenKind, typer.Option(help="Who uses it.")] = TokenKind.SERVICE,
    on_behalf_of: Annotated[str | None, typer.Option(help="The person an agent acts for.")] = None,
    flag: Annotated[
        list[str] | None, typer.Option(help="A flag that it may tell of, repeatable. [default: all]")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="Days until it ends. [default: 90; agents 30]")
    ] = None,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Create a token. Its secret is printed this once, on standard output."""
    world = runtime()
    check_channel(world)
    with connect(world) as server:
        place = choose(world, server, project, environment)
        created = post_guarded(
            world,
            server,
            path("tokens"),
            {"name": name, "kind": kind.value, "scopes": scope, "project": place[0], "environment": place[1],
             "on_behalf_of": on_behalf_of, "flags": flag or [], **({"expires_in_days": days} if days else {})},
        )  # fmt: skip
    if json:
        return answer(created)
    tell(f"{created['id']} for {'/'.join(place)}: {' '.join(created['scopes'])}. The secret is shown this once:")
    return say(created["secret"])


@tokens.command("list")
def list_tokens(json: options.Json = False) -> None:
    """List tokens, without their secrets."""
    world = runtime()
    with connect(world) as server:
        rows = server.get(path("tokens"))
    if json:
        return answer(rows)
    from twokey.cli.pages.records import token_table

    return token_table(rows, world.now())


@tokens.command("revoke")
def revoke_token(id: Annotated[str, typer.Argument(help="The token's id.")], json: options.Json = False) -> None:
    """End a token at once."""
    with connect(runtime()) as server:
        server.delete(path("tokens", id))
    if json:
        return answer({"id": id, "revoked": True})
    return tell(f"{id} is revoked.")


@users.command("create")
def create_user(
    username: Annotated[str, typer.Argument(help="What they sign in with: small letters, digits, `.`, `_`, `-`.")],
    name: Annotated[str, typer.Option(help="What people call them.")],
    role: Annotated[list[str] | None, typer.Option(help="A role they hold, repeatable: release_manager, ...")] = None,
    generate: Annotated[bool, typer.Option("--generate", help="Make a password and print it once.")] = False,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Add a person. A one-time link is printed, by which they choose their own password."""
    world = runtime()
    check_channel(world)
    given = generate or password_stdin
    password = new_password(world, generate=generate, password_stdin=password_stdin) if given else None
    with connect(world) as server:
        body = {"username": username, "name": name, "password": password, "roles": role or []}
        view = post_guarded(world, server, path("users"), body)
    if json:
        return answer(view | ({"password": password} if generate else {}))
    tell(f"{view['name']} can sign in as `{view['username']}`.")
    if generate and password:
        tell("The password is shown this once:")
        say(password)
    if view["invitation"]:
        say_link(world, view["invitation"])
    return None


@users.command("invite")
def invite_user(
    username: Annotated[str, typer.Argument(help="Somebody who holds no roles.")], json: options.Json = False
) -> None:
    """Print a new one-time link for somebody who has no password yet, or forgot it."""
    world = runtime()
    check_channel(world)
    with connect(world) as server:
        made = post_guarded(world, server, path("users", username, "invite"), {})
    return answer(made) if json else say_link(world, made["invitation"])


@users.command("recover")
def recover_user(
    username: Annotated[str, typer.Argument(help="Who is to come in again.")],
    data: options.Data = Path("twokey-data"),
    database: options.Database = "",
    json: options.Json = False,
) -> None:
    """On the server's own machine: print a one-time link for anybody. Their second factors stay as they are."""
    from twokey.cli.local import Where, recover

    secret = recover(username, Where(data, database))
    return answer({"invitation": secret}) if json else say_link(runtime(), secret)


def say_link(world: Runtime, secret: str) -> None:
    """A one-time link, on standard output."""
    tell("Their one-time link, good for two days and shown this once (`twokey accept LINK` takes it too):")
    say(f"{world.url.rstrip('/')}/invitation#{secret}")


@users.command("list")
def list_users(json: options.Json = False) -> None:
    """List people."""
    with connect(runtime()) as server:
        rows = server.get(path("users"))
    if json:
        return answer(rows)
    from twokey.cli.pages.records import user_table

    return user_table(rows)


def new_password(world: Runtime, *, generate: bool, password_stdin: bool) -> str:
    """A first password: made here, piped in, or typed twice."""
    if generate:
        return made_password()
    if password_stdin:
        return world.terminal.piped_line()
    if not world.terminal.is_attended():
        raise usage("Nobody is at the terminal to be asked for a password", "add --generate or --password-stdin")
    first = world.terminal.ask_password("Password (12 characters or more):")
    if first != world.terminal.ask_password("Again:"):
        raise usage("The two passwords differ", "try again")
    return first


def made_password() -> str:
    """A password that can be read out and typed: five groups of five, about 123 bits."""
    from secrets import choice

    return "-".join("".join(choice(LETTERS) for _ in range(5)) for _ in range(5))
