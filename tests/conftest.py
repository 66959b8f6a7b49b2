"""Fixtures for every test, and the rule that nothing skips in CI.

`shared_data` gives the folder of third-party data; `tests.needs` holds the same and the system programs as plain
functions, for module and session fixtures.
"""

import os
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import needs

NO_SKIP = os.environ.get("TWOKEY_NO_SKIP") == "1"

# A shell that runs this in the background ignores Ctrl-C, and every program that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The machines that run this are shared and slow at times: examples are counted, never timed.
# Where nothing may skip, a change is judged by the same examples each time; on a desk others are looked for.
settings.register_profile("twokey", deadline=None, derandomize=NO_SKIP)
settings.load_profile("twokey")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of shared third-party data (`TWOKEY_SHARED`, or `shared` beside the checkout)."""
    return needs.shared()


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root folder."""
    return needs.ROOT


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _strict(item, (yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _strict(collector, (yield))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the hostile suite counted (`tests/attacks/hostile.py`), from whichever worker it ran in."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.stats.get(kind, ())]
    told = [each.user_properties for each in reports if each.when == "call"]
    lines = [value for each in told for name, value in each if name == "hostile"]
    if lines:
        from tests.attacks.hostile import hostile_lines

        terminalreporter.section("hostile suite")
        for line in hostile_lines(lines):
            terminalreporter.write_line(line)


def _strict(node: pytest.Item | pytest.Collector, report: Any) -> Any:
    """A skip becomes a failure where nothing may skip; an expected failure stays what it is."""
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{node.nodeid} skipped, and TWOKEY_NO_SKIP=1 allows no skip: {_reason(report.longrepr)}"
    return report


def _reason(longrepr: Any) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
