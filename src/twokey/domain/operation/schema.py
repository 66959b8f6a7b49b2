"""The part of JSON Schema that variations are held against: what is accepted is enforced, the rest is refused by name.

Rules kept here:
- a keyword that is not enforced here is refused when the schema is set, so that nobody relies on it in vain;
- keywords mean what JSON Schema 2020-12 says: they apply to values of their type and ignore others; `true` is no
  number, 1.0 is an integer;
- nothing is fetched (no `$ref`) and nothing can take long (no `pattern`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twokey.engine.canonical import canonical
from twokey.engine.errors import Invalid

MAX_DEPTH = 32
"""Schemas may nest this deep."""

_NOTES = frozenset({"$schema", "$id", "$comment", "title", "description", "default", "examples"})
"""Keywords that say something and require nothing."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and float(value).is_integer()


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": _is_integer,
    "number": _is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list | tuple),
    "object": lambda value: isinstance(value, dict),
}


def _same(one: Any, other: Any) -> bool:
    return canonical(one) == canonical(other)


def _type(value: Any, names: Any) -> bool:
    return any(_TYPES[name](value) for name in ([names] if isinstance(names, str) else names))


def _required(value: Any, names: Any) -> bool:
    return all(name in value for name in names)


Test = Callable[[Any, Any], bool]
_ANY = tuple(_TYPES)
_LIMITS: Mapping[str, tuple[tuple[str, ...], Test, str]] = {
    "type": (_ANY, _type, "is not of type"),
    "enum": (_ANY, lambda value, listed: any(_same(value, each) for each in listed), "is none of"),
    "const": (_ANY, _same, "is not"),
    "minimum": (("number",), lambda value, limit: value >= limit, "is below"),
    "maximum": (("number",), lambda value, limit: value <= limit, "is above"),
    "exclusiveMinimum": (("number",), lambda value, limit: value > limit, "is not above"),
    "exclusiveMaximum": (("number",), lambda value, limit: value < limit, "is not below"),
    "minLength": (("string",), lambda value, limit: len(value) >= limit, "is shorter than"),
    "maxLength": (("string",), lambda value, limit: len(value) <= limit, "is longer than"),
    "minItems": (("array",), lambda value, limit: len(value) >= limit, "has fewer items than"),
    "maxItems": (("array",), lambda value, limit: len(value) <= limit, "has more items than"),
    "minProperties": (("object",), lambda value, limit: len(value) >= limit, "has fewer members than"),
    "maxProperties": (("object",), lambda value, limit: len(value) <= limit, "has more members than"),
    "required": (("object",), _required, "lacks one of"),
}
_NESTING = frozenset({"properties", "additionalProperties", "items", "anyOf", "allOf", "not"})
KEYWORDS: tuple[str, ...] = tuple(sorted({*_LIMITS, *_NESTING, *_NOTES}))
"""Every keyword that a schema may use."""


def check_schema(schema: Any, where: str = "schema", depth: int = 0) -> None:
    """Raise Invalid unless everything in the schema is understood, and so enforced."""
    if depth > MAX_DEPTH:
        raise Invalid(where, f"is nested deeper than {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise Invalid(where, f"is a {type(schema).__name__}", "a JSON Schema: an object, true or false")
    for keyword, argument in schema.items():
        if keyword not in KEYWORDS:
            raise Invalid(f"{where}.{keyword}", "is not enforced here", ", ".join(KEYWORDS))
        _check_argument(keyword, argument, f"{where}.{keyword}")
        for name, part in _parts(keyword, argument):
            check_schema(part, f"{where}.{keyword}{name}", depth + 1)


def _check_argument(keyword: str, argument: Any, where: str) -> None:
    accepted = _accepted(keyword)
    if accepted is not None and not accepted[0](argument):
        raise Invalid(where, "has no meaning", accepted[1])


def _accepted(keyword: str) -> tuple[Callable[[Any], bool], str] | None:
    if keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        return _is_number, "a number"
    if keyword.startswith(("min", "max")):
        return (lambda each: _is_integer(each) and each >= 0), "a whole number from 0"
    return {
        "type": (_names_types, ", ".join(_TYPES)),
        "enum": (_is_filled_list, "a list of values, at least one"),
        "required": (_is_names, "a list of names"),
        "anyOf": (_is_filled_list, "a list of schemas, at least one"),
        "allOf": (_is_filled_list, "a list of schemas, at least one"),
        "properties": (lambda each: isinstance(each, dict), "an object of schemas"),
    }.get(keyword)


def _names_types(argument: Any) -> bool:
    names = [argument] if isinstance(argument, str) else argument
    return _is_filled_list(names) and all(isinstance(name, str) and name in _TYPES for name in names)


def _is_names(argument: Any) -> bool:
    return isinstance(argument, list | tuple) and all(isinstance(name, str) for name in argument)


def _is_filled_list(argument: Any) -> bool:
    return isinstance(argument, list | tuple) and bool(argument)


def _parts(keyword: str, argument: Any) -> list[tuple[str, Any]]:
    if keyword == "properties":
        return [(f".{name}", part) for name, part in argument.items()]
    if keyword in ("anyOf", "allOf"):
        return [(f"[{index}]", part) for index, part in enumerate(argument)]
    return [("", argument)] if keyword in ("items", "additionalProperties", "not") else []


def check_value(value: Any, schema: Any, where: str) -> None:
    """Raise Invalid, naming the place within the value, unless the (checked) schema accepts it."""
    if schema is True:
        return
    if schema is False:
        raise Invalid(where, "is not allowed by the schema", "nothing here")
    for keyword, argument in schema.items():
        if keyword in _LIMITS:
            _check_limit(value, keyword, argument, where)
    _check_members(value, schema, where)
    _check_combined(value, schema, where)


def _check_limit(value: Any, keyword: str, argument: Any, where: str) -> None:
    kinds, test, problem = _LIMITS[keyword]
    if any(_TYPES[kind](value) for kind in kinds) and not test(value, argument):
        raise Invalid(where, f"{problem} `{_shown(argument)}`", f"what `{keyword}` of the schema allows")


def _check_members(value: Any, schema: dict[str, Any], where: str) -> None:
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, member in value.items():
            check_value(member, known.get(name, others), f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            check_value(item, schema.get("items", True), f"{where}[{index}]")


def _check_combined(value: Any, schema: dict[str, Any], where: str) -> None:
    for part in schema.get("allOf", ()):
        check_value(value, part, where)
    if "anyOf" in schema and not any(fits(value, part) for part in schema["anyOf"]):
        raise Invalid(where, "fits none of the alternatives", "what one schema of `anyOf` accepts")
    if "not" in schema and fits(value, schema["not"]):
        raise Invalid(where, "fits what `not` excludes", "what that schema refuses")


def fits(value: Any, schema: Any) -> bool:
    """Whether the (checked) schema accepts the value."""
    try:
        check_value(value, schema, "value")
    except Invalid:
        return False
    return True


def _shown(argument: Any) -> str:
    text = canonical(argument).decode()
    return text if len(text) <= 80 else text[:77] + "..."
