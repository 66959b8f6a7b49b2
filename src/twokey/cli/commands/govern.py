"""`twokey access`, `break-glass`, `review`, `order`: who may turn keys, and what happens when the glass is broken."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from twokey.cli import options
from twokey.cli.files import read_document, read_text
from twokey.cli.keys import Proof, confirm, present, require_digest
from twokey.cli.output import answer, aside, mention_limit, say, tell
from twokey.cli.place import choose
from twokey.cli.runtime import runtime
from twokey.cli.server import connect, path

access = typer.Typer(no_args_is_help=True, help="Who may turn keys by which rules. What gives power takes two people.")
reviews = typer.Typer(no_args_is_help=True, help="The look back at each use of break-glass.")
orders = typer.Typer(no_args_is_help=True, help="Standing orders: rules that may agree to what narrows.")
Id = Annotated[str, typer.Argument(help="The access proposal's id.")]
Person = Annotated[str, typer.Argument(help="A username.")]
Grant = Annotated[str, typer.Argument(help="A role: `role`, `role@project` or `role@project/environment`.")]
Why = Annotated[str, typer.Option(help="Why; it is kept with it.")]
View = Mapping[str, Any]


class Found(StrEnum):
    """What a review found."""

    JUSTIFIED = "justified"
    AVOIDABLE = "avoidable"
    ABUSE = "abuse"


# ---------------------------------------------------------------- access


@access.command("show")
def show_access(json: options.Json = False) -> None:
    """Show who holds which roles, how environments are governed, and the standing orders."""
    with connect(runtime()) as server:
        view = server.get(path("access"))
    if json:
        return answer(view)
    from twokey.cli.pages.governance import access_page

    return access_page(view)


@access.command("list")
def list_access(
    status: Annotated[str | None, typer.Option(help="pending, applied, rejected, ...")] = None,
    limit: options.Limit = 50,
    json: options.Json = False,
) -> None:
    """List access proposals, newest first."""
    with connect(runtime()) as server:
        rows = server.get(path("access", "proposals"), status=status, limit=limit)
    if json:
        return answer(rows)
    from twokey.cli.pages.governance import access_table

    access_table(rows)
    return mention_limit(rows, limit)


@access.command("proposal")
def show_access_proposal(id: Id, json: options.Json = False) -> None:
    """Show one access proposal: what it says, what power it gives, what it would have decided."""
    with connect(runtime()) as server:
        view = server.get(path("access", "proposals", id))
    if json:
        return answer(view)
    from twokey.cli.pages.governance import access_proposal_page

    return access_proposal_page(view)


@access.command("grant")
def grant(
    person: Person, role: Grant, reason: Why, username: options.Username = None,
    password_stdin: options.PasswordStdin = False, json: options.Json = False,
) -> None:  # fmt: skip
    """Propose to give somebody a role."""
    edit = {"edit": "grant_role", "person": person, "grant": role}
    _propose([edit], reason, Proof(username, password_stdin), json)


@access.command("revoke")
def revoke(
    person: Person, role: Grant, reason: Why, username: options.Username = None,
    password_stdin: options.PasswordStdin = False, json: options.Json = False,
) -> None:  # fmt: skip
    """Take a role from somebody."""
    edit = {"edit": "revoke_role", "person": person, "grant": role}
    _propose([edit], reason, Proof(username, password_stdin), json)


@access.command("policies")
def policies(
    file: Annotated[str, typer.Argument(help="A file with all of the team's policies, in Cedar.")],
    reason: Why, username: options.Username = None, password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Propose the team's own policies, in place of those in force. What they change is shown."""
    text = read_text(runtime(), file)
    _propose([{"edit": "set_policies", "text": text}], reason, Proof(username, password_stdin), json)


