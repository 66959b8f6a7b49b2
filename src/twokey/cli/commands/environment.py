"""`twokey env`: environments as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

from twokey.cli import options
from twokey.cli.output import answer, tell
from twokey.cli.place import choose, only_project
from twokey.cli.proving import post_guarded
from twokey.cli.runtime import runtime
from twokey.cli.server import connect, path

app = typer.Typer(no_args_is_help=True, help="Environments: list, create, copy the flags of one to another.")


@app.command("list")
def list_environments(json: options.Json = False) -> None:
    """List environments, with who agrees to changes in each."""
    with connect(runtime()) as server:
        rows = server.get(path("environments"))
    if json:
        return answer(rows)
    from twokey.cli.pages.governance import environment_table

    return environment_table(rows)


@app.command("create")
def create_environment(
    key: Annotated[str, typer.Argument(help="What it is called: production, eu, staging.")],
    approver: Annotated[
        list[str] | None, typer.Option(help="A role that every change needs, repeatable. [default: release_manager]")
    ] = None,
    widening_approver: Annotated[
        list[str] | None, typer.Option(help="A role that a change that widens needs, repeatable. [default: the same]")
    ] = None,
    project: options.Project = None,
    json: options.Json = False,
) -> None:
    """Create an environment: guarded and without flags. For administrators.

    `twokey env copy` then drafts its first flags.
    """
    world = runtime()
    roles = {"approvers": approver, "widening_approvers": widening_approver}
    with connect(world) as server:
        named = project or world.env.get("TWOKEY_PROJECT") or only_project(server)
        body = {"project": named, "key": key} | {name: given for name, given in roles.items() if given}
        made = post_guarded(world, server, path("environments"), body)
    if json:
        return answer(made)
    return tell(f"{made['project']}/{made['key']} is there, guarded; changes need {' and '.join(made['approvers'])}.")


@app.command("copy")
def copy_environment(
    source: Annotated[str, typer.Argument(help="The environment that has them as they shall be.")],
    target: Annotated[str, typer.Argument(help="The environment that shall have them so.")],
    reason: options.Reason,
    project: options.Project = None,
    json: options.Json = False,
) -> None:
    """Draft what makes every flag of one environment the same in another. What only the other has stays."""
    world = runtime()
    from twokey.cli.copies import draft_copy

    with connect(world) as server:
        place = choose(world, server, project, target)
        draft_copy(server, place, source, (), reason, json=json)
