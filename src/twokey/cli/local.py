"""What runs on the server's own machine: serve, set up, play the demo, verify the log in its database.

Rules this module keeps:

- Everything is imported when it is called: a command that only speaks HTTP never loads a database driver.
- Reading a log from a database creates nothing: neither a folder nor an empty database where there was none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twokey.cli.exits import Exit
from twokey.cli.failures import Failure, usage
from twokey.cli.output import tell

if TYPE_CHECKING:
    from twokey.settings import Provider, Settings

SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Where:
    """Where a server keeps its data: a folder, and a database outside of it where one is named."""

    data: Path
    database: str = ""

    def exists(self) -> bool:
        """Whether anything was set up here. A database server is asked when it is opened, not before."""
        file = sqlite_file(self.database) if self.database else self.data / "twokey.db"
        return file is None or file.exists()


@dataclass(frozen=True)
class Listening:
    """How a server is reached: by the names of `Settings`, which this command does not load for its help."""

    host: str
    port: int
    workers: int = 1
    secure_cookies: bool = False
    proxies: tuple[str, ...] = ()
    audit_name: str = ""
    checkpoint_to: tuple[str, ...] = ()
    monitor: float = 60.0
    keep_days: int = 90
    keep_attributes: tuple[str, ...] = ()
    telemetry: str = field(default="", repr=False)
    prometheus: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    github_secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    runbooks: Path | None = None
    provider: Provider | None = None
    origins: tuple[str, ...] = ("*",)
    evaluations: int = 3_000_000
    visible_evaluations: int = 6_000
    record_evaluations: bool = False
    public_url: str = ""
    agent_hosts: tuple[str, ...] = ()
    agent_origins: tuple[str, ...] = ()
    agent_calls: int = 600


@dataclass(frozen=True)
class First:
    """The first environment with its approver roles, and the first administrator. `flags` is the text of a file."""

    project: str
    environment: str
    approvers: tuple[str, ...]
    username: str
    name: str
    password: str | None
    flags: str = ""


def serve(where: Where, listening: Listening) -> None:
    """Run the server until it is told to stop."""
    if not where.exists():
        place = where.database or where.data
        raise Failure(Exit.NOT_FOUND, f"There is nothing to serve in `{place}`", "", "create it with `twokey init`")
    from twokey import wiring

    tell(f"Twokey listens on http://{listening.host}:{listening.port}. Stop it with Ctrl-C.")
    with our_errors():
        wiring.serve(_settings(where, listening))


def initialise(first: First, where: Where) -> tuple[str, str | None]:
    """Create the store and what is first in it: the store's address, and the secret of the administrator's link."""
    from twokey import wiring
    from twokey.domain.policy import Environment

    settings = _settings(where)
    with our_errors():
        environment = Environment(project=first.project, key=first.environment, approvers=first.approvers)
        administrator = wiring.Administrator(
            username=first.username, name=first.name or first.username, password=first.password
        )
        secret = wiring.initialise(settings, environment, administrator, _initial(first) if first.flags else None)
    return where.database or str(where.data), secret


def recover(username: str, where: Where) -> str:
    """The secret of a new one-time link for somebody, by whoever keeps the store."""
    if not where.exists():
        raise Failure(Exit.NOT_FOUND, f"There is no store in `{where.database or where.data}`", "", "give its --data")
    from twokey import wiring

    with our_errors():
        return wiring.recover(_settings(where), username)


def demo(*, auto: bool, port: int, json: bool) -> int:
    """Play the demo; its exit code."""
    from twokey.demo.main import run

    return run(auto=auto, json=json, port=port)


def verify_database(url: str, head: str) -> dict[str, object]:
    """Verify the log in a database; `head` is a hash that must be in it."""
    url = url if "://" in url else SQLITE + url
    where = Where(data=Path(), database=url)
    if not where.exists():
        raise Failure(Exit.NOT_FOUND, f"There is no database `{url}`", "", "write it like sqlite:///path/twokey.db")
    import msgspec

    from twokey import wiring

    with our_errors():
        store = wiring.open_store(_settings(where), migrate=False)
        try:
            with store.read() as uow:
                result = uow.audit.verify()
                if result.ok and head and not _has(uow.audit, head):
                    problem = f"the log ends before it comes to {head}"
                    result = msgspec.structs.replace(result, ok=False, broken_at=result.entries, problem=problem)
        finally:
            store.close()
    return dict(msgspec.to_builtins(result))


def accept_log(where: Where, reason: str) -> bool:
    """Accept a log that contradicts what was signed last; whether it did."""
    from twokey import wiring

    with our_errors():
        return wiring.accept_restored(_settings(where), reason)


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite address; nothing for any other database."""
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


@contextmanager
def our_errors() -> Iterator[None]:
    """What went wrong in this very process, told like what a server would say."""
    from twokey.domain.errors import Conflict, Invalid, NotFound, Refused

    try:
        yield
    except Invalid as error:
        raise usage(f"{error.field} {error.problem}", f"give {error.accepted}") from None
    except NotFound as error:
        raise Failure(Exit.NOT_FOUND, str(error.args[0])) from None
    except Conflict as error:
        raise Failure(Exit.CONFLICT, error.message, "", error.remedy) from None
    except Refused as error:
        raise Failure(Exit.REFUSED, error.message) from None
    except OSError as error:
        raise Failure(Exit.ERROR, f"`{error.filename or 'a file'}` cannot be used", error.strerror or "") from None


def _settings(where: Where, listening: Listening | None = None) -> Settings:
    from twokey.settings import Settings

    listens = vars(listening) if listening else {}
    return Settings(data=where.data, database=where.database, **listens)


def _has(log: Any, head: str) -> bool:
    start = 0
    while page := log.entries(start=start):
        if any(entry.hash == head for entry in page):
            return True
        start = page[-1].index + 1
    return False


def _initial(first: First) -> Any:
    from twokey.cli.first_flags import state_of

    return state_of(first.flags, first.project, first.environment, first.username)
