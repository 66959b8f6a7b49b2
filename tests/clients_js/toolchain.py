"""Node, and what a folder's `package-lock.json` names, for clients in JavaScript.

Node on PATH is used where it is new enough, otherwise the wheel that also builds the control room. What the lock file
names is installed into `node_modules` when that is missing or older. Nothing of this skips: a machine that can install
the Python packages can install these.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hatch_build
from tests.needs import ROOT

HERE = Path(__file__).parent
PATIENCE = 300


@functools.cache
def npm(folder: Path = HERE) -> list[str]:
    """The command that runs npm; after it, everything of the folder's lock file is installed."""
    found = hatch_build._system_npm(folder) or hatch_build._wheel_npm() or _from_the_wheel()
    if not hatch_build._installed(folder):
        _run([*found, "ci", "--ignore-scripts"], folder)
    return found


@functools.cache
def node(folder: Path = HERE) -> str:
    """The program that runs JavaScript, new enough for what the folder holds."""
    first = npm(folder)[0]
    beside = shutil.which("node") if Path(first).name == "npm" else first
    assert beside is not None
    return beside


def bundle(folder: Path) -> Path:
    """The page's script, with everything that it imports."""
    made = folder / "client.js"
    _run([*npm(), "run", "--silent", "build", "--", f"--outfile={made}", "--log-level=warning"])
    return made


def _from_the_wheel() -> list[str]:
    """As `make pages` does where there is no Node."""
    uv = Path(sys.executable).with_name("uv")
    _run(
        [str(uv), "pip", "install", "--python", sys.executable, "--require-hashes", "-r", "requirements/build.txt"],
        ROOT,
    )
    importlib.invalidate_caches()
    found = hatch_build._wheel_npm()
    assert found is not None
    return found


def _run(command: list[str], folder: Path = HERE) -> None:
    # Scripts start `node` by name, so the chosen one comes first on PATH.
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}
    ran = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE
    )
    if ran.returncode != 0:
        said = f"{ran.stdout}\n{ran.stderr}".strip()[-3000:]
        pytest.fail(f"the JavaScript clients need `{' '.join(command)}`, and it failed:\n{said}", pytrace=False)


class NodeClient:
    """OpenFeature's server SDK in a Node process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [node(), str(HERE / "node_client.js")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def connect(self, domain: str, url: str, *headers: tuple[str, str]) -> str:
        """The status of a new provider for this domain."""
        status: str = self._ask("connect", domain=domain, baseUrl=url, headers=headers)
        return status

    def details(self, domain: str, type: str, key: str, fallback: Any, **context: Any) -> dict[str, Any]:
        """The details of an evaluation."""
        found: dict[str, Any] = self._ask(
            "details", domain=domain, type=type, key=key, fallback=fallback, context=context
        )
        return found

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(20) == 0

    def _ask(self, verb: str, **rest: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"verb": verb, **rest}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer
        return answer.get("value")
