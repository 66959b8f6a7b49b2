"""`twokey change`: what was applied, and the way back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from twokey.cli import options
from twokey.cli.keys import Present, Proof, confirm, present
from twokey.cli.output import answer, aside, facts, mention_limit, say, section
from twokey.cli.runtime import runtime
from twokey.cli.server import connect, path

app = typer.Typer(no_args_is_help=True, help="Changes: list, show, reach, reverse.")
Id = Annotated[str, typer.Argument(help="The change's id.")]


class Way(StrEnum):
    """The two ways back."""

    REVERSE = "reverse"
    ROLLBACK = "rollback"


@app.command("list")
def list_changes(
    case: Annotated[str | None, typer.Option(help="Only those of this case.")] = None,
    limit: options.Limit = 50,
    json: options.Json = False,
) -> None:
    """List changes, newest first."""
    world = runtime()
    with connect(world) as server:
        rows = server.get(path("changes"), case=case, limit=limit)
    if json:
        return answer(rows)
    from twokey.cli.pages.records import change_table

    change_table(rows, world.now())
    return mention_limit(rows, limit)


@app.command("show")
def show_change(id: Id, json: options.Json = False) -> None:
    """Show one change."""
    with connect(runtime()) as server:
        view = server.get(path("changes", id))
    if json:
        return answer(view)
    from twokey.cli.pages.records import change_page

    return change_page(view)


@app.command("reach")
def reach_of_change(id: Id, json: options.Json = False) -> None:
    """Compare whom a change was to reach with whom it has reached."""
    with connect(runtime()) as server:
        found = server.get(path("changes", id, "reach"))
    if json:
        return answer(found)
    from twokey.cli.pages.records import reach_page

    return reach_page(found)


@app.command("reverse")
def reverse_change(
    id: Id,
    way: Annotated[Way, typer.Option(help="reverse restores what was; rollback goes to the baseline.")] = Way.REVERSE,
    note: options.Note = "",
    review: Annotated[
        str, typer.Option("--code-reference-review", help="Where you looked, if undoing it deletes a flag.")
    ] = "",
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Undo a change, with fresh proof. A way back that widens becomes a proposal with keys of its own."""
    world = runtime()
    proof = Proof(username, password_stdin)
    with present(world, proof) as person:
        if not password_stdin:
            with aside():
                _show(person, id, way)
        confirm(world, f"Undo it by its {way.value} now?", proof, None)
        reviewed = {"code_reference_review": review} if review else {}
        result = person.turn(path("changes", id, "reverse"), {"way": way.value, "note": note, **reviewed})
    if json:
        return answer(result)
    say(result["sentence"])
    lines = [("change", result["change"] or ""), ("proposal", result["proposal"] or "")]
    return facts([*lines, ("together", ", ".join(result["together"]))])


def _show(person: Present, id: str, way: Way) -> None:
    from twokey.cli.pages.records import change_page

    change = person.server.get(path("changes", id))
    change_page(change)
    if not change["proposal"]:
        return
    proposal = person.server.get(path("proposals", change["proposal"]))
    back = proposal[way.value]
    section(f"The {way.value} ({back['effect']})", back["sentences"])
    for other in proposal["joint"]:
        back = other[way.value]
        section(f"Together with it, in {other['environment']} ({back['effect']})", back["sentences"])
    say("")
