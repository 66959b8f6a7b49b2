"""Runbooks are found by words: all of them, in any case, and headings before prose."""

from __future__ import annotations

from datetime import date

import pytest
from msgspec.structs import replace

from tests.support.world import support_control
from twokey.domain.runbook import MOST_FOUND, Runbook, Section, Step, search


def book(path: str, *sections: Section) -> Runbook:
    return Runbook(path=path, title=path.removesuffix(".md"), sha256="sha256:0", sections=sections)


def section(heading: str, text: str) -> Section:
    return Section(headings=(heading,), text=text, steps=(Step(line=3, text=text),))


BOOKS = (
    book("a.md", section("Other", "the reranker is slow at night")),
    book("b.md", section("Reranker", "it may be slow"), section("Cache", "it is full")),
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("reranker", ["b.md", "a.md"]),
        ("RERANKER slow.", ["b.md", "a.md"]),
        ("night reranker", ["a.md"]),
        ("rerank", []),
        ("reranker full", []),
        ("!?", []),
        ("", []),
    ],
)
def test_a_section_must_say_every_word_and_headings_come_first(words: str, found: list[str]) -> None:
    assert [each.runbook.path for each in search(BOOKS, words)] == found


def test_the_answer_is_bounded() -> None:
    many = book("m.md", *(section(f"Slow {number}", "x") for number in range(50)))
    assert len(search([many], "slow")) == MOST_FOUND


def test_a_control_is_overdue_on_the_day_after_the_one_that_was_said() -> None:
    control = replace(support_control(), review_date=date(2026, 12, 15))
    assert [control.is_overdue(date(2026, 12, day)) for day in (14, 15, 16)] == [False, False, True]
    assert not replace(control, review_date=None).is_overdue(date(2030, 1, 1))
