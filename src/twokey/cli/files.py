"""Files that people hand to a command: read once, with errors that name the file and the place in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twokey.cli.exits import Exit
from twokey.cli.failures import Failure, usage
from twokey.cli.runtime import Runtime

LARGEST = 64 * 1024 * 1024


def read_text(world: Runtime, file: str) -> str:
    """The text of a file; `-` is standard input."""
    if file == "-":
        return world.terminal.piped_text()
    found = Path(file)
    try:
        if found.stat().st_size > LARGEST:
            raise usage(f"`{file}` is larger than {LARGEST // 1024 // 1024} MB", "give a smaller file")
        return found.read_text("utf-8")
    except FileNotFoundError:
        raise Failure(
            Exit.NOT_FOUND, f"There is no file `{file}`", "", "check the path; `-` is standard input"
        ) from None
    except OSError as error:
        raise usage(f"`{file}` cannot be read", "give a file that can be read", error.strerror or "") from None
    except UnicodeDecodeError:
        raise usage(f"`{file}` is not text", "save it as UTF-8") from None


def read_document(world: Runtime, file: str) -> Any:
    """The value of a YAML or JSON file."""
    text = read_text(world, file)
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return _yaml(text, file)


def parse_json(text: str, what: str) -> Any:
    """A JSON value given on the command line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise usage(f"{what} is not JSON", f'write it like {{"plan": "pro"}}: {error.msg}, at {error.pos}') from None


def write_text(file: Path, text: str) -> None:
    """Write a file, or say why that cannot be."""
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise usage(f"`{file}` cannot be written", "give another path", error.strerror or "") from None


def _yaml(text: str, file: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise usage(f"`{file}` is neither JSON nor YAML", "mend it, then try again", f"at {where}") from None
