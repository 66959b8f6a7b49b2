"""`twokey snapshot`: the published flags as a file, and the check of such a file without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twokey.cli import options
from twokey.cli.failures import Failure, usage
from twokey.cli.files import read_text, write_text
from twokey.cli.output import answer, facts, heading, say, tell
from twokey.cli.place import address, choose
from twokey.cli.runtime import runtime
from twokey.cli.server import connect

app = typer.Typer(no_args_is_help=True, help="Published flags as a file: export, validate.")


@app.command("export")
def export_snapshot(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file, byte for byte.")] = None,
    revision: Annotated[int | None, typer.Option(min=0, help="An earlier revision. [default: the one now]")] = None,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Export the published snapshot (twokey/1). It is JSON with and without --json."""
    world = runtime()
    with connect(world) as server:
        place = choose(world, server, project, environment)
        text = server.text(address(place, "snapshot"), revision=revision)
    if output is None:
        from json import loads

        return answer(loads(text))
    write_text(output, text)
    tell(f"Written to {output}.")
    return answer({"output": str(output)}) if json else None


@app.command("validate")
def validate_snapshot(
    file: Annotated[str, typer.Argument(help="A snapshot file; `-` is standard input.")],
    json: options.Json = False,
) -> None:
    """Check a snapshot file, without a server: shape, references, cycles, digests."""
    from twokey.engine import Snapshot
    from twokey.engine.errors import Invalid

    try:
        snapshot = Snapshot.from_json(read_text(runtime(), file))
    except Invalid as error:
        raise _invalid(file, error) from None
    found = {
        "ok": True, "project": snapshot.project, "environment": snapshot.environment, "revision": snapshot.revision,
        "flags": len(snapshot.flags), "segments": len(snapshot.segments), "digest": snapshot.digest,
    }  # fmt: skip
    if json:
        return answer(found)
    heading(f"{file} is valid.")
    facts([(name, str(value)) for name, value in found.items() if name not in ("ok", "digest")])
    return say(f"digest  {found['digest']}")


def _invalid(file: str, error: Exception) -> Failure:
    field, problem, accepted = (str(getattr(error, name, "")) for name in ("field", "problem", "accepted"))
    return usage(f"{file} is not a valid snapshot", f"give {accepted}", f"{field}: {problem}")
