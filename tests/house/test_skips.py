"""A test that needs a missing program skips with its reason; where nothing may skip, the same test fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import ROOT

STORY = """
import pytest
from tests import needs

def test_asks_for_what_no_machine_has():
    needs.program("no-such-program", package="no-such-package")

def test_runs():
    assert True

@pytest.mark.xfail(reason="known", strict=True)
def test_expected():
    assert False
"""
MODULE = "import pytest\n\npytest.skip('needs the program `no-such-program`', allow_module_level=True)\n"


def run(story: Path, no_skip: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-c",
        ROOT / "pyproject.toml",
        "--rootdir",
        ROOT,
    ]
    command += ["-p", "tests.conftest", story]
    environment = {**os.environ, "TWOKEY_NO_SKIP": no_skip, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_a_missing_program_skips_and_says_which(tmp_path: Path) -> None:
    story = tmp_path / "test_story.py"
    story.write_text(STORY)
    ran = run(story, "0")
    assert ran.returncode == 0
    assert "needs the program `no-such-program`: install the system package `no-such-package`" in ran.stdout


def test_in_ci_a_missing_program_fails(tmp_path: Path) -> None:
    story = tmp_path / "test_story.py"
    story.write_text(STORY)
    ran = run(story, "1")
    assert ran.returncode == 1
    assert "1 failed, 1 passed, 1 xfailed" in ran.stdout


@pytest.mark.parametrize(("no_skip", "code"), [("0", {0, 5}), ("1", {1, 2})])
def test_a_whole_module_that_skips_is_seen_too(tmp_path: Path, no_skip: str, code: set[int]) -> None:
    story = tmp_path / "test_module.py"
    story.write_text(MODULE)
    assert run(story, no_skip).returncode in code
