"""The options of `twokey serve`. Each has a variable `TWOKEY_...` of its own."""

from pathlib import Path
from typing import Annotated

import typer

Host = Annotated[str, typer.Option(envvar="TWOKEY_HOST", help="Address to listen on.")]
Port = Annotated[int, typer.Option(envvar="TWOKEY_PORT", min=0, max=65535, help="Port to listen on.")]
Workers = Annotated[int, typer.Option(envvar="TWOKEY_WORKERS", min=0, help="Threads that do the jobs.")]
SecureCookies = Annotated[
    bool, typer.Option("--secure-cookies", envvar="TWOKEY_SECURE_COOKIES", help="Behind TLS: cookies by TLS only.")
]
Proxies = Annotated[
    list[str] | None,
    typer.Option(envvar="TWOKEY_PROXIES", help="A reverse proxy that is believed, repeatable. [default: none]"),
]
AuditName = Annotated[
    str, typer.Option(envvar="TWOKEY_AUDIT_NAME", help="What the log is called in its checkpoints. [default: by key]")
]
KeepDays = Annotated[
    int, typer.Option(envvar="TWOKEY_KEEP_DAYS", min=0, help="Days that telemetry is kept; 0 for ever.")
]
KeepAttributes = Annotated[
    list[str] | None,
    typer.Option(
        envvar="TWOKEY_KEEP_ATTRIBUTE", help="An attribute of contexts that is kept, repeatable. [default: all]"
    ),
]
Telemetry = Annotated[
    str,
    typer.Option(
        envvar="TWOKEY_TELEMETRY",
        help="clickhouse://USER:PASSWORD@HOST:PORT/DATABASE that keeps telemetry. [default: in the data folder]",
    ),
]
Prometheus = Annotated[
    list[str] | None,
    typer.Option(
        envvar="TWOKEY_PROMETHEUS",
        help="[PROJECT/ENVIRONMENT=]ADDRESS, repeatable: the Prometheus that guardrails by query ask. [default: none]",
    ),
]
Runbooks = Annotated[
    Path | None,
    typer.Option(
        envvar="TWOKEY_RUNBOOKS", help="A folder of Markdown files whose steps the analyst may cite. [default: none]"
    ),
]
GithubWebhook = Annotated[
    list[str] | None,
    typer.Option(
        envvar="TWOKEY_GITHUB_WEBHOOK",
        help="PROJECT/ENVIRONMENT=FILE, repeatable: the secret of GitHub's webhook for it. [default: none]",
    ),
]
Monitor = Annotated[
    float,
    typer.Option(
        envvar="TWOKEY_MONITOR", min=0, help="Seconds between two looks at the guardrails of every flag; 0 for none."
    ),
]
CheckpointTo = Annotated[
    list[str] | None,
    typer.Option(
        envvar="TWOKEY_CHECKPOINT_TO",
        help="A folder or address that keeps signed checkpoints of the log, repeatable. [default: none]",
    ),
]
OidcIssuer = Annotated[
    str, typer.Option(envvar="TWOKEY_OIDC_ISSUER", help="An OpenID provider that people may sign in by.")
]
OidcClient = Annotated[str, typer.Option(envvar="TWOKEY_OIDC_CLIENT", help="This server's client id at it.")]
OidcSecretFile = Annotated[
    Path | None, typer.Option(envvar="TWOKEY_OIDC_SECRET_FILE", help="A file with the client's secret, if it has one.")
]
OidcName = Annotated[str, typer.Option(envvar="TWOKEY_OIDC_NAME", help="What people call it.")]
OidcCreate = Annotated[
    bool, typer.Option("--oidc-create", envvar="TWOKEY_OIDC_CREATE", help="Add whom nobody here knows, without roles.")
]
OidcAgents = Annotated[
    str,
    typer.Option(
        envvar="TWOKEY_OIDC_AGENTS",
        help="PROJECT/ENVIRONMENT that agents come into by its access tokens. [default: by tokens of ours alone]",
    ),
]
PublicUrl = Annotated[
    str,
    typer.Option(envvar="TWOKEY_PUBLIC_URL", help="The address that people and agents reach this server at."),
]
AgentHosts = Annotated[
    list[str] | None,
    typer.Option(
        envvar="TWOKEY_AGENT_HOSTS",
        help="A Host that agents may name, repeatable. [default: this machine, --public-url]",
    ),
]
AgentOrigins = Annotated[
    list[str] | None,
    typer.Option(
        envvar="TWOKEY_AGENT_ORIGINS",
        help="A web origin whose pages are agents, repeatable. [default: this machine, --public-url]",
    ),
]
AgentCalls = Annotated[
    int, typer.Option(envvar="TWOKEY_AGENT_CALLS", min=1, help="Requests a minute for each agent's token.")
]
Origins = Annotated[
    list[str] | None,
    typer.Option(envvar="TWOKEY_ORIGINS", help="A web origin whose pages may evaluate, repeatable. [default: any]"),
]
Evaluations = Annotated[
    int, typer.Option(envvar="TWOKEY_EVALUATIONS", min=1, help="Evaluation requests a minute for each token.")
]
VisibleEvaluations = Annotated[
    int,
    typer.Option(
        envvar="TWOKEY_VISIBLE_EVALUATIONS", min=1, help="The same for each address that comes with a client key."
    ),
]
RecordEvaluations = Annotated[
    bool,
    typer.Option(
        "--record-evaluations", envvar="TWOKEY_RECORD_EVALUATIONS", help="Keep what OFREP served as exposures."
    ),
]
