"""`twokey env`: environments as a whole."""

from __future__ import annotations

from typing import Annotated

import typer

from twokey.cli import options
from twokey.cli.place import choose
from twokey.cli.runtime import runtime
from twokey.cli.server import connect

app = typer.Typer(no_args_is_help=True, help="Environments: copy the flags of one to another.")


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