@access.command("propose")
def propose(
    file: Annotated[str, typer.Argument(help="A YAML or JSON file with a list of edits.")],
    reason: Why, username: options.Username = None, password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Propose any edits of access: guarding, approvers, hours, policies, standing orders, roles."""
    read = read_document(runtime(), file)
    edits = read.get("edits") if isinstance(read, dict) else read
    _propose(edits if isinstance(edits, list) else [edits], reason, Proof(username, password_stdin), json)


@access.command("approve")
def approve(
    id: Id, note: options.Note = "", username: options.Username = None, digest: options.Digest = None,
    password_stdin: options.PasswordStdin = False, json: options.Json = False,
) -> None:  # fmt: skip
    """Turn the security key for an access proposal."""
    proof = Proof(username, password_stdin, digest)
    _answer(id, "approve", "Turn your key for this digest?", proof, note, json)


@access.command("reject")
def reject(
    id: Id, note: Why, username: options.Username = None, digest: options.Digest = None,
    password_stdin: options.PasswordStdin = False, json: options.Json = False,
) -> None:  # fmt: skip
    """Say no, with the reason. One no is a veto."""
    _answer(id, "reject", "Reject this for everyone?", Proof(username, password_stdin, digest), note, json)


@access.command("withdraw")
def withdraw(id: Id, json: options.Json = False) -> None:
    """Take back an access proposal of yours."""
    with connect(runtime()) as server:
        view = server.post(path("access", "proposals", id, "withdraw"))
    _say(view, json)


def _propose(edits: list[Any], reason: str, proof: Proof, json: bool) -> None:
    with present(runtime(), proof) as person:
        view = person.turn(path("access", "proposals"), {"edits": edits, "reason": reason})
    _say(view, json)


def _answer(id: str, move: str, question: str, proof: Proof, note: str, json: bool) -> None:
    world = runtime()
    require_digest(proof)
    from twokey.cli.pages.governance import access_proposal_page

    address = path("access", "proposals", id)
    with present(world, proof) as person:
        view = person.server.get(address)
        if not proof.password_stdin:
            with aside():
                access_proposal_page(view)
        confirm(world, question, proof, view["digest"])
        after = person.turn(f"{address}/{move}", {"digest": view["digest"], "note": note})
    _say(after, json)


def _say(view: View, json: bool) -> None:
    if json:
        return answer(view)
    from twokey.cli.pages.governance import access_proposal_page

    if view["status"] == "pending":
        return access_proposal_page(view)
    return say(f"{view['id']} is {view['status']}: {'; '.join(view['says'])}.")


# ---------------------------------------------------------------- break-glass and its reviews


def break_glass(
    flag: Annotated[str, typer.Argument(help="The flag that is to go to its safe state.")],
    reason: Annotated[str, typer.Option(help="What is going on, in a sentence.")],
    change: Annotated[str | None, typer.Option(help="A live change whose approved rollback is meant.")] = None,
    case: Annotated[str | None, typer.Option(help="The case it belongs to.")] = None,
    project: options.Project = None,
    environment: options.Environment = None,
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Take a flag to its recorded safe state, alone and now. Opens a review that somebody else must close."""
    world = runtime()
    proof = Proof(username, password_stdin)
    with present(world, proof) as person:
        place = choose(world, person.server, project, environment)
        view = person.server.get(path("projects", place[0], "environments", place[1], "flags", flag))
        where = "the rollback that was approved with it" if change else f"`{view['baseline']}` for everyone"
        confirm(
            world, f"Break the glass: {flag} in {'/'.join(place)} goes to {where}, on your word alone?", proof, None
        )
        wanted = {
            "project": place[0],
            "environment": place[1],
            "flag": flag,
            "seen": view["revision"],
            "reason": reason,
        }
        review = person.turn(path("break-glass"), wanted | {"change": change, "case": case})
    if json:
        return answer(review)
    say(f"{flag} is at its safe state, by {review['change']}.")
    return tell(f"{review['id']} is open: somebody else closes it with `twokey review close {review['id']}`.")


@reviews.command("list")
def list_reviews(
    status: Annotated[str | None, typer.Option(help="open or closed.")] = None,
    limit: options.Limit = 50,
    json: options.Json = False,
) -> None:
    """List reviews, newest first."""
    with connect(runtime()) as server:
        rows = server.get(path("reviews"), status=status, limit=limit)
    if json:
        return answer(rows)
    from twokey.cli.pages.governance import review_table

    return review_table(rows)


@reviews.command("close")
def close_review(
    id: Annotated[str, typer.Argument(help="The review's id.")],
    found: Annotated[Found, typer.Option(help="What the look back found.")],
    note: Why,
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Close a review, with what it found. Not for the person it is about."""
    with present(runtime(), Proof(username, password_stdin)) as person:
        review = person.turn(path("reviews", id, "close"), {"found": found.value, "note": note})
    return answer(review) if json else say(f"{review['id']} is closed: {review['found']}.")


@orders.command("list")
def list_orders(json: options.Json = False) -> None:
    """List the standing orders in force. `twokey access propose` sets and withdraws them."""
    with connect(runtime()) as server:
        rows = server.get(path("access"))["orders"]
    if json:
        return answer(rows)
    from twokey.cli.pages.governance import order_table

    return order_table(rows)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(access, name="access")
    app.command("break-glass")(break_glass)
    app.add_typer(reviews, name="review")
    app.add_typer(orders, name="order")
