"""The guide on operations says what is true."""

import json
import re

import pytest

from tests.needs import ROOT
from tests.support.states import article_state
from twokey.domain import operation as op
from twokey.domain.operation.parsing import MAX_OPERATIONS
from twokey.domain.operation.schema import KEYWORDS

GUIDE = (ROOT / "docs/guides/operations.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert found
    return found[1]


def test_the_table_lists_every_operation_with_its_fields() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (.*?) \| .*\|$", GUIDE, re.MULTILINE)
    listed = {name: fields for names, fields in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(listed) == set(op.NAMES)
    for name, fields in listed.items():
        kind = next(each for each in vars(op).values() if getattr(each, "__name__", "") == _camel(name))
        said = set(re.findall(r"`(\w+)`", fields)) - {"flag", "otherwise"}
        assert said == set(kind.__struct_fields__) - {"flag"}, name


def _camel(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))


def test_the_example_is_an_operation_and_narrows() -> None:
    operations = op.parse_operations(json.loads(block("json")))
    before = article_state()
    assert op.effect(before, op.apply_all(before, operations)).effect is op.Effect.NARROWS


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("python"), "operations.md", "exec"), {"state": article_state()})
    assert "pro-10" in capsys.readouterr().out


def test_the_enforced_keywords_and_the_bound_are_those_of_the_code() -> None:
    paragraph = GUIDE[GUIDE.index("A schema may use") : GUIDE.index("## Two ways back")]
    assert set(re.findall(r"`([$\w]+)`", paragraph)) == set(KEYWORDS)
    assert f"1 to {MAX_OPERATIONS} operations" in GUIDE


def test_the_ladder_is_listed_in_order() -> None:
    rungs = re.findall(r"^\| (\d) \| (.*?) \|", GUIDE, re.MULTILINE)
    assert [(int(place), words) for place, words in rungs] == [(each.place, each.says) for each in op.LADDER]
