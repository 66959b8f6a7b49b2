"""Tools for outside agents."""

from __future__ import annotations

import typer

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


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(mcp)
