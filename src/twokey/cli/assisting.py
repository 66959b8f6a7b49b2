"""The options of `twokey assist`, and a run of it from start to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twokey.cli.exits import Exit
from twokey.cli.failures import Failure, usage
from twokey.cli.output import say, section, tell
from twokey.cli.runtime import Runtime
from twokey.documents.text import plain, plain_json

if TYPE_CHECKING:
    from twokey.assistant.guard import Guard
    from twokey.assistant.run import Outcome
    from twokey.assistant.server import Server
    from twokey.assistant.settings import Settings

Provider = Annotated[
    str,
    typer.Option(envvar="TWOKEY_MODEL_PROVIDER", help="openai, openai-responses or anthropic: the protocol spoken."),
]
Model = Annotated[str, typer.Option(envvar="TWOKEY_MODEL", help="The model's name, as the provider has it.")]
ModelUrl = Annotated[
    str, typer.Option(envvar="TWOKEY_MODEL_URL", help="The provider's address. [default: the provider's own]")
]
KeyEnv = Annotated[
    str,
    typer.Option(
        envvar="TWOKEY_MODEL_KEY_ENV",
        help="The variable that holds the provider's key. [default: OPENAI_API_KEY or ANTHROPIC_API_KEY]",
    ),
]
Requests = Annotated[int, typer.Option(envvar="TWOKEY_MODEL_REQUESTS", min=1, help="Requests a case, tries included.")]
InputTokens = Annotated[int, typer.Option(envvar="TWOKEY_MODEL_INPUT_TOKENS", min=1, help="Tokens read, a case.")]
OutputTokens = Annotated[int, typer.Option(envvar="TWOKEY_MODEL_OUTPUT_TOKENS", min=1, help="Tokens written, a case.")]
Seconds = Annotated[float, typer.Option(envvar="TWOKEY_MODEL_SECONDS", min=1, help="Seconds a case.")]
RequestSeconds = Annotated[
    float, typer.Option(envvar="TWOKEY_MODEL_REQUEST_SECONDS", min=1, help="Seconds a request.")
]  # fmt: skip
Content = Annotated[
    bool,
    typer.Option("--content", envvar="TWOKEY_MODEL_CONTENT", help="Put what is asked and answered into spans."),
]
Keep = Annotated[
    Path | None,
    typer.Option(envvar="TWOKEY_MODEL_KEEP", help="Write each conversation into this folder. [default: kept nowhere]"),
]
Every = Annotated[float, typer.Option(min=1, help="With --watch: seconds between two looks.")]
MostAnHour = Annotated[int, typer.Option(min=1, help="With --watch: cases in an hour.")]
Hours = Annotated[float, typer.Option(min=0.1, help="With --watch: how many hours back a case may have begun.")]


@dataclass(frozen=True, kw_only=True)
class Assisting:
    """What was asked for on the command line."""

    settings: Settings
    token: str
    json: bool


def prepared(
    world: Runtime, given: Mapping[str, Any], budget: Mapping[str, Any], *, content: bool, keep: Path | None, json: bool
) -> Assisting:
    """The settings, checked. Raises Failure."""
    from twokey.assistant.settings import Budget, Misconfigured, Wanted, settings_of

    token = world.env.get("TWOKEY_TOKEN", "").strip()
    if not token:
        raise usage("there is no token for the assistant", "put the secret of an agent's token into TWOKEY_TOKEN")
    try:
        settings = settings_of(Wanted(**given), world.env, Budget(**budget), content=content, keep=keep)
    except Misconfigured as error:
        raise usage(str(error), error.remedy) from None
    try:
        # Reached only where the extra is installed; without it the sentence says so.
        import twokey.assistant.model  # noqa: F401
    except ModuleNotFoundError as error:
        raise usage(
            f"`{error.name}` is not installed", "install the extra `model`: pip install 'twokey[model]'"
        ) from None
    return Assisting(settings=settings, token=token, json=json)


def one_case(world: Runtime, assisting: Assisting, case: str) -> None:
    """Look at one case. Raises Failure where there is no finding."""
    from twokey.assistant.run import Failed, run_case

    async def look(server: Server, guard: Guard) -> Outcome:
        return await run_case(server, assisting.settings, guard, case)

    outcome = _run(world, assisting, look)
    if isinstance(outcome, Failed):
        raise _failure(outcome)
    show(outcome, json=assisting.json)


def watch(world: Runtime, assisting: Assisting, *, every: float, most_an_hour: int, hours: float) -> None:
    """Look at every new case, until somebody ends it."""
    from twokey.assistant.watch import Watch, Watching

    async def look(server: Server, guard: Guard) -> None:
        loop, mine = asyncio.get_running_loop(), asyncio.current_task()
        assert mine is not None  # noqa: S101 - for the type checker: a coroutine runs in a task
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, mine.cancel)
        watching = Watching(every=every, most_an_hour=most_an_hour, hours=hours)
        tell(f"Watching for cases; {assisting.settings.provider} {plain(assisting.settings.model)} is asked.")
        try:
            await Watch(
                server, assisting.settings, guard, watching, world.now,
                done=lambda outcome: show(outcome, json=assisting.json), tell=tell,
            ).run()  # fmt: skip
        except asyncio.CancelledError:
            tell("Ended. What was not finished is looked at when the assistant starts again.")

    _run(world, assisting, look)


def show(outcome: Outcome, *, json: bool) -> None:
    """What came of a run; as JSON on one line, since the watch tells of many."""
    from twokey.assistant.run import Found

    if json:
        say(plain_json(_as_json(outcome), indent=None))
    elif isinstance(outcome, Found):
        _show_finding(outcome.case, outcome.told)
    else:
        tell(f"{outcome.case}: no finding ({outcome.why}): {outcome.summary}")


def _show_finding(case: str, told: Mapping[str, Any]) -> None:
    from twokey.cli.pages.cases import difference, unsupported

    say(f"{case}: {told['id']} stands beside the analyst's finding.")
    drafted = f"{told['proposal']} waits for people." if told["proposal"] else told["why_not_drafted"]
    say(f"  Drafted: {plain(drafted)}")
    section("Where the two differ", (difference(each) for each in told["differences"]))
    section("Figures that nothing supports", (unsupported(each) for each in told["unsupported"]))


def _as_json(outcome: Outcome) -> dict[str, Any]:
    from twokey.assistant.run import Found

    if isinstance(outcome, Found):
        return {"case": outcome.case, **outcome.told}
    return {"case": outcome.case, "why": outcome.why, "summary": outcome.summary, "on_record": outcome.on_record}


def _failure(outcome: Any) -> Failure:
    told = "the case says so" if outcome.on_record else "the server would not hear it: the case does not say so"
    happened = f"The model has no finding of {outcome.case}"
    return Failure(Exit.ERROR, happened, outcome.summary, told, problem=_as_json(outcome))


def _run(world: Runtime, assisting: Assisting, look: Any) -> Any:
    """Run this with a connection to the server. Raises Failure."""
    from twokey.assistant.guard import Guard
    from twokey.assistant.server import Server, ServerTrouble, connection
    from twokey.cli.failures import from_problem

    guard = Guard(assisting.token, assisting.settings.key)

    async def run() -> Any:
        async with connection(world.url, assisting.token) as http:
            server = Server(http)
            await _check_token(server)
            return await look(server, guard)

    try:
        return asyncio.run(run())
    except ServerTrouble as trouble:
        if trouble.status == 0:
            remedy = "start one with `twokey serve`, or set TWOKEY_URL to its address"
            raise Failure(
                Exit.UNREACHABLE, f"The server at {world.url} cannot be reached", str(trouble), remedy
            ) from None
        raise from_problem(trouble.status, {"title": "The server refused", "detail": str(trouble)}) from None


async def _check_token(server: Server) -> None:
    """Only an agent's token: it is the one that can turn no key and send no signal, whatever is made of it."""
    told = await server.get("token")
    if told["kind"] != "agent":
        raise usage(f"`{told['name']}` is a {told['kind']}'s token", "create an agent's with `twokey token create`")
