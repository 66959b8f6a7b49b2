"""JSON to shapes, with refusals that a person can act on.

Rules this module keeps:

* Unknown fields are refused by name, wrong types with the offending value, and places are named by keys
  (`flag checkout, rule pro-10, clause 1: operator`), not by positions.
* A name that appears twice in one JSON object is refused: two readers could each believe another of the two.
* Nothing but `Invalid` leaves this module, whatever the input.
"""

import re
from collections.abc import Iterator, Mapping
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec

from twokey.engine.errors import Invalid
from twokey.engine.operators import shown

T = TypeVar("T")
Document = bytes | bytearray | memoryview | str | Mapping[str, Any]
"""JSON as bytes or text, or as a mapping that came from JSON."""

_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|(\[\.\.\.\])")
_NOUNS = {"flags": "flag", "segments": "segment", "variations": "variation", "rules": "rule", "set": ""}
_NAMED_BY = ("key", "id")
_WORDS = {
    "str": "text",
    "int": "an integer",
    "bool": "true or false",
    "float": "a number",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def decode(data: Document, shape: type[T], root: str) -> T:
    """The shape that the document holds; `root` is the word for the whole (`snapshot`, `flag`, `patch`)."""
    try:
        if isinstance(data, Mapping):
            return msgspec.convert(data, shape)
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError as error:
        raise _explained(str(error), data, shape, root) from None
    except RecursionError:
        raise Invalid(root, "nested too deeply to read", "a few levels of objects and arrays") from None
    except (ValueError, TypeError) as error:
        raise Invalid(root, f"not JSON ({error})", "one JSON object in UTF-8") from None


def refuse_repeated_names(data: Document, root: str, colons: int | None = None) -> None:
    """`Invalid` when an object in the JSON text names a member twice. The text must be well-formed.

    Colons stand after names and inside strings, nowhere else. A reader keeps one member of each name, so that what it
    writes again has fewer of them exactly when a name was repeated; unless a string spelled a colon as an escape, and
    then the slow way is taken. `colons` is the count of such a writing again, where the caller has one.
    """
    if isinstance(data, Mapping):
        return
    text = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    if b"\\u003" not in text and (text.count(b":") == colons or text.count(b":") == _colons_kept(text)):
        return

    import json  # needed for the slow way alone, and costs a millisecond at start

    def unique(members: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in members]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise Invalid(root, f"`{twice}` appears twice in one object", "each name once")

    json.loads(text, object_pairs_hook=unique)


def _colons_kept(text: bytes) -> int | None:
    try:
        return msgspec.json.encode(msgspec.json.decode(text)).count(b":")
    except (ValueError, RecursionError):
        return None


def _explained(message: str, data: Document, shape: Any, root: str) -> Invalid:
    """The library's message, told with keys and with the offending value."""
    found = _MESSAGE.fullmatch(message)
    what = found["what"] if found else message
    steps = list(_steps(found["path"] or "")) if found else []
    document = _loose(data)
    value, hint, places, field = _walk(document, shape, steps)
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what)
    if unknown:
        return Invalid(_placed(places, unknown[1], root), f"`{unknown[1]}` is not a known field", _fields(hint))
    missing = re.fullmatch(r"Object missing required field `(.*)`", what)
    if missing:
        return Invalid(_placed(places, missing[1], root), "it is missing", "this field, which has no default")
    if what.startswith("Invalid enum value"):
        return Invalid(_placed(places, field, root), f"{shown(value)} is not known", _members(hint))
    accepted = re.match(r"Expected `([^`]*)`(.*)", what)
    words = _accepted(accepted[1], accepted[2]) if accepted else what
    return Invalid(_placed(places, field, root), f"{shown(value)} does not fit", words)


def _loose(data: Document) -> Any:
    """The document without its shape, to quote from; nothing when the rest of it cannot be read."""
    if isinstance(data, Mapping):
        return data
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None


def _accepted(types: str, rest: str) -> str:
    words = " or ".join(_WORDS.get(word.strip(), word.strip()) for word in types.split("|"))
    return words + (rest.partition(", got")[0] if rest.startswith((" of ", " >")) else "")


def _steps(path: str) -> Iterator[str | int]:
    for name, index, _ in _STEP.findall(path):
        if name:
            yield name
        elif index:
            yield int(index)


def _walk(value: Any, hint: Any, steps: list[str | int]) -> tuple[Any, Any, list[str], str]:
    """Follow a path: the value and type at its end, the places passed, and the last field."""
    places: list[str] = []
    field = ""
    for step in steps:
        value = _child(value, step)
        hint = _child_hint(hint, step)
        if isinstance(step, str):
            field = step
            continue
        places.append(_place(field, step, value))
        field = ""
    return value, hint, [place for place in places if place], field


def _child(value: Any, step: str | int) -> Any:
    try:
        return value[step]
    except (KeyError, IndexError, TypeError):
        return None


def _child_hint(hint: Any, step: str | int) -> Any:
    hint = _bare(hint)
    if isinstance(step, int):
        arguments = get_args(hint)
        return arguments[min(step, len(arguments) - 1)] if arguments and arguments[-1] is not ... else _first(arguments)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return next((field.type for field in msgspec.structs.fields(hint) if field.encode_name == step), None)
    return None


def _first(arguments: tuple[Any, ...]) -> Any:
    return arguments[0] if arguments else None


def _bare(hint: Any) -> Any:
    """The one type in `X | None`."""
    if get_origin(hint) in (Union, UnionType):
        return next((one for one in get_args(hint) if one is not type(None)), None)
    return hint


def _place(field: str, index: int, value: Any) -> str:
    noun = _NOUNS.get(field, field.removesuffix("s"))
    if isinstance(value, Mapping):
        name = next((value[name] for name in _NAMED_BY if isinstance(value.get(name), str)), None)
        if name is not None:
            return f"{noun} {name[:128]}".strip()
    return f"{noun or 'item'} {index + 1}"


def _placed(places: list[str], field: str, root: str) -> str:
    return f"{', '.join(places) or root}: {field or 'value'}"


def _fields(hint: Any) -> str:
    hint = _bare(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return ", ".join(f"`{field.encode_name}`" for field in msgspec.structs.fields(hint))
    return "the fields of the format"


def _members(hint: Any) -> str:
    hint = _bare(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{member.value}`" for member in hint)
    return "a word of the format"
