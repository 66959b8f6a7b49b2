"""`twokey audit`: read the log, and check that nobody changed it; the check needs no server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from twokey.cli import options
from twokey.cli.exits import Exit
from twokey.cli.failures import usage
from twokey.cli.files import write_text
from twokey.cli.output import answer, mention_limit, tell
from twokey.cli.place import choose
from twokey.cli.runtime import runtime
from twokey.cli.server import connect, path

TIMES = ["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]
app = typer.Typer(no_args_is_help=True, help="The audit log: list, verify, export.")


@app.command("list")
def list_entries(
    case: Annotated[str | None, typer.Option(help="Only those of this case.")] = None,
    start: Annotated[int | None, typer.Option(min=0, help="From this entry on; else the newest first.")] = None,
    limit: options.Limit = 50,
    json: options.Json = False,
) -> None:
    """List entries of the audit log."""
    with connect(runtime()) as server:
        rows = server.get(
            path("audit"), case=case, start=start, limit=limit, newest_first="true" if start is None else None
        )  # fmt: skip
    if json:
        return answer(rows)
    from twokey.cli.pages.records import entry_table

    entry_table(rows)
    return mention_limit(rows, limit)


@app.command("verify")
def verify_log(
    offline: Annotated[bool, typer.Option("--offline", help="Recompute the chain here, without a server.")] = False,
    export: Annotated[str, typer.Option(help="With --offline: an exported log; `-` is standard input.")] = "",
    database: Annotated[str, typer.Option(help="With --offline: the database, such as sqlite:///twokey.db.")] = "",
    head: Annotated[str, typer.Option(help="A hash that was the log's last one; it must still be in it.")] = "",
    checkpoint: Annotated[
        Path | None, typer.Option(help="With --export: a checkpoint kept elsewhere; the log must continue it.")
    ] = None,
    key: Annotated[str, typer.Option(help="With --checkpoint: the log's public key.")] = "",
    json: options.Json = False,
) -> None:
    """Recompute the chain of hashes. Ends with code 6 where it does not hold, and names the entry."""
    result = _offline(export, database, head) if offline or export or database else _online(head)
    if checkpoint is not None and result["ok"]:
        from twokey.cli.audit_proofs import against

        result |= against(export, checkpoint, key)
    if json:
        answer(result)
    else:
        from twokey.cli.pages.records import verification_page

        verification_page(result)
    if not result["ok"]:
        raise typer.Exit(Exit.VERIFICATION_FAILED)


@app.command("export")
def export_log(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
) -> None:
    """Export the whole log, one JSON entry a line, for verification elsewhere."""
    from twokey.cli.audit_files import write_export

    with connect(runtime()) as server:
        count = write_export(server.lines(path("audit", "export")), output)
    tell(f"{count} entries exported. Check them with `twokey audit verify --offline --export FILE`.")


@app.command("checkpoint")
def show_checkpoint(
    sign: Annotated[bool, typer.Option("--sign", help="Sign the log as it stands now.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
) -> None:
    """Print the signed checkpoint of the log. Keep it elsewhere: no log that differs from it goes unnoticed then."""
    with connect(runtime()) as server:
        text = server.send("POST" if sign else "GET", path("audit", "checkpoint")).text
    _put(text, output)


@app.command("key")
def show_key() -> None:
    """Print the public key that signs checkpoints."""
    with connect(runtime()) as server:
        _put(server.text(path("audit", "key")), None)


@app.command("proof")
def show_proof(
    subject: Annotated[str, typer.Argument(help="A decision's case, a change, a proposal; or an entry's number.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
) -> None:
    """Print the proof that an entry is in the log, to be checked without the log or a server."""
    wanted = {"index": subject} if subject.isdigit() else {"subject": subject}
    with connect(runtime()) as server:
        _put(server.text(path("audit", "proof"), **wanted), output)


@app.command("check-proof")
def check_proof(
    proof: Annotated[Path, typer.Argument(help="A `.tlog-proof` file.")],
    export: Annotated[Path, typer.Option(help="An export that holds the entry, or the entry's line alone.")],
    key: Annotated[str, typer.Option(help="The log's public key, as `twokey audit key` prints it.")],
    json: options.Json = False,
) -> None:
    """Check a proof here, without a server. Ends with code 6 where it does not hold."""
    from twokey.cli.audit_proofs import check

    problem = check(proof, export, key)
    if json:
        answer({"ok": not problem, "problem": problem})
    else:
        tell(problem or "The entry is in the log that the key's owner signed.")
    if problem:
        raise typer.Exit(Exit.VERIFICATION_FAILED)


@app.command("accept")
def accept_restored(
    reason: Annotated[str, typer.Option(help="What happened to the database, in a sentence.")],
    data: options.Data = Path("twokey-data"),
    database: options.Database = "",
    json: options.Json = False,
) -> None:
    """Accept, on record, a database that contradicts what was signed: it was restored from an older copy."""
    from twokey.cli.local import Where, accept_log

    accepted = accept_log(Where(data, database), reason)
    if json:
        return answer({"accepted": accepted})
    said = "Accepted, and on record. The log goes on under a new name." if accepted else "Nothing contradicts the log."
    return tell(said)


@app.command("state")
def state(
    revision: Annotated[int | None, typer.Option(min=0, help="As it was at this revision.")] = None,
    at: Annotated[datetime | None, typer.Option(help="As it was at this time, in UTC.", formats=TIMES)] = None,
    export: Annotated[Path | None, typer.Option(help="From this exported log, without a server.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="With --export: write it here.")] = None,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Build the flags of an environment again, from the log alone, as they were at a moment."""
    world = runtime()
    moment = at.replace(tzinfo=UTC) if at else None
    if export is not None:
        from twokey.cli.audit_state import rebuilt

        snapshot = rebuilt(export, project, environment, revision, moment)
        if output is not None:
            write_text(output, snapshot.to_json().decode())
        told = {"revision": snapshot.revision, "digest": snapshot.digest, "flags": len(snapshot.flags)}
        return answer(told) if json else tell(f"Revision {snapshot.revision}, digest {snapshot.digest}.")
    with connect(world) as server:
        place = choose(world, server, project, environment)
        asked = {"revision": revision, "at": moment.isoformat() if moment else None}
        view = server.get(path("audit", "state"), project=place[0], environment=place[1], **asked)
    if not json:
        tell(f"Revision {view['revision']}, digest {view['digest']}: the log and the store {_agree(view)}.")
    if json:
        answer(view)
    if not view["agrees"]:
        raise typer.Exit(Exit.VERIFICATION_FAILED)
    return None


