"""`twokey case`: what is wrong, and the loop until it is decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twokey.cli import options
from twokey.cli.failures import usage
from twokey.cli.files import write_text
from twokey.cli.output import answer, mention_limit, say, tell
from twokey.cli.runtime import Runtime, runtime
from twokey.cli.server import connect, path

app = typer.Typer(no_args_is_help=True, help="Cases: list, show, note, check, own, close, record.")
Id = Annotated[str, typer.Argument(help="The case's id.")]
CHOICES = "expand, continue, pause, roll_back, clean_up, no_action or resolved_by_itself"


@app.command("list")
def list_cases(
    status: Annotated[str | None, typer.Option(help="open, triaged, acting, watching or closed.")] = None,
    project: options.Project = None,
    environment: options.Environment = None,
    limit: options.Limit = 50,
    json: options.Json = False,
) -> None:
    """List cases, newest first."""
    world = runtime()
    with connect(world) as server:
        rows = server.get(
            path("cases"), project=project, environment=environment, status=status, limit=limit
        )  # fmt: skip
    if json:
        return answer(rows)
    from twokey.cli.pages.cases import case_table

    case_table(rows, world.now())
    return mention_limit(rows, limit)


@app.command("show")
def show_case(
    id: Id,
    no_charts: Annotated[bool, typer.Option("--no-charts", help="Leave the charts out.")] = False,
    json: options.Json = False,
) -> None:
    """Show one case: signals, finding, evidence, proposals, timeline."""
    with connect(runtime()) as server:
        view = server.get(path("cases", id))
        series = [] if json or no_charts else server.get(path("cases", id, "series"))
    if json:
        return answer(view)
    from twokey.cli.pages.cases import case_page

    return case_page(view, series)


@app.command("note")
def add_note(
    id: Id,
    text: Annotated[str, typer.Argument(help="What you want to be read; `-` reads standard input.")],
    json: options.Json = False,
) -> None:
    """Write a note on a case."""
    world = runtime()
    said = world.terminal.piped_text().strip() if text == "-" else text
    with connect(world) as server:
        note = server.post(path("cases", id, "notes"), {"text": said})
    if json:
        return answer(note)
    return tell(f"Noted on {id}.")


@app.command("own")
def own_case(id: Id, owner: Annotated[str, typer.Argument(help="Who owns it.")], json: options.Json = False) -> None:
    """Say who owns a case."""
    with connect(runtime()) as server:
        row = server.post(path("cases", id, "owner"), {"owner": owner})
    if json:
        return answer(row)
    return tell(f"{id} is owned by {row['owner']}.")


@app.command("check")
def check_case(id: Id, json: options.Json = False) -> None:
    """Look at the evidence now: what do the guardrails say?"""
    with connect(runtime()) as server:
        view = server.post(path("cases", id, "check"))
    if json:
        return answer(view)
    from twokey.cli.pages.cases import check_page

    return check_page(view)


@app.command("close")
def close_case(
    id: Id,
    choice: Annotated[str, typer.Option(help=f"{CHOICES}.")] = "",
    rationale: Annotated[str, typer.Option(help="Why this was decided.")] = "",
    outcome: Annotated[str, typer.Option(help="What came of it.")] = "",
    owner: Annotated[str, typer.Option(help="Who answers for it from here on.")] = "",
    review_date: Annotated[str, typer.Option(help="When somebody looks again, YYYY-MM-DD.")] = "",
    json: options.Json = False,
) -> None:
    """Close a case with its decision. Whatever is not given is asked for."""
    world = runtime()
    given = {"choice": choice, "rationale": rationale, "outcome": outcome, "owner": owner, "review_date": review_date}
    with connect(world) as server:
        body = _complete(world, given)
        decision = server.post(path("cases", id, "close"), body)
    if json:
        return answer(decision)
    from twokey.cli.pages.cases import decision_page

    return decision_page(decision)


@app.command("record")
def show_record(
    id: Id,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file.")] = None,
    json: options.Json = False,
) -> None:
    """Print the decision record, as Markdown or, with --json, as JSON."""
    with connect(runtime()) as server:
        if json:
            record = server.get(path("cases", id, "record"), format="json")
            return answer(record)
        text = server.text(path("cases", id, "record"), format="markdown")
    if output is not None:
        write_text(output, text)
        return tell(f"Written to {output}.")
    return say(text.rstrip("\n"))


_QUESTIONS = {
    "choice": f"Decision ({CHOICES}):",
    "rationale": "Why:",
    "outcome": "What came of it:",
    "owner": "Who answers for it from here on:",
    "review_date": "When somebody looks again (YYYY-MM-DD):",
}


def _complete(world: Runtime, given: dict[str, str]) -> dict[str, str]:
    missing = [name for name, value in given.items() if not value]
    if missing and not world.terminal.is_attended():
        wanted = ", ".join("--" + name.replace("_", "-") for name in missing)
        raise usage("A decision is not complete", f"add {wanted}", "a case closes only with all five")
    return {name: value or world.terminal.ask(_QUESTIONS[name]) for name, value in given.items()}
