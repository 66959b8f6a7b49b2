"""The part of JSON Schema that is enforced is enforced; the rest is refused, so that nobody relies on it in vain."""

from typing import Any

import pytest

from twokey.domain.operation.schema import KEYWORDS, MAX_DEPTH, check_schema, check_value, fits
from twokey.engine import Invalid


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (True, [None, {}], []),
        (False, [], [None]),
        ({"type": "integer"}, [1, 1.0], [1.5, True, "1"]),
        ({"type": "number"}, [1, 1.5], [True, "1"]),
        ({"type": ["string", "null"]}, ["a", None], [1]),
        ({"enum": [1, "a"]}, [1, 1.0, "a"], [True, "b"]),
        ({"const": {"a": [1]}}, [{"a": [1.0]}], [{"a": [True]}, {}]),
        ({"minimum": 1, "maximum": 3}, [1, 3, "other"], [0, 4]),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, [2], [1, 3]),
        ({"minLength": 1, "maxLength": 2}, ["a", 5], ["", "abc"]),
        ({"minItems": 1, "maxItems": 2, "items": {"type": "integer"}}, [[1], "x"], [[], [1, 2, 3], ["a"]]),
        ({"minProperties": 1, "maxProperties": 1}, [{"a": 1}], [{}, {"a": 1, "b": 2}]),
        ({"required": ["a"]}, [{"a": None}, 5], [{}]),
        (
            {"properties": {"a": {"type": "string"}}, "additionalProperties": False},
            [{"a": "x"}, {}],
            [{"a": 1}, {"b": 1}],
        ),
        ({"additionalProperties": {"type": "integer"}}, [{"x": 1}], [{"x": "y"}]),
        ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, ["a", 5], [4]),
        ({"allOf": [{"type": "integer"}, {"minimum": 5}]}, [5], [4, 5.5]),
        ({"not": {"type": "null"}}, [1], [None]),
        ({"title": "words", "description": "more", "default": 1}, [None], []),
    ],
)
def test_a_keyword_means_what_json_schema_says(schema: Any, good: list[Any], bad: list[Any]) -> None:
    check_schema(schema)
    assert [value for value in good if not fits(value, schema)] == []
    assert [value for value in bad if fits(value, schema)] == []


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"$ref": "https://example.com"}, "schema.$ref"),
        ({"pattern": "(a+)+"}, "schema.pattern"),
        ({"properties": {"a": {"format": "email"}}}, "schema.properties.a.format"),
        ({"anyOf": [{}, {"if": {}}]}, "schema.anyOf[1].if"),
        ({"type": "integr"}, "schema.type"),
        ({"type": []}, "schema.type"),
        ({"minimum": "1"}, "schema.minimum"),
        ({"minLength": -1}, "schema.minLength"),
        ({"maxItems": 1.5}, "schema.maxItems"),
        ({"required": "a"}, "schema.required"),
        ({"enum": []}, "schema.enum"),
        ({"properties": []}, "schema.properties"),
        ({"items": 5}, "schema.items"),
        (5, "schema"),
    ],
)
def test_what_would_not_be_enforced_is_refused_when_it_is_set(schema: Any, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_schema(schema)
    assert caught.value.field == field


def test_every_keyword_is_either_enforced_or_says_so() -> None:
    with pytest.raises(Invalid) as caught:
        check_schema({"unevaluatedProperties": False})
    assert caught.value.accepted.split(", ") == list(KEYWORDS)


def test_a_refusal_names_the_place_within_the_value() -> None:
    schema = {"properties": {"models": {"items": {"properties": {"temperature": {"maximum": 1}}}}}}
    with pytest.raises(Invalid) as caught:
        check_value({"models": [{"temperature": 1}, {"temperature": 2}]}, schema, "value")
    assert caught.value.field == "value.models[1].temperature"
    assert caught.value.problem == "is above `1`"


def test_schemas_do_not_nest_without_end() -> None:
    schema: Any = {}
    for _ in range(MAX_DEPTH + 1):
        schema = {"items": schema}
    with pytest.raises(Invalid, match="nested deeper"):
        check_schema(schema)
