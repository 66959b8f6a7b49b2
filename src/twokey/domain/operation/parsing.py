"""The border where JSON becomes an operation, once; inside, nothing is parsed again.

Rule: a refusal names the field, what was wrong with it and what is accepted; an unknown `op` lists the kinds there are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, get_args

import msgspec

from twokey.domain.operation.kinds import Operation
from twokey.engine.errors import Invalid

NAMES: tuple[str, ...] = tuple(sorted(str(kind.__struct_config__.tag) for kind in get_args(Operation)))
"""The JSON names of every kind of operation."""

MAX_OPERATIONS = 50
"""Operations in one proposal."""

_FIELDS: dict[str, str] = {
    str(kind.__struct_config__.tag): ", ".join(f"`{name}`" for name in kind.__struct_encode_fields__)
    for kind in get_args(Operation)
}
_QUOTED = re.compile(r"`([^`]+)`")


def parse_operation(document: bytes | str | dict[str, Any], where: str = "operation") -> Operation:
    """The operation that a JSON text or object stands for. Raises Invalid naming the field below `where`."""
    decoded = _decoded(document, where)
    if not isinstance(decoded, dict):
        raise Invalid(where, f"is a {type(decoded).__name__}", 'an object such as {"op": "set_enabled", ...}')
    kind = decoded.get("op")
    if kind not in NAMES:
        problem = "is missing" if "op" not in decoded else f"`{str(kind)[:60]}` is not an operation"
        raise Invalid(f"{where}.op", problem, ", ".join(NAMES))
    try:
        parsed: Operation = msgspec.convert(decoded, Operation)
    except msgspec.ValidationError as error:
        raise _named(error, where, str(kind)) from None
    return parsed


def parse_operations(documents: Sequence[dict[str, Any]]) -> tuple[Operation, ...]:
    """The operations of one proposal, in order. Raises Invalid naming place and field."""
    if not 1 <= len(documents) <= MAX_OPERATIONS:
        raise Invalid("operations", f"has {len(documents)} of them", f"1 to {MAX_OPERATIONS} operations")
    return tuple(parse_operation(each, f"operations[{index}]") for index, each in enumerate(documents))


def _decoded(document: bytes | str | dict[str, Any], where: str) -> Any:
    if not isinstance(document, bytes | str):
        return document
    try:
        return msgspec.json.decode(document)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Invalid(where, f"is not JSON: {error}", "one JSON object") from None


def _named(error: msgspec.ValidationError, where: str, kind: str) -> Invalid:
    if isinstance(error.__cause__, Invalid):  # a value that checks itself, such as a guardrail
        return Invalid(f"{where}, {error.__cause__.field}", error.__cause__.problem, error.__cause__.accepted)
    problem, _, path = str(error).partition(" - at `$")
    field = where + path.rstrip("`")
    if "field `" in problem and (found := _QUOTED.search(problem)):
        missing = "missing" in problem
        accepted = _FIELDS[kind] if field == where else "the fields that the documentation of operations lists"
        return Invalid(f"{field}.{found[1]}", "is missing" if missing else "is no field of this", accepted)
    return Invalid(field, problem[:1].lower() + problem[1:], f"a valid `{kind}`")
