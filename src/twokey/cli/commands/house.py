"""`twokey serve`, `init`, `demo`: the commands that run on the server's own machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twokey.cli import options, serving
from twokey.cli.failures import usage
from twokey.cli.output import answer, facts, heading, say, tell
from twokey.cli.runtime import Runtime, runtime

if TYPE_CHECKING:
    from twokey.settings import Provider


def serve(
    data: options.Data = Path("twokey-data"),
    database: options.Database = "",
    host: serving.Host = "127.0.0.1",
    port: serving.Port = 8080,
    workers: serving.Workers = 1,
    secure_cookies: serving.SecureCookies = False,
    proxy: serving.Proxies = None,
    audit_name: serving.AuditName = "",
    checkpoint_to: serving.CheckpointTo = None,
    monitor: serving.Monitor = 60.0,
    keep_days: serving.KeepDays = 90,
    keep_attribute: serving.KeepAttributes = None,
    telemetry: serving.Telemetry = "",
    prometheus: serving.Prometheus = None,
    github_webhook: serving.GithubWebhook = None,
    runbooks: serving.Runbooks = None,
    oidc_issuer: serving.OidcIssuer = "",
    oidc_client: serving.OidcClient = "",
    oidc_secret_file: serving.OidcSecretFile = None,
    oidc_name: serving.OidcName = "",
    oidc_create: serving.OidcCreate = False,
    oidc_agents: serving.OidcAgents = "",
    origin: serving.Origins = None,
    evaluations: serving.Evaluations = 3_000_000,
    visible_evaluations: serving.VisibleEvaluations = 6_000,
    record_evaluations: serving.RecordEvaluations = False,
    public_url: serving.PublicUrl = "",
    agent_host: serving.AgentHosts = None,
    agent_origin: serving.AgentOrigins = None,
    agent_calls: serving.AgentCalls = 600,
) -> None:
    """Run the server: control room, API, signals, evaluation, jobs."""
    from twokey.cli import local

    listening = local.Listening(
        host=host,
        port=port,
        workers=workers,
        secure_cookies=secure_cookies,
        proxies=tuple(proxy or ()),
        audit_name=audit_name,
        checkpoint_to=tuple(checkpoint_to or ()),
        runbooks=runbooks,
        provider=_provider(oidc_issuer, oidc_client, oidc_secret_file, oidc_name, oidc_agents, create=oidc_create),
        **_watching(monitor, keep_days, keep_attribute, telemetry, prometheus, github_webhook),
        **_evaluating(origin, evaluations, visible_evaluations, record=record_evaluations),
        **_meeting_agents(public_url, agent_host, agent_origin, agent_calls),
    )
    local.serve(local.Where(data, database), listening)


def _watching(
    monitor: float,
    keep_days: int,
    keep_attributes: list[str] | None,
    telemetry: str,
    prometheus: list[str] | None,
    github: list[str] | None,
) -> dict[str, Any]:
    """What is said of telemetry, and of what is told from elsewhere."""
    return {
        "monitor": monitor,
        "keep_days": keep_days,
        "keep_attributes": tuple(keep_attributes or ()),
        "telemetry": telemetry,
        "prometheus": tuple(_prometheus(each) for each in prometheus or ()),
        "github_secrets": tuple(_github(each) for each in github or ()),
    }


def _meeting_agents(public_url: str, hosts: list[str] | None, origins: list[str] | None, most: int) -> dict[str, Any]:
    """What is said of agents that come over HTTP."""
    return {
        "public_url": public_url,
        "agent_hosts": tuple(hosts or ()),
        "agent_origins": tuple(origins or ()),
        "agent_calls": most,
    }


def _evaluating(origins: list[str] | None, most: int, most_visible: int, *, record: bool) -> dict[str, Any]:
    """What is said of clients that evaluate here."""
    return {
        "origins": tuple(origins or ("*",)),
        "evaluations": most,
        "visible_evaluations": most_visible,
        "record_evaluations": record,
    }


def init(
    project: Annotated[str, typer.Option(help="The first project.")],
    environment: Annotated[str, typer.Option(help="Its first environment.")],
    approver: Annotated[
        list[str] | None, typer.Option(help="A role that must agree to changes, repeatable. [default: release_manager]")
    ] = None,
    from_: Annotated[str, typer.Option("--from", help="A file with its first flags: a snapshot or a state.")] = "",
    username: Annotated[str, typer.Option(help="The first administrator. [default: you are asked]")] = "",
    name: Annotated[str, typer.Option(help="What people call them. [default: the username]")] = "",
    generate: Annotated[bool, typer.Option("--generate", help="Make their password, instead of a link.")] = False,
    password_stdin: options.PasswordStdin = False,
    data: options.Data = Path("twokey-data"),
    database: options.Database = "",
    json: options.Json = False,
) -> None:
    """Create the data folder, the first environment and the first administrator.

    A one-time link is printed, by which they choose their own password.
    """
    from twokey.cli.commands.access import new_password, say_link
    from twokey.cli.files import read_text
    from twokey.cli.local import First, Where, initialise

    world = runtime()
    flags = read_text(world, from_) if from_ else ""
    username = username or _ask_username(world)
    given = generate or password_stdin
    password = new_password(world, generate=generate, password_stdin=password_stdin) if given else None
    approvers = tuple(approver or ["release_manager"])
    place, link = initialise(
        First(project, environment, approvers, username, name, password, flags), Where(data, database)
    )
    shown = {"project": project, "environment": environment, "administrator": username, "kept in": place}
    if json:
        secret = {"password": password if generate else None, "invitation": link}
        told = {key: value for key, value in secret.items() if value}
        return answer({key.replace(" ", "_"): value for key, value in shown.items()} | told)
    heading("Ready.")
    facts(shown.items())
    if generate and password:
        tell("The administrator's password is shown this once:")
        say(password)
    if link:
        say_link(world, link)
    return tell("", "Next: `twokey serve`, then the link, and `twokey user create` for whoever approves.")


def demo(
    auto: Annotated[
        bool, typer.Option("--auto", help="Turn both keys, close the case, verify the log, and end.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    json: options.Json = False,
) -> None:
    """Play a release gone wrong, on real components, in a throw-away folder. It waits for your keys."""
    from twokey.cli.local import demo as run

    if code := run(auto=auto, port=port, json=json):
        raise typer.Exit(code)


def _place(told: str) -> tuple[str, str] | None:
    """A project and an environment. Raises Failure for something else."""
    project, _, environment = told.partition("/")
    if told and (not project or not environment or "/" in environment):
        raise usage(f"`{told}` is no place", "write PROJECT/ENVIRONMENT")
    return (project, environment) if told else None


def _provider(
    issuer: str, client: str, secret_file: Path | None, name: str, agents_in: str, *, create: bool
) -> Provider | None:
    """The identity provider that was asked for. Raises Failure for half of one."""
    agents = _place(agents_in)
    if not issuer and agents:
        raise usage("Agents would come by the tokens of no provider", "add --oidc-issuer")
    if not issuer:
        return None
    if not client:
        raise usage("The OpenID provider has no client", "add --oidc-client, as the provider gave it")
    try:
        secret = secret_file.read_text("utf-8").strip() if secret_file else ""
    except OSError as error:
        raise usage(
            f"The client's secret cannot be read: {error}", "give --oidc-secret-file a file that is there"
        ) from None
    from twokey.settings import Provider

    return Provider(issuer=issuer, client_id=client, secret=secret, name=name, create=create, agents=agents)


def _prometheus(told: str) -> tuple[str, str]:
    """A place and its Prometheus: `PROJECT/ENVIRONMENT=ADDRESS`, or an address for every other place."""
    place, _, address = told.partition("=")
    return (place, address) if place.count("/") == 1 and "://" not in place else ("", told)


def _github(told: str) -> tuple[str, str]:
    """An environment and the secret of its webhook. Raises Failure where the file cannot be read, or holds none."""
    place, _, file = told.partition("=")
    try:
        secret = Path(file).read_text("utf-8").strip() if place.count("/") == 1 and file else ""
    except OSError as error:
        raise usage(f"The webhook's secret cannot be read: {error}", "name a file that is there") from None
    if not secret:
        raise usage(f"`{told}` names no webhook", "write PROJECT/ENVIRONMENT=FILE, and the secret into that file")
    return place, secret


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command("serve")(serve)
    app.command("init")(init)
    app.command("demo")(demo)


def _ask_username(world: Runtime) -> str:
    if not world.terminal.is_attended():
        return "admin"
    name = world.terminal.ask("Username of the first administrator [admin]:").strip() or "admin"
    if not name.isascii() or not name.isprintable():
        raise usage("That is no username", "use small letters, digits, `.`, `_` and `-`")
    return name
