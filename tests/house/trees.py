"""Python sources as syntax trees, for the rules that no linter holds."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.needs import ROOT

PACKAGE = ROOT / "src" / "twokey"


def sources(*parts: str) -> list[Path]:
    """Every Python file of the package, or of one of its folders."""
    return sorted(PACKAGE.joinpath(*parts).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(module: ast.Module) -> Iterator[tuple[str, str | None]]:
    """(module, name) for every import, late ones included; the name is None where the module itself is imported."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def shown(path: Path, node: ast.AST) -> str:
    """Where a thing stands, as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"
