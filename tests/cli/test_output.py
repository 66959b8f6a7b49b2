"""The small things that pages are made of."""

import io
from datetime import UTC, datetime

import pytest

from twokey.cli import output
from twokey.cli.columns import GAP, LEAST, widths
from twokey.cli.pages.proposals import merged
from twokey.cli.times import ago, stamp

NOW = datetime(2026, 3, 5, 3, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("2026-03-05T03:19:30Z", "now"),
        ("2026-03-05T03:16:00+00:00", "4 min ago"),
        ("2026-03-05T01:20:00+01:00", "3 h ago"),
        ("2026-03-08T03:20:00Z", "in 3 d"),
        ("nonsense", "nonsense"),
        (None, ""),
    ],
)
def test_how_long_ago(moment: str | None, shown: str) -> None:
    assert ago(moment, NOW) == shown


def test_a_time_is_shown_in_utc() -> None:
    assert stamp("2026-03-05T05:20:00+02:00") == "2026-03-05 03:20 UTC"


@pytest.mark.parametrize("natural", [[5, 5], [30, 200, 9], [300, 300, 300], [17, 8, 120, 40, 9], [80]])
def test_columns_fit_and_keep_something_for_each(natural: list[int]) -> None:
    found = widths(natural, {0}, 80)
    assert sum(found) + GAP * (len(natural) - 1) <= 80
    assert all(width >= min(LEAST, wanted) for width, wanted in zip(found, natural, strict=True))
    assert all(width <= wanted for width, wanted in zip(found, natural, strict=True))


def test_a_table_that_fits_is_left_alone() -> None:
    assert widths([10, 20], {0}, 80) == [10, 20]


def test_both_sides_of_a_change_become_one() -> None:
    def line(marker: str, text: str) -> dict[str, str]:
        return {"marker": marker, "text": text}

    now = [line("same", "a"), line("removed", "b"), line("same", "c")]
    then = [line("added", "0"), line("same", "a"), line("added", "B"), line("same", "c"), line("added", "d")]
    shown = [f"{each['marker'][0]}{each['text']}" for each in merged(now, then)]
    assert shown == ["a0", "sa", "rb", "aB", "sc", "ad"]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(word: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table with this word, on a terminal that knows colours."""
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    output.table(("STATE",), [[word]])
    return screen.getvalue()


def test_a_terminal_gets_colour_beside_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[31mbreached" in drawn("breached", monkeypatch)
    assert "\x1b[32mholding" in drawn("holding", monkeypatch)


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = drawn("breached", monkeypatch)
    assert "\x1b[31m" not in shown
    assert "breached" in shown


def test_text_of_others_brings_no_colour_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = drawn("\x1b[31mbreached", monkeypatch)
    assert "\x1b[31mbreached" not in shown
    assert "\\x1b[31mbreached" in shown
