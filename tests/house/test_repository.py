"""What the repository promises about itself: its README's commands, its version, its sizes, and what it never holds."""

import ast
import importlib.metadata
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import twokey
from tests.house.trees import shown, sources, tree
from tests.needs import ROOT

LONGEST_FILE = 400
LONGEST_FUNCTION = 50
# Each word in two parts, so that this file does not hold what it looks for.
HOSTS = ["py" + "pi.org", "python" + "hosted", "npm" + "js.org", "npm" + "js.com", "deb." + "debian.org"]
PLACES = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/", "/opt/wh" + "eels", "/fa" + "rm/"]
# The folder of a user `twokey` in a unit file or a container is nobody's machine.
NOT_A_PLACE = re.compile("/ho" + r"me/(twokey|user)\b")


def tracked() -> list[Path]:
    ran = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if ran.returncode != 0:
        pytest.fail("this test reads what git tracks, and this folder is no checkout")
    return [path for name in ran.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def recipes() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def commands(page: str) -> set[str]:
    """The recipes that a page's code names: in fenced blocks, and between backticks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    code = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    return {name for part in code for name in re.findall(r"\bmake ([a-z-]+)", part)}


def functions(module: ast.Module) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_the_commands_of_a_page_are_recipes(page: str) -> None:
    assert commands(page) <= recipes()


def test_the_readme_names_the_two_commands() -> None:
    assert {"demo", "test"} <= commands("README.md")


def test_make_alone_lists_the_recipes() -> None:
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True).stdout
    assert set(re.findall(r"^  make ([a-z-]+) ", listed, re.MULTILINE)) == recipes()


def test_the_installed_package_has_the_version_that_the_code_tells() -> None:
    assert importlib.metadata.version("twokey") == twokey.__version__


def test_the_changelog_knows_the_version_or_says_unreleased() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in {"Unreleased", twokey.__version__}


def test_no_tracked_file_names_a_registry_or_a_machine() -> None:
    found = []
    for path in tracked():
        text = NOT_A_PLACE.sub("", path.read_bytes().decode("utf-8", errors="ignore"))
        found += [f"{path.relative_to(ROOT)}: {word}" for word in HOSTS + PLACES if word in text]
    assert found == []


def test_every_pin_has_its_hash() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        pins = re.split(r"\n(?=[a-z0-9])", path.read_text())[1:]
        assert pins, path
        assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def declared(of: dict[str, list[Any]]) -> set[str]:
    names = [each for part in of.values() for each in part if isinstance(each, str)]
    return {re.split(r"[<>=~! \[]", each)[0].lower() for each in names}


def test_what_is_declared_is_pinned() -> None:
    """Whoever edits `pyproject.toml` runs `make requirements` after it."""
    house = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = declared({"core": house["project"]["dependencies"], **house["project"]["optional-dependencies"]})
    assert needed - pinned("runtime.txt") == set()
    assert (needed | declared({"dev": house["dependency-groups"]["dev"]})) - pinned("dev.txt") == set()


def pinned(name: str) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements" / name).read_text(), re.MULTILINE))


def test_what_the_server_runs_on_is_what_was_tested() -> None:
    """A library has the same pin at run time and under test."""
    runtime, dev = (
        set(re.findall(r"^([a-z0-9._-]+==\S+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE))
        for name in ("runtime.txt", "dev.txt")
    )
    assert runtime - dev == set()


def test_files_have_one_job_and_are_short() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in sources()}
    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_functions_do_one_thing_and_are_short() -> None:
    found = {f"{shown(path, each)} {each.name}": length(each) for path in sources() for each in functions(tree(path))}
    assert {where: lines for where, lines in found.items() if lines > LONGEST_FUNCTION} == {}


def test_every_module_says_what_it_is_for() -> None:
    written = [path for path in sources() if path.stat().st_size]
    assert [shown(path, tree(path)) for path in written if not ast.get_docstring(tree(path))] == []
