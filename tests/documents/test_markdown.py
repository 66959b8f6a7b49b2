"""Markdown in which the text of others stays text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from twokey.documents.markdown import bullets, code, prose, table

ANY = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
MARKED = st.text("ab*_`[]()<>!#|\\-+=~&;:/.1 \n@$", max_size=40)
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def kinds(text: str) -> set[str]:
    """What a reader makes of it, beside paragraphs and text."""
    found = set()
    for token in READER.parse(text):
        found |= {token.type, *(child.type for child in token.children or ())}
    return found - {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}


@pytest.mark.parametrize(
    "attack",
    [
        "[click](http://evil)", "![x](http://evil/pixel.png)", "<img src=x>", "<http://evil>", "# heading", "> quote",
        "* item", "- item", "+ item", "1. item", "1) item", "``code``", "**bold**", "_em_", "__0__", "___",
        "~~gone~~", "| a | b |",
        "&lt;script&gt;", "---", "===", "[ref]: http://evil", "```", "    indented", "a  \nb", "<!-- hidden -->",
    ],
)  # fmt: skip
def test_an_attack_stays_text(attack: str) -> None:
    assert kinds(prose(attack)) == set()


@given(MARKED | ANY)
def test_nothing_that_anybody_writes_becomes_anything_but_text(text: str) -> None:
    assert kinds(f"Said: {prose(text)}") <= {"code_inline"}
    assert "\n" not in prose(text)


def test_words_that_a_sentence_quotes_are_code() -> None:
    shown = prose("`p95_latency` is over its limit, see [`here`](http://evil) and `a|b`")
    assert shown.startswith("`p95_latency` is")
    assert kinds(shown) == {"code_inline"}


@given(MARKED.map(lambda text: text.replace("`", "")))
def test_it_reads_as_it_was_written(text: str) -> None:
    (inline,) = [token for token in READER.parse("Said: " + prose(text)) if token.type == "inline"]
    assert "".join(child.content for child in inline.children or ()) == ("Said: " + " ".join(text.split())).strip()


def test_an_address_is_not_made_a_link_by_readers_that_look_for_them() -> None:
    for text in ("see https://evil.example/x", "www.evil.example", "mailto:a@b.example", "FTP://x"):
        assert not re.search(r"(?i)(https?|ftp|mailto):|www\.", prose(text))


@given(MARKED | ANY)
def test_a_code_span_holds_whatever_it_is_given(text: str) -> None:
    assert kinds("x " + code(text) + " y") <= {"code_inline"}
    row = table(["a", "b"], [[code(text), prose(text)]])
    cells = [token for token in READER.parse(row) if token.type in ("td_open", "th_open")]
    assert len(cells) == 4


def test_lists_and_tables() -> None:
    assert bullets(["a", "b"]) == "- a\n- b"
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
