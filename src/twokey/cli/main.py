"""The `twokey` command.

Rules this module keeps:

- It starts fast: a command's own work is imported when it runs.
- Every failure ends with its documented exit code and says what happened, why, and what to do; with `--json` the same
  is also one JSON object on standard output.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from twokey.cli.commands import (
    access,
    account,
    assistant,
    audit,
    case,
    change,
    environment,
    experiment,
    flag,
    govern,
    house,
    policy,
    proposal,
    rollout,
    sign_in,
    snapshot,
)
from twokey.cli.exits import Exit, table
from twokey.cli.failures import Failure
from twokey.cli.output import answer, tell
from twokey.cli.runtime import CURRENT, Runtime

EPILOG = f"""\b
Environment:
  TWOKEY_URL          the server [default: http://127.0.0.1:8080]
  TWOKEY_TOKEN        a bearer token to read and draft with
  TWOKEY_PROJECT      the project, where --project is not given
  TWOKEY_ENVIRONMENT  the environment, where --environment is not given

\b
Exit codes:
{table()}
"""

app = typer.Typer(
    name="twokey",
    help="Release control that takes two keys: an assistant drafts, people or a written policy decide.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
house.register(app)
sign_in.register(app)
app.add_typer(flag.app, name="flag")
app.add_typer(environment.app, name="env")
app.add_typer(case.app, name="case")
app.add_typer(proposal.app, name="proposal")
app.add_typer(change.app, name="change")
app.add_typer(rollout.app, name="rollout")
app.add_typer(experiment.app, name="experiment")
app.add_typer(policy.app, name="policy")
app.add_typer(audit.app, name="audit")
app.add_typer(access.tokens, name="token")
app.add_typer(access.users, name="user")
account.register(app)
assistant.register(app)
govern.register(app)
app.add_typer(snapshot.app, name="snapshot")


def _version(wanted: bool) -> None:
    if wanted:
        from twokey import __version__

        sys.stdout.write(f"twokey {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Release control that takes two keys: an assistant drafts, people or a written policy decide."""


def main() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets its escape instead of a crash.
        with suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(run(sys.argv[1:], Runtime()))


def run(arguments: Sequence[str], world: Runtime) -> int:
    """Run one command in this world; its exit code."""
    token = CURRENT.set(world)
    try:
        app(args=list(arguments), prog_name="twokey")
    except SystemExit as ended:
        return _code(ended.code)
    except Failure as failure:
        return _fail(failure, json="--json" in arguments)
    except BrokenPipeError:
        # Whoever read the output has read enough. Python would complain once more when it closes the stream.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
        return _code(Exit.OK)
    except Exception as error:  # a person gets a sentence, not a traceback
        if world.env.get("TWOKEY_DEBUG"):
            raise
        return _fail(_unexpected(error), json="--json" in arguments)
    finally:
        CURRENT.reset(token)
    return Exit.OK


def _fail(failure: Failure, *, json: bool) -> int:
    tell(*failure.lines())
    if json:
        answer(failure.as_json())
    return int(failure.exit)


def _unexpected(error: Exception) -> Failure:
    remedy = "set TWOKEY_DEBUG=1 to see where; an older server than this command can be the reason"
    return Failure(Exit.ERROR, "Something unexpected went wrong", f"{type(error).__name__}: {error}", remedy)


def _code(code: object) -> int:
    return code if isinstance(code, int) else (Exit.OK if code is None else Exit.ERROR)


if __name__ == "__main__":
    main()
