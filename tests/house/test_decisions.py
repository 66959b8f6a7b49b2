"""The decision records can be found, and have the parts that make them worth reading."""

import re
from pathlib import Path

import pytest

from tests.needs import ROOT

FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_its_parts(record: Path) -> None:
    text = record.read_text(encoding="utf-8")
    assert re.match(rf"# (ADR )?0*{int(record.stem[:4])}\b", text), "its title starts with its number"
    assert re.search(r"^(\*\*|## |- )?Status", text, re.MULTILINE)
    assert {"Context", "Decision", "Consequences"} <= set(re.findall(r"^## (\w+)", text, re.MULTILINE))


def test_the_index_lists_every_record() -> None:
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert {path.name for path in RECORDS} <= set(listed)


def test_no_number_is_taken_twice() -> None:
    numbers = [path.name[:4] for path in RECORDS]
    assert len(numbers) == len(set(numbers))
