"""Writes `ui/src/api/types.ts` from the shapes that the server declares: no page believes in a field that is not there.

`python ui/checks/api_types.py` writes it (then format it); `--check` fails where the two differ in more than layout.
"""

from __future__ import annotations

import datetime
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from twokey.surfaces import shapes
from twokey.surfaces.http_api import models

FILE = Path(__file__).parent.parent / "src" / "api" / "types.ts"
HEAD = """/**
 * The shapes of the JSON API, written from `twokey/surfaces/http_api/models` by `checks/api_types.py`.
 * Times are RFC 3339 in UTC.
 */

/** An RFC 3339 time in UTC. */
export type Timestamp = string;
/** A calendar day, `2026-11-29`. */
export type Day = string;
"""
PLAIN = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    datetime.datetime: "Timestamp",
    datetime.date: "Day",
    type(None): "null",
    Any: "unknown",
}
# What no page reads or sends.
LEFT_OUT = {
    "BaseModel",
    "Model",
    "NewUser",
    "UserView",
    "CreatedUser",
    "NewToken",
    "TokenView",
    "CreatedToken",
    "AcceptedView",
    "RefusedRecord",
    "Received",
    "ReceivedAlert",
}


def written(hint: Any) -> str:
    """A Python type in TypeScript."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return written(inner[0])
    if origin is typing.Literal:
        return " | ".join(f"'{each}'" for each in inner)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(written(each) for each in inner)
    if origin is list:
        item = written(inner[0])
        return f"({item})[]" if "|" in item else f"{item}[]"
    if origin is dict:
        return f"Record<string, {written(inner[1])}>"
    return PLAIN[hint] if hint in PLAIN else str(hint.__name__)


def _shapes() -> Iterator[type[BaseModel]]:
    for name, found in {**vars(shapes), **vars(models)}.items():
        if inspect.isclass(found) and issubclass(found, BaseModel) and name not in LEFT_OUT:
            yield found


def _interface(shape: type[BaseModel]) -> str:
    base = shape.__mro__[1]
    inherited = base.model_fields if base.__name__ not in ("Model", "BaseModel") else {}
    hints = typing.get_type_hints(shape)
    # What the server sends is always whole; what it is sent may leave out what has a default.
    sent = shape.__name__.endswith(("View", "Row"))
    lines = [
        f"  {name}{'' if sent or field.is_required() else '?'}: {written(hints[name])};"
        for name, field in shape.model_fields.items()
        if name not in inherited
    ]
    told = shape.__dict__.get("__doc__")
    comment = [f"/** {' '.join(told.split())} */"] if told else []
    extends = f" extends {base.__name__}" if inherited else ""
    return "\n".join([*comment, f"export interface {shape.__name__}{extends} {{", *lines, "}"])


def document() -> str:
    """The whole file."""
    return "\n\n".join([HEAD.rstrip(), *(_interface(each) for each in _shapes())]) + "\n"


def _same(one: str, other: str) -> bool:
    """Equal but for layout: white space, and the bar before the first of a union."""
    bare = [re.sub(r"(?<=[:<(])\|", "", re.sub(r"\s+", "", text)) for text in (one, other)]
    return bare[0] == bare[1]


def main(arguments: list[str]) -> int:
    """Write the file, or say whether it is up to date."""
    if "--check" in arguments:
        good = _same(document(), FILE.read_text(encoding="utf-8"))
        print("types.ts is up to date" if good else "types.ts differs: run `python ui/checks/api_types.py`")
        return 0 if good else 1
    FILE.write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
