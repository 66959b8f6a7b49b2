"""Series as one line of blocks."""

from twokey.documents.sparkline import sparkline


def test_a_rise_is_a_rise() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"


def test_nobody_measured_is_a_gap_and_not_a_zero() -> None:
    assert sparkline([0, None, 1]) == "▁·█"
    assert sparkline([None, None]) == "··"
    assert sparkline([]) == ""


def test_a_flat_line_is_flat() -> None:
    assert sparkline([3, 3, 3]) == "▁▁▁"


def test_two_lines_on_one_scale_can_be_compared() -> None:
    assert sparkline([2000, 2000], 2000, 3000) == "▁▁"
    assert sparkline([2000, 3000, 9000, 0], 2000, 3000) == "▁██▁"
