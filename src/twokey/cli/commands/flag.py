"""`twokey flag`: look at flags, ask why somebody gets what, draft a new one or a copy."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from twokey.cli import options
from twokey.cli.failures import usage
from twokey.cli.files import parse_json, read_document
from twokey.cli.output import answer, tell
from twokey.cli.place import address, choose
from twokey.cli.runtime import runtime
from twokey.cli.server import connect, path

app = typer.Typer(no_args_is_help=True, help="Flags: list, show, explain, draft a new one, copy.")
Key = Annotated[str, typer.Argument(help="The flag's key.")]


@app.command("list")
def list_flags(
    project: options.Project = None,
    environment: options.Environment = None,
    archived: Annotated[bool, typer.Option("--archived", help="Show archived flags too.")] = False,
    json: options.Json = False,
) -> None:
    """List the flags of an environment."""
    world = runtime()
    with connect(world) as server:
        place = choose(world, server, project, environment)
        rows = server.get(address(place, "flags"), archived="true" if archived else None)
    if json:
        return answer(rows)
    from twokey.cli.pages.flags import flag_table

    return flag_table(rows, place)


@app.command("show")
def show_flag(
    key: Key,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Show one flag: targeting, guardrails, who met it, history."""
    world = runtime()
    with connect(world) as server:
        view = server.get(address(choose(world, server, project, environment), "flags", key))
    if json:
        return answer(view)
    from twokey.cli.pages.flags import flag_page

    return flag_page(view)


@app.command("explain")
def explain_flag(
    key: Key,
    context: Annotated[str, typer.Option(help="The context, as a JSON object.")] = "",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="One attribute, NAME=VALUE; the value is JSON, else text.")
    ] = None,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Say what a context gets, and why: which rule, which bucket."""
    world = runtime()
    asked = _context(context, set_ or [])
    with connect(world) as server:
        place = choose(world, server, project, environment)
        view = server.post(address(place, "flags", key, "explain"), {"context": asked})
    if json:
        return answer(view)
    from twokey.cli.pages.flags import explain_page

    return explain_page(key, view)


@app.command("insights")
def show_insights(
    key: Key,
    minutes: Annotated[int, typer.Option(min=1, max=10080, help="How far to look back.")] = 60,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Draw who met a flag over time, by variation: evaluations, units, what was served instead, and its guardrails."""
    world = runtime()
    with connect(world) as server:
        place = choose(world, server, project, environment)
        view = server.get(address(place, "flags", key))
        series = server.get(address(place, "flags", key, "insights"), minutes=minutes)
        for guardrail in view["guardrails"]:
            series.append(
                server.get(address(place, "flags", key, "series"), guardrail=guardrail["key"], minutes=minutes)
            )
    if json:
        return answer(series)
    from twokey.cli.pages.flags import insights_page

    return insights_page(view, series)


@app.command("create")
def create_flag(
    key: Key,
    owner: Annotated[str, typer.Option(help="Who answers for it.")],
    purpose: Annotated[str, typer.Option(help="What it is for.")],
    reason: Annotated[str, typer.Option(help="Why it is needed now; approvers read this.")],
    variation: Annotated[
        list[str] | None,
        typer.Option(
            "--variation", help="KEY or KEY=VALUE, repeatable; the value is JSON, else text. [default: off, on]"
        ),
    ] = None,
    baseline: Annotated[str, typer.Option(help="The known safe variation. [default: the first one]")] = "",
    type_: Annotated[
        str, typer.Option("--type", help="boolean, string, integer, number or object. [default: that of the values]")
    ] = "",
    unit: Annotated[str, typer.Option(help="The context attribute that is bucketed.")] = "targetingKey",
    surface: Annotated[str, typer.Option(help="feature, prompt, model, retrieval, guardrail, tool, ...")] = "feature",
    review_date: Annotated[str, typer.Option(help="When somebody looks again, YYYY-MM-DD (temporary flags).")] = "",
    cleanup_condition: Annotated[str, typer.Option(help="What must be true before it is removed.")] = "",
    permanent_because: Annotated[str, typer.Option(help="Why it stays for good; makes it permanent.")] = "",
    approver: Annotated[list[str] | None, typer.Option(help="A role that must agree to changes, repeatable.")] = None,
    caution: Annotated[list[str] | None, typer.Option(help="Variations, most cautious first, repeatable.")] = None,
    workflow: Annotated[str, typer.Option(help="The workflow it belongs to.")] = "",
    guardrails: Annotated[str, typer.Option(help="A YAML or JSON file with a list of guardrails.")] = "",
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Draft a new flag. It starts switched off, and exists once the proposal's keys are turned."""
    world = runtime()
    from twokey.cli.new_flag import Governance, Values, control_of

    values = Values(key=key, variations=tuple(variation or ()), baseline=baseline, type=type_, unit=unit)
    governance = Governance(
        owner=owner, purpose=purpose, surface=surface, review_date=review_date, cleanup_condition=cleanup_condition,
        permanent_because=permanent_because, approvers=tuple(approver or ()), caution=tuple(caution or ()),
        workflow=workflow, guardrails=tuple(_guardrails(guardrails)),
    )  # fmt: skip
    operation = {"op": "create_flag", "control": control_of(values, governance)}
    with connect(world) as server:
        project, environment = choose(world, server, project, environment)
        draft = {"project": project, "environment": environment, "operations": [operation], "reason": reason}
        view = server.post(path("proposals"), draft)
    tell(f"The flag `{key}` does not exist yet: {view['id']} waits for its keys.")
    if json:
        return answer(view)
    from twokey.cli.pages.proposals import proposal_page

    return proposal_page(view)


@app.command("copy")
def copy_flags(
    keys: Annotated[list[str], typer.Argument(help="The flags' keys.")],
    source: Annotated[str, typer.Option("--from", help="The environment that has them as they shall be.")],
    reason: options.Reason,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Draft what makes flags in an environment what they are in another, with the segments they need."""
    world = runtime()
    from twokey.cli.copies import draft_copy

    with connect(world) as server:
        place = choose(world, server, project, environment)
        draft_copy(server, place, source, keys, reason, json=json)


def _guardrails(file: str) -> list[Any]:
    found = read_document(runtime(), file) if file else []
    if not isinstance(found, list):
        raise usage(f"`{file}` holds no list of guardrails", "write a list, each with key, metric, kind and limit")
    return found


def _context(text: str, pairs: list[str]) -> dict[str, Any]:
    from twokey.cli.new_flag import value_of

    context = parse_json(text, "--context") if text else {}
    if not isinstance(context, dict):
        raise usage("--context is not a JSON object", 'write it like {"targetingKey": "u-1", "plan": "pro"}')
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise usage(f"`{pair}` is not NAME=VALUE", "write it like `--set plan=pro`")
        context[name] = value_of(value)
    return context
