"""`twokey policy`: the policies in force, the matrix they make, and the check of a team's own without a server."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from twokey.cli import options
from twokey.cli.exits import Exit
from twokey.cli.failures import Failure
from twokey.cli.output import answer
from twokey.cli.place import choose
from twokey.cli.runtime import runtime
from twokey.cli.server import connect, path

app = typer.Typer(no_args_is_help=True, help="Written policies: show, draw the decision matrix, check a file.")
POLICY = path("policy")


@app.command("show")
def show_policies(
    name: Annotated[str, typer.Argument(metavar="[ID]", help="One policy, with its text. [default: all]")] = "",
    json: options.Json = False,
) -> None:
    """Show the policies in force, or the text of one."""
    with connect(runtime()) as server:
        view = server.get(POLICY)
    from twokey.cli.pages.policies import policy_page, policy_table

    if not name:
        return answer(view) if json else policy_table(view)
    found = next((each for each in view["policies"] if each["id"] == name), None)
    if found is None:
        raise Failure(Exit.NOT_FOUND, f"No policy is called `{name}`", "", "`twokey policy show` lists them")
    return answer(found) if json else policy_page(found)


@app.command("matrix")
def show_matrix(
    file: Annotated[
        str, typer.Option(help="Draw it here, without a server, from the shipped policies and this file's.")
    ] = "",
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Draw the decision matrix, by asking the policies in force."""
    view = _drawn_here(file, project, environment) if file else _drawn_there(project, environment)
    if json:
        return answer(view)
    from twokey.cli.pages.policies import matrix_page

    return matrix_page(view)


@app.command("check")
def check_policies(
    file: Annotated[str, typer.Argument(help="A file with a team's policies; `-` is standard input.")],
    json: options.Json = False,
) -> None:
    """Check a team's policies, without a server: syntax, schema, ids; and what they change in the matrix."""
    from twokey.cli.files import read_text
    from twokey.cli.policies import checked

    found = checked(file, read_text(runtime(), file))
    if json:
        return answer(found)
    from twokey.cli.pages.policies import check_page

    return check_page(file, found)


def _drawn_there(project: str | None, environment: str | None) -> Any:
    world = runtime()
    with connect(world) as server:
        place = choose(world, server, project, environment)
        return server.get(path("policy", "matrix"), project=place[0], environment=place[1])


def _drawn_here(file: str, project: str | None, environment: str | None) -> Any:
    from twokey.cli.files import read_text
    from twokey.cli.policies import matrix_of

    return matrix_of(file, read_text(runtime(), file), project or "", environment or "")
