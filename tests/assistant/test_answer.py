"""What a model may answer is what the server takes, and the examples it is given are operations."""

from __future__ import annotations

from typing import Any

from twokey.assistant.answer import FindingAnswer
from twokey.assistant.prompt import EXAMPLES, INSTRUCTIONS
from twokey.assistant.tools import TOOLS
from twokey.domain.finding import Recommendation
from twokey.domain.operation import parse_operations
from twokey.surfaces.http_api.models import NewFinding


def bare(schema: Any) -> Any:
    """A schema without names and prose: what it accepts."""
    if isinstance(schema, dict):
        return {key: bare(each) for key, each in schema.items() if key not in ("title", "description", "$ref")}
    return [bare(each) for each in schema] if isinstance(schema, list) else schema


def test_the_shape_of_an_answer_is_the_servers_own() -> None:
    mine, theirs = FindingAnswer.model_json_schema(), NewFinding.model_json_schema()
    del theirs["properties"]["provenance"], theirs["$defs"]["NewProvenance"]
    theirs["required"].remove("provenance")
    theirs["$defs"] = {key.removeprefix("New"): each for key, each in theirs["$defs"].items()}
    assert bare(mine) == bare(theirs)


def test_a_model_may_recommend_what_a_finding_may() -> None:
    listed = FindingAnswer.model_json_schema()["properties"]["recommendation"]["enum"]
    assert listed == [str(each) for each in Recommendation]


def test_every_example_is_an_operation_and_none_needs_more_fields() -> None:
    assert len(parse_operations(list(EXAMPLES))) == len(EXAMPLES)


def test_the_instructions_name_every_way_to_answer() -> None:
    assert "`submit_finding`" in INSTRUCTIONS
    assert "`abstain`" in INSTRUCTIONS


def test_every_tool_says_what_it_takes_and_nothing_more_is_taken() -> None:
    for tool in TOOLS:
        assert tool.schema["additionalProperties"] is False
        assert set(tool.must) <= set(tool.takes)
        assert len(tool.says) < 120
