"""The Model Context Protocol's own conformance suite, unmodified, against our server factory and transport.

It runs in its release for the older era, and in that for 2026-07-28 with the requirements of both revisions. Who is let
in is not asked here: `tests/surfaces/test_mcp_http.py` tests that.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.clients_js.toolchain import node
from tests.mcp_conformance.serving import served

HERE = Path(__file__).parent
EXPECTED: dict[str, dict[str, str]] = yaml.safe_load((HERE / "expected_failures.yml").read_text())
SUITES = {
    "older": ("conformance", "--suite", "active"),
    "2025-11-25": ("conformance-2026", "--requirements", "2025-11-25"),
    "2026-07-28": ("conformance-2026", "--requirements", "2026-07-28"),
}
LEAST = {"older": 30, "2025-11-25": 33, "2026-07-28": 50}
"""So many scenarios there are at least: a suite that ran none has shown nothing."""
LINE = re.compile(r"^([✓✗]) ([a-z0-9-]+): (\d+) passed, (\d+) failed", re.MULTILINE)


@pytest.fixture(scope="module")
def program() -> str:
    """Node, with the suites installed."""
    try:
        return node(HERE)
    except pytest.fail.Exception as why:
        pytest.skip(f"the conformance suite cannot be installed: {str(why)[:300]}")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.mark.parametrize("era", SUITES)
def test_the_suite_passes_but_for_what_is_listed_with_its_reason(
    era: str, program: str, url: str, tmp_path: Path
) -> None:
    package, *more = SUITES[era]
    suite = HERE / "node_modules" / package / "dist" / "index.js"
    ran = subprocess.run(
        [program, str(suite), "server", "--url", url, *more],
        cwd=tmp_path, env=os.environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip
    scenarios = LINE.findall(ran.stdout)
    failed = {name for mark, name, _, _ in scenarios if mark == "✗"}
    assert len(scenarios) >= LEAST[era], ran.stdout[-2000:] + ran.stderr[-2000:]
    assert failed == EXPECTED[era].keys(), f"{ran.stdout[-3000:]}\n{ran.stderr[-1000:]}"


def test_every_expected_failure_has_a_reason() -> None:
    assert EXPECTED.keys() == SUITES.keys()
    assert all(len(reason) > 20 for each in EXPECTED.values() for reason in each.values())
