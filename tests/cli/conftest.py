import os
from pathlib import Path

import pytest

from tests.cli.world import Person


@pytest.fixture(autouse=True)
def _a_plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 columns, no colour, nothing set for Twokey: the same on every machine."""
    for name in [*os.environ]:
        if name.startswith("TWOKEY_") or name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")


@pytest.fixture
def ines(tmp_path: Path) -> Person:
    """A release manager at her terminal."""
    return Person(home=tmp_path)
