"""The import contracts hold; and each of them breaks, alone, on a breach planted for it.

A contract that nobody has seen break may be one that cannot.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.needs import ROOT

CONTRACTS: dict[str, str] = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

# The contract, the module that breaks it, and the line it breaks it with.
BREACHES = [
    ("layers", "documents/planted.py", "import twokey.ports"),
    ("layers", "planted.py", "'''a room that the plan of the house does not show'''"),
    ("surfaces", "surfaces/planted.py", "import twokey.surfaces.mcp_server"),
    ("surfaces", "surfaces/auth.py", "import twokey.surfaces.mcp_server"),
    ("adapters", "adapters/planted.py", "import twokey.adapters.system"),
    ("steps", "steps/planted.py", "import twokey.steps.apply_change"),
    ("steps", "steps/publish.py", "import twokey.steps.apply_change"),
    ("client-engine", "client/planted.py", "import twokey.domain"),
    ("client-demo", "cli/planted.py", "import twokey.client"),
    ("pure-engine", "engine/planted.py", "import random"),
    ("pure-engine", "engine/planted.py", "def late():\n    import sqlalchemy"),
    ("pure-domain", "domain/planted.py", "import time"),
    ("pure-domain", "documents/planted.py", "import logging"),
    ("wireless-steps", "steps/planted.py", "import httpx"),
    ("doors-without-stores", "surfaces/planted.py", "from sqlalchemy import select"),
    ("assistants-draft", "surfaces/mcp_server/planted.py", "from twokey.steps import apply_change"),
    ("assistants-draft", "surfaces/mcp_server/planted.py", "from twokey.steps import publish"),
    ("assistant-process", "assistant/planted.py", "from twokey.steps import submit_finding"),
    ("assistant-process", "assistant/planted.py", "def late():\n    import sqlalchemy"),
    ("assistant-process", "assistant/planted.py", "from cryptography.hazmat.primitives.asymmetric import ed25519"),
    ("model-library", "cli/planted.py", "import pydantic_ai"),
    ("model-library", "surfaces/planted.py", "from openai import OpenAI"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package and its contracts, where a breach does no harm."""
    home = tmp_path_factory.mktemp("house")
    leave = shutil.ignore_patterns("__pycache__", "control_room")
    shutil.copytree(ROOT / "src" / "twokey", home / "twokey", ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", home)
    return home


def broken(home: Path) -> set[str]:
    """The names of the contracts that the import linter finds broken."""
    environment = {**os.environ, "PYTHONPATH": str(home), "COLUMNS": "500", "NO_COLOR": "1"}
    linter = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([linter, "--no-cache"], cwd=home, env=environment, capture_output=True, text=True)
    found = set(re.findall(r"^(.+?) BROKEN", ran.stdout, re.MULTILINE))
    kept = set(re.findall(r"^(.+?) KEPT", ran.stdout, re.MULTILINE))
    assert found | kept == set(CONTRACTS.values()), ran.stdout + ran.stderr
    assert (ran.returncode != 0) == bool(found)
    return found


@pytest.fixture(scope="module")
def already(copy: Path) -> set[str]:
    """Broken without any planting: one red test says so, and not every one."""
    return broken(copy)


def test_every_contract_is_kept(already: set[str]) -> None:
    assert already == set()


@pytest.mark.parametrize(("contract", "module", "line"), BREACHES)
def test_a_planted_breach_breaks_its_contract_alone(
    copy: Path, already: set[str], contract: str, module: str, line: str
) -> None:
    planted = copy / "twokey" / module
    before = planted.read_text() if planted.exists() else None
    planted.write_text(f"{before or ''}\n{line}\n")
    try:
        assert broken(copy) - already == {CONTRACTS[contract]} - already
    finally:
        planted.unlink() if before is None else planted.write_text(before)


def test_every_contract_has_a_planted_breach() -> None:
    assert {contract for contract, _, _ in BREACHES} == set(CONTRACTS)
