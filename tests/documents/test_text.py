"""Text of others, made harmless. Each test is a way to deceive somebody who reads a terminal."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twokey.documents.text import clip, plain, plain_json, plain_lines, snake, to_second

ANY = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("attack", "text", "shown"),
    [
        ("clear the screen", "\x1b[2J", "\\x1b[2J"),
        ("colour", "\x1b[31mred", "\\x1b[31mred"),
        ("eight-bit escape", "\x9b2J", "\\x9b2J"),
        ("a link that shows another address", "\x1b]8;;http://x\x07", "\\x1b]8;;http://x\\x07"),
        ("overwrite the line", "refused\rapproved", "refused\\rapproved"),
        ("another line", "a\nAPPROVED by ines", "a\\nAPPROVED by ines"),
        ("erase", "yes\x08\x08\x08no\x7f", "yes\\x08\\x08\\x08no\\x7f"),
        ("reverse the direction", "txt.\u202eexe", "txt.\\u202eexe"),
        ("isolate", "\u2066a\u2069", "\\u2066a\\u2069"),
        ("zero width", "ad\u200bmin\ufeff", "ad\\u200bmin\\ufeff"),
        ("tag characters that carry text", "hi\U000e0041\U000e007f", "hi\\U000e0041\\U000e007f"),
        ("variation selectors that carry bytes", "a\ufe01\U000e0100", "a\\ufe01\\U000e0100"),
        ("letters that print nothing", "a\u3164b\u115f", "a\\u3164b\\u115f"),
        ("soft hyphen", "pass\u00adword", "pass\\xadword"),
        ("line separator", "a\u2028b", "a\\u2028b"),
        ("half a pair", "\ud800", "\\ud800"),
        ("private use", "\ue000", "\\ue000"),
        ("blank that is no space", "a\u2800b", "a\\u2800b"),
    ],
)
def test_an_attack_is_written_out(attack: str, text: str, shown: str) -> None:
    assert plain(text) == shown


def test_what_people_write_stays_as_it_is() -> None:
    for text in ("p95 > 2,500 ms", "naïve", "Größe", "Ελλάδα", "日本語", "עברית", "e\u0301", "ok 👍 — “fine” …"):
        assert plain(text) == text


def test_unusual_spaces_become_spaces() -> None:
    assert plain("a\u00a0b\u2003c\u3000d") == "a b c d"


def test_marks_are_kept_on_letters_but_not_heaped() -> None:
    heaped = "Z" + "\u0301" * 40
    assert plain("a\u0301\u0323") == "a\u0301\u0323"
    assert plain(heaped).count("\u0301") == 4


@given(ANY)
def test_nothing_unseen_is_left_and_nothing_is_lost(text: str) -> None:
    shown = plain(text)
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for char in shown)
    assert len(shown) >= len(text)
    assert plain(shown) == shown


@given(ANY)
def test_lines_survive_where_they_are_wanted(text: str) -> None:
    assert plain_lines(text).count("\n") == text.count("\n")
    assert plain_lines(text).replace("\n", "") == plain(text.replace("\r\n", "\n").replace("\n", ""))


@given(st.dictionaries(ANY, ANY | st.integers() | st.none(), max_size=4))
def test_json_is_ascii_and_the_same_value(value: dict[str, object]) -> None:
    shown = plain_json(value)
    assert shown.isascii()
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert json.loads(shown) == value


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("P95LatencyRegression", "p95_latency_regression"),
        ("ManualCorrectionRateUp", "manual_correction_rate_up"),
        ("HTTPErrors", "http_errors"),
        ("citation failure-rate", "citation_failure_rate"),
        ("already_a_word", "already_a_word"),
        ("\x1b[31m", "31m"),
        ("!!", ""),
    ],
)
def test_a_name_becomes_a_word(name: str, word: str) -> None:
    assert snake(name) == word


def test_a_clipped_text_says_that_it_was_clipped() -> None:
    assert (clip("short", 10), clip("rather long", 7)) == ("short", "rather…")


def test_a_time_is_told_to_the_second() -> None:
    assert to_second("2026-03-05T03:20:01.123456Z") == "2026-03-05T03:20:01Z"
    assert to_second("2026-03-05T03:20:01.5+02:00") == "2026-03-05T03:20:01+02:00"
    assert to_second("p95 is 2.5") == "p95 is 2.5"
