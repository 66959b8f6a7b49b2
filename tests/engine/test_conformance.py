"""The engine answers every conformance case, and the language page of the docs speaks of each."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from tests.engine.conformance import FOLDER, Case, cases
from twokey.engine import Snapshot, evaluate, explain

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "flag-language.md"
CASES = list(cases())


@cache
def snapshot_of(file: str) -> Snapshot:
    return Snapshot.from_json(json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))["snapshot"])


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_engine_answers_the_case(case: Case) -> None:
    snapshot = snapshot_of(case.id.split("/")[0])
    resolution = evaluate(snapshot, case.flag, case.context)
    expected = {"rule": None, "metadata": {}, "error": None, **case.expect}
    assert {
        "value": resolution.value,
        "variation": resolution.variation,
        "reason": resolution.reason,
        "rule": resolution.rule,
        "metadata": resolution.metadata,
        "error": resolution.error.code if resolution.error else None,
    } == expected, case.says
    assert type(resolution.value) is type(expected["value"]) or isinstance(resolution.value, dict | list)
    assert explain(snapshot, case.flag, case.context).resolution == resolution


def test_case_ids_are_unique_and_named_after_their_file() -> None:
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids)
    assert {case_id.split("/")[0] for case_id in ids} == {path.stem for path in FOLDER.glob("*.json")}


def test_the_language_page_cites_every_case_and_no_other() -> None:
    files = "|".join(sorted({case.id.split("/")[0] for case in CASES}))
    cited = set(re.findall(rf"`((?:{files})/[\w.-]+)`", PAGE.read_text(encoding="utf-8")))
    assert cited == {case.id for case in CASES}
