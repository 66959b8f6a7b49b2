"""State machines are data: a table of transitions; everything that is not in it is rejected.

`mermaid` draws the diagram from the same table, so that the picture in the docs cannot differ from the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from twokey.domain.errors import Conflict

S = TypeVar("S", bound=StrEnum)


def move(table: Mapping[S, frozenset[S]], noun: str, state: S, to: S) -> S:
    """Return `to` if the table has the transition; else raise Conflict saying what is possible from here."""
    allowed = table.get(state, frozenset())
    if to not in allowed:
        possible = ", ".join(sorted(allowed)) or "nothing: it is final"
        raise Conflict(f"a {noun} that is `{state}` cannot become `{to}` (possible: {possible})")
    return to


def mermaid(table: Mapping[StrEnum, Iterable[StrEnum]], start: StrEnum) -> str:
    """The state diagram of a table, as Mermaid text."""
    lines = ["stateDiagram-v2", f"    [*] --> {start}"]
    for state, targets in table.items():
        lines += [f"    {state} --> {to}" for to in sorted(targets)] or [f"    {state} --> [*]"]
    return "\n".join(lines) + "\n"
