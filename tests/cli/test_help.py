"""The help: what it says, that every command has one, and that it says the truth about exit codes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.cli.snapshot import assert_matches
from tests.cli.world import Person
from twokey.cli.exits import MEANINGS, Exit
from twokey.cli.main import app

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "cli.md"


ROOT: Any = get_command(app)


def paths(command: Any = ROOT, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield before
    for name, child in getattr(command, "commands", {}).items():
        yield from paths(child, (*before, name))


@pytest.mark.parametrize("command", list(paths()), ids=" ".join)
def test_the_help_of_every_command_is_as_reviewed(ines: Person, command: tuple[str, ...]) -> None:
    shown = ines.runs(*command, "--help")
    assert shown.code == 0
    assert_matches("-".join(("help", *command)), shown.out)


def test_every_command_that_answers_also_answers_machines(ines: Person) -> None:
    texts = {("audit", each) for each in ("checkpoint", "key", "proof")}  # texts in formats of their own
    silent = {
        ("audit", "export"),
        ("serve",),
        ("mcp",),
        ("account", "totp", "add"),
        *texts,
    }  # a stream of JSON lines already; two servers; a picture
    leaves = {each for each in paths() if not any(other[:-1] == each for other in paths() if other)}
    without = {each for each in leaves if "--json" not in ines.runs(*each, "--help").out}
    assert without == silent


def test_no_option_takes_a_password() -> None:
    for command in paths():
        found = ROOT
        for name in command:
            found = found.commands[name]
        for option in found.params:
            names = " ".join(option.opts)
            assert "password" not in names or (names == "--password-stdin" and option.is_flag)
            assert "password" not in str(getattr(option, "envvar", "")).lower()


def test_the_exit_codes_of_help_and_guide_are_those_of_the_program(ines: Person) -> None:
    shown, guide = ines.runs("--help").out, GUIDE.read_text("utf-8")
    for code in Exit:
        assert f"{code.value}  {MEANINGS[code]}" in shown
        assert f"| {code.value} | {MEANINGS[code]} |" in guide


def test_every_command_is_in_the_guide() -> None:
    guide = GUIDE.read_text("utf-8")
    for command in paths():
        if len(command) == 2 or command in [("serve",), ("init",), ("demo",), ("login",), ("logout",), ("whoami",)]:
            assert f"twokey {' '.join(command)}" in guide


def test_the_version_is_the_package_s(ines: Person) -> None:
    from twokey import __version__

    assert ines.runs("--version").out == f"twokey {__version__}\n"


def test_an_unknown_option_is_a_usage_error(ines: Person) -> None:
    ended = ines.runs("case", "list", "--nope")
    assert (ended.code, ended.out) == (Exit.USAGE, "")
    assert "--nope" in ended.err


def test_the_help_loads_no_network_and_no_database() -> None:
    heavy = "httpx, sqlalchemy, duckdb, fastapi, pydantic, rich, yaml, numpy, uvicorn"
    code = f"import sys; import twokey.cli.main; print([m for m in '{heavy}'.split(', ') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
