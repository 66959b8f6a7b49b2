"""`twokey audit`: read the log, and check that nobody changed it; the check needs no server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twokey.cli import options
from twokey.cli.exits import Exit
from twokey.cli.failures import usage
from twokey.cli.output import answer, mention_limit, tell
from twokey.cli.runtime import runtime
from twokey.cli.server import connect, path

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
    json: options.Json = False,
) -> None:
    """Recompute the chain of hashes. Ends with code 6 where it does not hold, and names the entry."""
    result = _offline(export, database, head) if offline or export or database else _online(head)
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