def _agree(view: Mapping[str, object]) -> str:
    return "agree" if view["agrees"] else f"DO NOT AGREE: stored is {view['stored']}"


@app.command("why")
def why(
    case: Annotated[str, typer.Argument(help="The case's id.")],
    export: Annotated[Path | None, typer.Option(help="From this exported log, without a server.")] = None,
    json: options.Json = False,
) -> None:
    """Answer the six questions of a case from the log alone: what signal, what changed, who agreed, what came of it."""
    if export is not None:
        from twokey.cli.audit_state import answered

        views = answered(export, case)
    else:
        with connect(runtime()) as server:
            views = server.get(path("audit", "answers"), case=case)
    if json:
        return answer(views)
    from twokey.cli.pages.records import answers_page

    return answers_page(views)


@app.command("erase")
def erase(
    person: Annotated[str, typer.Argument(help="Whose personal data goes; their username stays.")],
    reason: Annotated[str, typer.Option(help="Why, in a sentence. It stays on record.")],
    username: options.Username = None,
    password_stdin: options.PasswordStdin = False,
    json: options.Json = False,
) -> None:
    """Erase what is personal of somebody from the log, which still verifies. For the security role."""
    from twokey.cli.keys import Proof, confirm, present

    world = runtime()
    proof = Proof(username, password_stdin)
    with present(world, proof) as me:
        confirm(world, f"Erase what is personal of `{person}`? It cannot be brought back.", proof, None)
        erased = me.turn(path("people", person, "erase"), {"reason": reason})
    if json:
        return answer(erased)
    return tell(f"Erased: {erased['values']} values. The log verifies, and says so.")


def _put(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(text, nl=False)
        return
    output.write_text(text, "utf-8")


def _online(head: str) -> dict[str, object]:
    if head:
        raise usage("--head needs --offline", "export the log, then verify the export")
    with connect(runtime()) as server:
        result: dict[str, object] = server.get(path("audit", "verify"))
        return result


def _offline(export: str, database: str, head: str) -> dict[str, object]:
    if bool(export) == bool(database):
        raise usage("Offline verification reads one log", "give --export FILE or --database URL")
    if export:
        from twokey.cli.audit_files import verify_export

        return verify_export(runtime(), export, head)
    from twokey.cli.local import verify_database

    return verify_database(database, head)
