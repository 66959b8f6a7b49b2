"""A sign of life: after a while, on a terminal, on standard error; otherwise nothing."""

import io
import time

import pytest

from twokey.cli import progress as module
from twokey.cli.progress import progress


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_sees_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with progress("Working"):
        time.sleep(0.02)
    assert capsys.readouterr() == ("", "")


def test_what_is_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    with progress("Working"):
        pass
    assert screen.getvalue() == ""


def test_what_takes_long_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr("sys.stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with progress("Working"):
        deadline = time.monotonic() + 5
        while "Working" not in screen.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "Working" in screen.getvalue()


def test_an_error_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Screen())
    with pytest.raises(KeyError), progress("Working"):
        raise KeyError
