"""What an import contract cannot see: clocks read through `datetime`, files opened by a builtin, foreign libraries."""

import ast
import sys
from pathlib import Path

import pytest

from tests.house.trees import PACKAGE, imports, shown, sources, tree

ALLOWED = {
    "engine": {"msgspec", "mmh3"},
    "domain": {"msgspec", "numpy", "scipy"},
}
CLOCKS = {"now", "utcnow", "today"}
BUILTINS = {"open", "print", "input", "eval", "exec", "breakpoint", "__import__"}
FILES = {"read_text", "write_text", "read_bytes", "write_bytes", "unlink", "mkdir"}
PURE = [path for room in ("engine", "domain", "documents") for path in sources(room)]
# The numeric libraries serve the statistics, and nothing else of the domain.
NUMERIC = {"numpy", "scipy"}


def impurities(path: Path, module: ast.Module) -> list[str]:
    """Every call that reads a clock, touches a file, prints, or runs text as code."""
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call)]
    return [f"{shown(path, call)} calls `{ast.unparse(call.func)}`" for call in calls if _impure(call.func)]


def _impure(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in BUILTINS
    return isinstance(function, ast.Attribute) and function.attr in CLOCKS | FILES


def foreign(module: ast.Module) -> set[str]:
    roots = {name.partition(".")[0] for name, _ in imports(module)}
    return roots - sys.stdlib_module_names - {"twokey"}


def test_the_pure_core_reads_no_clock_and_touches_nothing() -> None:
    assert [each for path in PURE for each in impurities(path, tree(path))] == []


@pytest.mark.parametrize(
    "line", ["datetime.now(UTC)", "date.today()", "open('x')", "print(1)", "Path('x').read_text()", "eval('1')"]
)
def test_an_impure_line_is_seen(line: str) -> None:
    assert len(impurities(PACKAGE / "engine" / "planted.py", ast.parse(f"def f():\n    {line}"))) == 1


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_the_pure_core_stands_on_few_libraries(room: str) -> None:
    used = {path: foreign(tree(path)) for path in sources(room)}
    assert {
        shown(path, tree(path)): names - ALLOWED[room] for path, names in used.items() if names - ALLOWED[room]
    } == {}


def test_only_the_statistics_of_the_domain_are_numeric() -> None:
    used = [path.name for path in sources("domain") if foreign(tree(path)) & NUMERIC]
    assert all("statistics" in str(path) or "guardrail" in str(path) for path in used), used


def test_drafting_takes_nothing_from_publish_that_publishes() -> None:
    """`publish` is shared by the steps; what an assistant may call takes from it only what sets a proposal aside."""
    taken = {
        name
        for step in ("draft_proposal.py", "submit_finding.py")
        for module, name in _imports_of(PACKAGE / "steps" / step)
        if module == "twokey.steps.publish" or (module == "twokey.steps" and name == "publish")
    }
    assert taken <= {"gate_of", "set_aside", "release_case"}


def _imports_of(path: Path) -> list[tuple[str, str | None]]:
    return list(imports(tree(path))) if path.exists() else []
