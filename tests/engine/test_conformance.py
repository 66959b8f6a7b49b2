"""The engine answers every conformance case, and the language page of the docs speaks of each."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conformance import FOLDER, Case, cases
from tests.engine.evaluators import by_reference, compiled
from twokey.engine import Resolution, Snapshot, evaluate, explain

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "flag-language.md"
CASES = list(cases())


@cache
def snapshot_of(file: str) -> Snapshot:
    return Snapshot.from_json(json.loads((FOLDER / f"{file}.json").read_text(encoding="utf-8"))["snapshot"])


def by_reference_or_refused(snapshot: Snapshot, key: str, context: Any) -> Resolution:
    """The reference takes flags that exist and contexts that are mappings; the rest is refused before it is asked."""
    usable = key in snapshot.flags and isinstance(context, dict)
    return by_reference(snapshot, key, context) if usable else evaluate(snapshot, key, context)


def by_compiler(snapshot: Snapshot, key: str, context: Any) -> Resolution:
    return evaluate(compiled(snapshot), key, context)


@pytest.mark.parametrize("evaluator", [by_reference_or_refused, by_compiler])
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_the_engine_answers_the_case(case: Case, evaluator: Callable[[Snapshot, str, Any], Resolution]) -> None:
    snapshot = snapshot_of(case.id.split("/")[0])
    resolution = evaluator(snapshot, case.flag, case.context)
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
