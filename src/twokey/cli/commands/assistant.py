"""Assistants: tools for outside agents, and a model beside the analyst."""

from __future__ import annotations

from typing import Annotated

import typer

from twokey.cli import assisting, options
from twokey.cli.failures import usage
from twokey.cli.runtime import runtime
from twokey.cli.server import by_token, check_channel, connect, path


def mcp() -> None:
    """Serve an agent's tools on standard input and output (MCP). Needs TWOKEY_TOKEN, of an agent."""
    world = runtime()
    token = world.env.get("TWOKEY_TOKEN", "").strip()
    if not token:
        raise usage("there is no token for the agent", "put the secret of an agent's token into TWOKEY_TOKEN")
    with connect(world, by_token(token)) as server:
        told = server.get(path("token"))
    if told["kind"] != "agent":
        raise usage(
            f"`{told['name']}` is a {told['kind']}'s token", "create an agent's token with `twokey token create`"
        )
    check_channel(world)
    from twokey.surfaces.mcp_server.stdio import serve

    serve(world.url, token, told["scopes"])


def assist(
    case: Annotated[str, typer.Argument(help="The case to look at; or --watch for every new one.")] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Look at every case that is triaged from here on.")] = False,
    provider: assisting.Provider = "",
    model: assisting.Model = "",
    model_url: assisting.ModelUrl = "",
    key_env: assisting.KeyEnv = "",
    requests: assisting.Requests = 16,
    input_tokens: assisting.InputTokens = 300_000,
    output_tokens: assisting.OutputTokens = 24_000,
    seconds: assisting.Seconds = 180.0,
    request_seconds: assisting.RequestSeconds = 60.0,
    content: assisting.Content = False,
    keep: assisting.Keep = None,
    every: assisting.Every = 5.0,
    most_an_hour: assisting.MostAnHour = 20,
    hours: assisting.Hours = 24.0,
    json: options.Json = False,
) -> None:
    """Ask a model about a case, beside the analyst. Needs TWOKEY_TOKEN, of an agent: it can only draft."""
    if bool(case) == watch:
        raise usage("what to look at is not said", "name a case, or give --watch")
    world = runtime()
    check_channel(world)
    given = {"provider": provider, "model": model, "url": model_url, "key_env": key_env}
    budget = {
        "requests": requests,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "seconds": seconds,
        "request_seconds": request_seconds,
    }
    prepared = assisting.prepared(world, given, budget, content=content, keep=keep, json=json)
    if watch:
        return assisting.watch(world, prepared, every=every, most_an_hour=most_an_hour, hours=hours)
    return assisting.one_case(world, prepared, case)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(mcp)
    app.command()(assist)
