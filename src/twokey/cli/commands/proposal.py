"""`twokey proposal`: draft, read, turn a key, say no, apply, take back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from twokey.cli import options
from twokey.cli.failures import usage
from twokey.cli.files import read_document
from twokey.cli.keys import Proof, confirm, present, require_digest
from twokey.cli.output import answer, aside, mention_limit, say, tell
from twokey.cli.place import choose
from twokey.cli.runtime import Runtime, runtime
from twokey.cli.server import connect, path

app = typer.Typer(no_args_is_help=True, help="Proposals: list, show, draft, approve, reject, apply, withdraw.")
Id = Annotated[str, typer.Argument(help="The proposal's id.")]
View = Mapping[str, Any]


@app.command("list")
def list_proposals(
    case: Annotated[str | None, typer.Option(help="Only those of this case.")] = None,
    status: Annotated[str | None, typer.Option(help="pending, approved, applied, rejected, ...")] = None,
    limit: options.Limit = 50,
    json: options.Json = False,
) -> None:
    """List proposals, newest first."""
    with connect(runtime()) as server:
        rows = server.get(path("proposals"), case=case, status=status, limit=limit)
    if json:
        return answer(rows)
    from twokey.cli.pages.proposals import proposal_table

    proposal_table(rows)
    return mention_limit(rows, limit)


@app.command("show")
def show_proposal(
    id: Id,
    yaml: Annotated[
        bool, typer.Option("--yaml", help="Print it as the signal and the recommendation, in YAML.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Show one proposal: what it does, whom it moves, its ways back, its keys."""
    if yaml and json:
        raise usage("--yaml and --json exclude each other", "choose one of them")
    with connect(runtime()) as server:
        if yaml:
            return say(server.text(path("proposals", id, "document")).rstrip("\n"))
        view = server.get(path("proposals", id))
    if json:
        return answer(view)
    from twokey.cli.pages.proposals import proposal_page

    return proposal_page(view)


@app.command("draft")
def draft_proposal(
    file: Annotated[str, typer.Argument(help="A YAML or JSON file; `-` is standard input.")],
    case: Annotated[str | None, typer.Option(help="The case it belongs to.")] = None,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Draft a proposal from a file with `operations` and `reason`. Its ways back, effect and digest are computed.

    Instead of `operations` the file may hold `parts`, each with an `environment` and its `operations`: several
    environments whose changes are applied together, or not at all. Or a `plan`: a guarded rollout, whose stages and way
    back are approved together.
    """
    world = runtime()
    draft = read_document(world, file)
    if not isinstance(draft, dict):
        raise usage(f"`{file}` holds no proposal", "write an object with `operations` (a list) and `reason`")
    if "parts" in draft:
        return _draft_jointly(world, draft, project, json)
    with connect(world) as server:
        place = choose(world, server, project or draft.get("project"), environment or draft.get("environment"))
        body = draft | {"project": place[0], "environment": place[1]} | ({"case": case} if case else {})
        view = server.post(path("proposals", "rollout") if "plan" in draft else path("proposals"), body)
    tell(f"Drafted {view['id']}. Nothing has changed: it waits for its keys.")
    if json:
        return answer(view)
    from twokey.cli.pages.proposals import proposal_page

    return proposal_page(view)


def _draft_jointly(world: Runtime, draft: dict[str, Any], project: str | None, json: bool) -> None:
    """Parts in several environments of a project: each says its own place, and its case."""
    with connect(world) as server:
        parts = draft["parts"] if isinstance(draft["parts"], list) else []
        first = next((each.get("environment") for each in parts if isinstance(each, dict)), None)
        known, _ = choose(world, server, project or draft.get("project"), first)
        views = server.post(path("proposals", "joint"), draft | {"project": known})
    tell(f"Drafted {' and '.join(each['id'] for each in views)}. Nothing has changed: they wait for their keys.")
    if json:
        return answer(views)
    from twokey.cli.pages.proposals import proposal_page

    return proposal_page(views[0])


@app.command("approve")
def approve(
    id: Id,
    note: options.Note = "",
    username: options.Username = None,
    digest: options.Digest = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Turn your key. You sign in afresh, read what it is for, and are asked."""
    proof = Proof(username, password_stdin, digest)
    _answer(id, "approve", "Turn your key for this digest?", proof, {"note": note}, json)


@app.command("reject")
def reject(
    id: Id,
    note: Annotated[str, typer.Option(help="Why not; it is kept with it.")],
    username: options.Username = None,
    digest: options.Digest = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Say no, with the reason. One no is a veto."""
    proof = Proof(username, password_stdin, digest)
    _answer(id, "reject", "Reject this proposal for everyone?", proof, {"note": note}, json)


@app.command("apply")
def apply(
    id: Id,
    note: options.Note = "",
    username: options.Username = None,
    digest: options.Digest = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Apply a proposal whose keys are all turned, if it does not apply itself."""
    proof = Proof(username, password_stdin, digest)
    _answer(id, "apply", "Apply this change now?", proof, {"note": note}, json, signs_digest=False)


@app.command("withdraw")
def withdraw(id: Id, json: options.Json = False) -> None:
    """Take back a proposal of yours."""
    with connect(runtime()) as server:
        view = server.post(path("proposals", id, "withdraw"))
    _say_outcome(view, json)


@app.command("gate")
def gate(
    id: Id,
    approves: Annotated[
        list[str], typer.Option(help="Suppose that this person (or `role:ROLE`) approved, repeatable.")
    ],
    json: options.Json = False,
) -> None:
    """What would the gate say if somebody approved? Nothing is turned by asking."""
    with connect(runtime()) as server:
        view = server.get(path("proposals", id, "gate"), approves=approves)
    if json:
        return answer(view)
    from twokey.cli.pages.proposals import gate_page

    return gate_page(view)


def _answer(
    id: str, move: str, question: str, proof: Proof, body: View, json: bool, *, signs_digest: bool = True
) -> None:
    world = runtime()
    require_digest(proof)
    from twokey.cli.pages.proposals import key_page

    with present(world, proof) as person:
        view = person.server.get(path("proposals", id))
        if not proof.password_stdin:
            with aside():
                key_page(view, move)
        confirm(world, question, proof, view["digest"])
        signed = {"digest": view["digest"]} if signs_digest else {}
        after = person.turn(path("proposals", id, move), {**body, **signed})
    _say_outcome(after, json)


def _say_outcome(view: View, json: bool) -> None:
    if json:
        return answer(view)
    waiting = [key["role"] for key in view["keys"] if key["status"] == "waiting"]
    waits = f", waiting for {' and '.join(waiting)}" if waiting and view["status"] in ("pending", "approved") else ""
    change = f" as {view['change']}" if view["change"] else ""
    return say(f"{view['id']} is {view['status']}{change}{waits}.")
