"""Fixtures for every test, and the rule that nothing skips in CI.

`shared_data` gives the folder of third-party data; `tests.needs` holds the same and the system programs as plain
functions, for module and session fixtures.
"""

import os
import signal
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests import needs

NO_SKIP = os.environ.get("TWOKEY_NO_SKIP") == "1"
TESTS = needs.ROOT / "tests"

# A shell that runs this in the background ignores Ctrl-C, and every program that a test starts would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The machines that run this are shared and slow at times: examples are counted, never timed.
# Where nothing may skip, a change is judged by the same examples each time; on a desk others are looked for.
settings.register_profile("twokey", deadline=None, derandomize=NO_SKIP)
settings.load_profile("twokey")


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are processors: a quarter of the time they wait, for a page, a lease, a disk."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1


# Files of few tests that take longest: where workers share the tests, who began one of these last would be waited for
# alone. Those that mostly wait, for a lease or a page, stand between those that compute.
FIRST = (
    "e2e/test_rollout_kill.py", "attacks/test_hostile_models.py", "e2e/test_kill.py", "attacks/test_hostile_text.py",
    "e2e/test_governing_pages.py", "attacks/test_one_way_in.py", "attacks/test_whole_api.py", "demo/test_demo.py",
    "attacks/test_eleven_invariants.py", "e2e/test_pages.py", "assistant/test_runs.py", "e2e/test_assist.py",
    "attacks/test_the_gate_as_a_machine.py", "e2e/test_the_loop.py", "e2e/test_clickhouse.py",
    "clients_js/test_web_stream.py", "benchmarks/test_incidents.py", "attacks/test_guessing_passwords.py",
    "mcp_conformance/test_conformance.py", "e2e/test_proofs.py", "clients_js/test_openid_provider.py",
    "steps/test_experiments.py", "attacks/test_the_assistant_boundary.py", "surfaces/test_mcp_clients.py",
    "engine/test_settling.py", "house/test_skips.py",
)  # fmt: skip


# Whose tests say what of the engine and the domain is covered. Those of doors and beyond go through the same lines to
# other ends: tracing them too would take half of their time again, and hide what nobody looks at closely.
TRACED = ("engine", "domain", "documents", "steps", "adapters", "cli", "client")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is traced; and the order of a worker (with `--no-loadscope-reorder`): first what takes long, then the rest
    by the number of tests in a file.
    """
    for each in items:
        if each.path.is_relative_to(TESTS) and each.path.relative_to(TESTS).parts[0] not in TRACED:
            each.add_marker("no_cover")
    if not hasattr(config, "workerinput"):
        return
    ranks = {TESTS / name: rank for rank, name in enumerate(FIRST)}
    sizes = Counter(each.path for each in items)
    items.sort(key=lambda each: (ranks.get(each.path, len(FIRST)), -sizes[each.path], each.path))


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
