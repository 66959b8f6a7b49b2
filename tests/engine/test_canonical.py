"""Canonical JSON: the same bytes as the `rfc8785` package wherever that one accepts the value."""

import enum
import json
import math
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.strategies import json_values
from twokey.engine import Clause, Invalid, Operator
from twokey.engine.canonical import canonical, digest
from twokey.engine.frozen import freeze

SAFE = 2**53 - 1


@given(json_values)
def test_the_oracle_agrees(value: object) -> None:
    try:
        expected = rfc8785.dumps(value)
    except rfc8785.IntegerDomainError:
        return
    assert canonical(value) == expected == canonical(freeze(value))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_oracle_agrees_on_every_double(value: float) -> None:
    assert canonical(value) == rfc8785.dumps(value)
    assert float(canonical(value)) == value


@given(st.dictionaries(st.text(st.characters(min_codepoint=0xD700, exclude_categories=["Cs"])), st.integers(0, 9)))
def test_names_sort_by_utf_16(value: dict[str, int]) -> None:
    """U+1F600 sorts before U+FFFF in UTF-16, after it by code point."""
    assert canonical(value) == rfc8785.dumps(value)


@given(json_values)
def test_canonical_bytes_read_back_give_the_same_bytes(value: object) -> None:
    once = canonical(value)
    assert canonical(json.loads(once)) == once


@given(st.integers())
def test_an_integer_is_written_exactly_or_refused(value: int) -> None:
    try:
        written = canonical(value)
    except Invalid:
        assert abs(value) > SAFE
        return
    assert int(written) == value
    assert written == canonical(float(value))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (2**53, b"9007199254740992"),
        (10**20, b"100000000000000000000"),
        (1e21, b"1e+21"),
        (1e-7, b"1e-7"),
        (0.000001, b"0.000001"),
        (-0.0, b"0"),
        (5e-324, b"5e-324"),
        (1.7976931348623157e308, b"1.7976931348623157e+308"),
        (123456.789, b"123456.789"),
        ('\x00\x1f\x7f\u2028"\\/é', b'"\\u0000\\u001f\x7f\xe2\x80\xa8\\"\\\\/\xc3\xa9"'),
        ({"b": [], "a": {"d": None, "c": True}}, b'{"a":{"c":true,"d":null},"b":[]}'),
    ],
    ids=repr,
)
def test_corners_as_the_rfc_has_them(value: object, written: bytes) -> None:
    assert canonical(value) == written


def test_structs_times_and_enums_are_written_as_on_the_wire() -> None:
    colour = enum.StrEnum("colour", {"RED": "red"})
    clause = Clause(attribute="plan", operator=Operator.IN, values=("pro",))
    value = {"at": datetime(2026, 1, 1, tzinfo=UTC), "colour": colour.RED, "clause": clause}
    assert canonical(value) == (
        b'{"at":"2026-01-01T00:00:00Z","clause":{"attribute":"plan","operator":"in","values":["pro"]},"colour":"red"}'
    )


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "field", "words"),
    [
        (math.nan, "number", "`nan`"),
        ([math.inf], "number", "`inf`"),
        (2**53 + 1, "number", "exactly"),
        (2**64, "number", "exactly"),
        (-(10**400), "number", "huge"),
        ("\ud800", "text", "surrogate"),
        ({"\udfff": 1}, "text", "surrogate"),
        ({1: 2}, "value", "name"),
        (object(), "value", "not JSON"),
        (nested(65), "value", "deeper than 64"),
        (nested(100_000), "value", "deeper than 64"),
    ],
    ids=[
        "nan",
        "infinity",
        "2^53+1",
        "2^64",
        "huge",
        "surrogate",
        "surrogate name",
        "int name",
        "object",
        "deep",
        "abyss",
    ],
)
def test_what_has_no_portable_meaning_is_refused(value: object, field: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        canonical(value)
    assert caught.value.field == field
    assert words in caught.value.problem


def test_depth_up_to_the_limit_is_written() -> None:
    assert canonical(nested(64)) == b"[" * 64 + b"]" * 64


def test_a_digest_names_its_algorithm() -> None:
    assert digest({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
