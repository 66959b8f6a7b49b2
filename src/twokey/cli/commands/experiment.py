"""`twokey experiment`: hypotheses about a split, what they are judged by, and what came of them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from twokey.cli import options
from twokey.cli.output import answer, tell
from twokey.cli.place import address, choose
from twokey.cli.runtime import runtime
from twokey.cli.server import connect, path

app = typer.Typer(no_args_is_help=True, help="Experiments: begin, read, end. What decides is fixed before they begin.")
Flag = Annotated[str, typer.Argument(help="The flag's key.")]


@app.command("list")
def list_experiments(
    project: options.Project = None, environment: options.Environment = None, json: options.Json = False
) -> None:
    """List the experiments that run, with what each has shown so far."""
    world = runtime()
    with connect(world) as server:
        rows = server.get(address(choose(world, server, project, environment), "experiments"))
    if json:
        return answer(rows)
    from twokey.cli.pages.experiments import experiment_table

    return experiment_table(rows)


@app.command("show")
def show_experiments(
    flag: Flag,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Show a flag's experiments, the newest first: the hypothesis, the interval, what to do."""
    world = runtime()
    with connect(world) as server:
        rows = server.get(address(choose(world, server, project, environment), "flags", flag, "experiments"))
    if json:
        return answer(rows)
    from twokey.cli.pages.experiments import experiment_pages

    return experiment_pages(flag, rows)


@app.command("begin")
def begin_experiment(
    flag: Flag,
    key: Annotated[str, typer.Option(help="A short name of its own.")],
    hypothesis: Annotated[str, typer.Option(help="What you expect, and why.")],
    candidate: Annotated[str, typer.Option(help="The variation that is compared with the baseline.")],
    metric: Annotated[str, typer.Option(help="The one metric that decides.")],
    better: Annotated[str, typer.Option(help="higher or lower: the direction of the hypothesis.")],
    reason: options.Reason,
    kind: Annotated[str, typer.Option(help="rate, mean, ratio, or tail: the share of units past --limit.")] = "rate",
    per: Annotated[str, typer.Option(help="The metric that a ratio divides by.")] = "",
    limit: Annotated[float, typer.Option(help="The value past which a unit counts, for a tail.")] = 0.5,
    rule: Annotated[str, typer.Option(help="The rule that splits. [default: what everybody else gets]")] = "",
    ends: Annotated[str, typer.Option(help="Its planned last day, YYYY-MM-DD.")] = "",
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Draft the beginning of an experiment: it begins once the proposal's keys are turned."""
    primary = {"metric": metric, "kind": kind, "better": better, "limit": limit}
    experiment = {
        "key": key,
        "hypothesis": hypothesis,
        "candidate": candidate,
        "rule": rule or None,
        "ends": ends or None,
        "primary": primary | ({"denominator": per} if per else {}),
    }
    _draft(flag, experiment, reason, project, environment, json=json)


@app.command("end")
def end_experiment(
    flag: Flag,
    reason: options.Reason,
    project: options.Project = None,
    environment: options.Environment = None,
    json: options.Json = False,
) -> None:
    """Draft the end of a flag's experiment. What anybody gets stays as it is."""
    _draft(flag, None, reason, project, environment, json=json)


def _draft(
    flag: str,
    experiment: dict[str, Any] | None,
    reason: str,
    project: str | None,
    environment: str | None,
    *,
    json: bool,
) -> None:
    world = runtime()
    operation = {"op": "set_experiment", "flag": flag, "experiment": experiment}
    with connect(world) as server:
        project, environment = choose(world, server, project, environment)
        draft = {"project": project, "environment": environment, "operations": [operation], "reason": reason}
        view = server.post(path("proposals"), draft)
    tell(f"Drafted {view['id']}. Nothing has changed: it waits for its keys.")
    if json:
        return answer(view)
    from twokey.cli.pages.proposals import proposal_page

    return proposal_page(view)
