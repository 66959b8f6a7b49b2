"""What a test needs and the repository does not hold: a program of the system, or data kept beside the checkout.

A test asks by calling one of these; where the thing is missing the test skips and says so. Under `TWOKEY_NO_SKIP=1`
(which CI sets) `conftest.py` turns every skip into a failure.
"""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
POSTGRES_HOMES = Path("/usr/lib/postgresql")


def shared(*parts: str) -> Path:
    """A file or folder of the shared data: below `TWOKEY_SHARED`, or below `shared` beside the checkout."""
    home = Path(os.environ.get("TWOKEY_SHARED") or ROOT.parent / "shared")
    found = home.joinpath(*parts)
    if not found.exists():
        pytest.skip(f"needs the shared data `{Path(*parts)}`: set TWOKEY_SHARED to the folder that holds it")
    return found


def program(name: str, package: str | None = None) -> Path:
    """The full path of a program of the system, such as `prometheus-alertmanager`."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"needs the program `{name}`: install the system package `{package or name}`")
    return Path(found)


def postgres() -> Path:
    """The folder that holds PostgreSQL's `initdb`, `pg_ctl` and `postgres`, the newest where there are several."""
    homes = sorted(POSTGRES_HOMES.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if homes:
        return homes[-1].parent
    return program("initdb", package="postgresql").resolve().parent


def chromium() -> Path:
    return program("chromium")
