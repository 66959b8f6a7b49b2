"""`twokey rollout`: guarded rollouts on their way, and what people do about them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from twokey.cli import options
from twokey.cli.keys import Proof, confirm, present
from twokey.cli.output import answer, mention_limit, tell
from twokey.cli.runtime import runtime
from twokey.cli.server import connect, path

app = typer.Typer(no_args_is_help=True, help="Guarded rollouts: widened by a plan while their guardrails hold.")
Id = Annotated[str, typer.Argument(help="The rollout's id.")]
Why = Annotated[str, typer.Option("--note", help="Why, in a sentence. It stays on record.")]


@app.command("list")
def list_rollouts(
    flag: Annotated[str | None, typer.Option(help="Only those of this flag.")] = None,
    status: Annotated[str | None, typer.Option(help="running, paused, completed, rolled_back or stopped.")] = None,
    limit: options.Limit = 50,
    json: options.Json = False,
) -> None:
    """List guarded rollouts, newest first."""
    with connect(runtime()) as server:
        rows = server.get(path("rollouts"), flag=flag, status=status, limit=limit)
    if json:
        return answer(rows)
    from twokey.cli.pages.rollouts import rollout_table

    rollout_table(rows)
    return mention_limit(rows, limit)


@app.command("show")
def show_rollout(id: Id, json: options.Json = False) -> None:
    """Show one: its stages, what it waits for, what its guardrails say."""
    world = runtime()
    with connect(world) as server:
        view = server.get(path("rollouts", id))
    if json:
        return answer(view)
    from twokey.cli.pages.rollouts import rollout_page

    return rollout_page(view, world.now())


@app.command("pause")
def pause(
    id: Id,
    note: Why,
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Stay at the present stage. A breach is still taken back."""
    with present(runtime(), Proof(username, password_stdin)) as me:
        view = me.server.post(path("rollouts", id, "pause"), {"note": note})
    _told(view, json)


@app.command("resume")
def resume(
    id: Id,
    note: Why,
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Go on within the plan that was approved; the stage begins anew."""
    _move(id, "resume", "Go on with this rollout?", note, Proof(username, password_stdin), json)


@app.command("agree")
def agree(
    id: Id,
    note: Why,
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Open the way out of a stage whose plan asks a person."""
    _move(id, "agree", "Let the next stage begin?", note, Proof(username, password_stdin), json)


@app.command("stop")
def stop(
    id: Id,
    note: Why,
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """End it where it is: no stage follows, and nothing is rolled back."""
    _move(id, "stop", "End this rollout where it is?", note, Proof(username, password_stdin), json)


@app.command("roll-back")
def roll_back(
    id: Id,
    note: Why,
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Take the way back that was approved with the plan, now."""
    _move(id, "roll-back", "Take the approved way back now?", note, Proof(username, password_stdin), json)


def _move(id: str, verb: str, question: str, note: str, proof: Proof, json: bool) -> None:
    world = runtime()
    with present(world, proof) as me:
        if not proof.password_stdin:
            from twokey.cli.output import aside
            from twokey.cli.pages.rollouts import rollout_page

            with aside():
                rollout_page(me.server.get(path("rollouts", id)), world.now())
        confirm(world, question, proof, None)
        view = me.turn(path("rollouts", id, verb), {"note": note})
    _told(view, json)


def _told(view: dict[str, Any], json: bool) -> None:
    if json:
        return answer(view)
    return tell(f"{view['id']} is {view['status'].replace('_', ' ')}, at stage {view['stage'] + 1}.")
