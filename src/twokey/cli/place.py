"""Which project and environment a command is about: said, set for the terminal, or the only one there is."""

from __future__ import annotations

from twokey.cli.exits import Exit
from twokey.cli.failures import Failure, usage
from twokey.cli.runtime import Runtime
from twokey.cli.server import Server, path

Place = tuple[str, str]


def choose(world: Runtime, server: Server, project: str | None, environment: str | None) -> Place:
    """Project and environment. Raises Failure where several fit: it never guesses."""
    project = project or world.env.get("TWOKEY_PROJECT")
    environment = environment or world.env.get("TWOKEY_ENVIRONMENT")
    if project and environment:
        return project, environment
    return _only([(each["project"], each["key"]) for each in server.get(path("environments"))], project, environment)


def only_project(server: Server) -> str:
    """The only project there is. Raises Failure where there are several: it never guesses."""
    projects = sorted({each["project"] for each in server.get(path("environments"))})
    if len(projects) != 1:
        raise usage("Several projects fit", "add --project", f"there are {', '.join(projects) or 'none'}")
    return str(projects[0])


def address(place: Place, *parts: str) -> str:
    """The path of something in an environment."""
    return path("projects", place[0], "environments", place[1], *parts)


def _only(known: list[Place], project: str | None, environment: str | None) -> Place:
    found = [each for each in known if project in (None, each[0]) and environment in (None, each[1])]
    if len(found) == 1:
        return found[0]
    if not known:
        raise Failure(Exit.NOT_FOUND, "There is no environment yet", "", "create one with `twokey init`")
    names = ", ".join(f"{name}/{key}" for name, key in (found or known))
    if not found:
        raise Failure(Exit.NOT_FOUND, "There is no such environment", "", f"choose one of: {names}")
    raise usage("Several environments fit", "add --project and --environment", f"there are {names}")
