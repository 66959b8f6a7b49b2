"""One word for one thing: `docs/language.md` and the code agree, in both directions that a machine can see."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.trees import PACKAGE, shown, sources, tree
from tests.needs import ROOT

PAGE = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
# Where a foreign protocol's own word must be spoken.
SPEAKS = {
    "variant": ("client/", "surfaces/ofrep"),
    "incident": (),
}
# Whole names that hold a banned word rightly: the surface that is called so.
MEANT = {"incident_mode"}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, its head left out."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


NOUNS, VERBS = rows("Nouns"), rows("Verbs")
HOMES = [(row[0], row[2]) for row in NOUNS + VERBS if row[2] != "*not built yet*"]
NEVER = {word.strip(): row[0] for row in NOUNS for word in re.sub(r"\(.*?\)", "", row[3]).split(",") if word.strip()}


def defined(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Every name that a module gives to something of its own; names of foreign things are theirs."""
    for node in ast.walk(module):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name, node
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name, node


def words(name: str) -> set[str]:
    """The words of an identifier, in the singular."""
    return {word.lower().removesuffix("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def banned(path: Path, module: ast.Module) -> list[str]:
    inside = path.relative_to(PACKAGE).as_posix()
    spoken = {word for word, places in SPEAKS.items() if places and inside.startswith(places)}
    wrong = {word for word in NEVER if word not in spoken}
    names = [*defined(module), (path.stem, module)]
    return [
        f"{shown(path, node)}: `{name}` says `{word}`; we say `{NEVER[word]}`"
        for name, node in names
        for word in sorted(words(name) & wrong)
        if name.lower() not in MEANT
    ]


@pytest.mark.parametrize(("word", "home"), HOMES)
def test_every_word_has_the_home_that_the_page_names(word: str, home: str) -> None:
    place, *names = re.findall(r"`([^`]+)`", home)
    path = PACKAGE / place
    assert path.exists(), f"`{word}` should live in `{place}`"
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    found = {name for file in files for name, _ in defined(tree(file))} | {
        alias.name
        for file in files
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(names) <= found, f"`{place}` does not hold {set(names) - found}"


def test_no_name_uses_a_word_we_gave_up() -> None:
    assert [each for path in sources() for each in banned(path, tree(path))] == []


@pytest.mark.parametrize(
    "line",
    [
        "def open_incident(): pass",
        "class Variant: pass",
        "incidents = 1",
        "def f(workspace): pass",
        "FeatureToggle = 1",
    ],
)
def test_a_word_we_gave_up_is_seen(line: str) -> None:
    assert len(banned(PACKAGE / "domain" / "planted.py", ast.parse(line))) == 1


def test_openfeature_keeps_its_own_word_where_we_speak_its_protocol() -> None:
    line = ast.parse("variant = resolution.variation")
    assert banned(PACKAGE / "surfaces" / "ofrep.py", line) == []
    assert banned(PACKAGE / "surfaces" / "http_api.py", line) != []


def test_no_word_has_two_rows() -> None:
    seen = [word.strip() for row in NOUNS for word in row[0].split(",")]
    assert len(seen) == len(set(seen))
