"""OpenFeature's suite and one client that it is asked of.

A client says how it makes a provider in each of the states that the suite names, and what it cannot do: `Expected`
names a scenario (one row of it, where `row` names columns) that fails, and why. It has to fail.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import pytest
from gherkin.parser import Parser
from gherkin.pickles.compiler import Compiler
from pytest_bdd.scenario import scenario_wrapper_template_registry as BOUND  # noqa: N812 - it stays the same

from tests import needs

DOMAIN = "suite"
FEATURES = (
    "evaluation.feature",
    "evaluation_v2.feature",
    "hooks.feature",
    "metadata.feature",
    "contextMerging.feature",
)


def features() -> list[str]:
    """The suite's files; the module that asks for them is skipped where they are absent."""
    try:
        home = needs.shared("standards", "openfeature-gherkin")
    except pytest.skip.Exception as missing:
        pytest.skip(str(missing), allow_module_level=True)
    return [str(home / name) for name in FEATURES]


def count() -> int:
    """How many scenarios the suite has, each row of an outline counted, by the reference parser."""
    home, found = needs.shared("standards", "openfeature-gherkin"), 0
    for name in FEATURES:
        document = Parser().parse((home / name).read_text(encoding="utf-8"))
        found += len(Compiler().compile({**document, "uri": name}))
    return found


def bound(module: ModuleType) -> int:
    """How many of them a test module runs."""
    scenarios = [BOUND[each] for each in vars(module).values() if callable(each) and each in BOUND]
    rows = ([row for table in each.examples for row in table.as_contexts()] for each in scenarios)
    return sum(len(each) or 1 for each in rows)


class Expected(NamedTuple):
    """A scenario that a client cannot pass."""

    scenario: str
    reason: str
    row: Mapping[str, str] = {}


class Subject(Protocol):
    """A client under test."""

    expected: Sequence[Expected]

    def bind(self, status: str, stack: ExitStack) -> None:
        """Make a provider of this status ("stable", "not ready", "error", "fatal", "stale") OpenFeature's for `DOMAIN`.

        Where the client cannot, make the one that comes closest: the scenario is then expected to fail.
        """

    def context(self) -> dict[str, Any]:
        """The context that was last evaluated, as it reached what decides."""
