"""The small things that pages are made of."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.cli import views
from twokey.cli import output
from twokey.cli.columns import GAP, LEAST, widths
from twokey.cli.pages.charts import axis_of, drawn, marks
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


def on_screen(word: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A table with this word, on a terminal that knows colours."""
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    output.table(("STATE",), [[word]])
    return screen.getvalue()


def test_a_terminal_gets_colour_beside_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[31mbreached" in on_screen("breached", monkeypatch)
    assert "\x1b[32mholding" in on_screen("holding", monkeypatch)


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = on_screen("breached", monkeypatch)
    assert "\x1b[31m" not in shown
    assert "breached" in shown


def test_text_of_others_brings_no_colour_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = on_screen("\x1b[31mbreached", monkeypatch)
    assert "\x1b[31mbreached" not in shown
    assert "\\x1b[31mbreached" in shown


class TestCharts:
    def chart(self) -> dict[str, Any]:
        """Two lines of different length: the candidate came ten minutes later, and missed a bucket."""
        found = views.series()
        found["lines"] = [
            {"variation": "new", "points": [self.point(10, 1.0), self.point(8, None), self.point(6, 3.0)]},
            {"variation": "old", "points": [self.point(minute, 1.0) for minute in range(20, 5, -2)]},
        ]
        found["markers"] = [
            {"at": self.point(10, 0)["at"], "text": "widened", "kind": "change"},
            {"at": self.point(10, 0)["at"], "text": "also", "kind": "signal"},
            {"at": self.point(90, 0)["at"], "text": "long before", "kind": "change"},
        ]
        return found

    @staticmethod
    def point(minutes_ago: float, value: float | None) -> dict[str, Any]:
        return {"at": views.ago(minutes_ago).isoformat(), "value": value, "units": 20}

    def test_lines_that_began_at_different_times_share_one_axis(self) -> None:
        chart = self.chart()
        axis = axis_of(chart)
        assert axis is not None
        new, old = (drawn(line, axis, 1.0, 3.0) for line in chart["lines"])
        assert (new, old) == ("·····▁·█··", "▁▁▁▁▁▁▁▁··")

    def test_a_change_is_marked_where_it_was(self) -> None:
        chart = self.chart()
        axis = axis_of(chart)
        assert axis is not None
        assert marks(chart, axis) == "     ^    "

    def test_nothing_measured_is_no_chart(self) -> None:
        assert axis_of(views.series() | {"lines": []}) is None

    def test_one_point_is_a_chart(self) -> None:
        chart = views.series() | {"lines": [{"variation": "new", "points": [self.point(0, 1.0)]}]}
        axis = axis_of(chart)
        assert axis is not None
        assert drawn(chart["lines"][0], axis, 1.0, 1.0) == "▁"
