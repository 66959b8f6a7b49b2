"""Markdown in which the text of others stays text: no links, no images, no HTML, no headings of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from twokey.documents.text import plain

_QUOTED = re.compile(r"(?<![`\\])`([^`\s](?:[^`]*[^`\s])?)`(?!`)")
# `:` and `.` are escaped only where a bare address would become a link.
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&!#$]|(?<![^\W_])_|_(?![^\W_])")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|xmpp)(:)|\b(www)(\.)")
_STARTS_BLOCK = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")


def prose(text: object) -> str:
    """Text of others as one paragraph. Line breaks become spaces; whatever Markdown would read is escaped.

    Words in backticks become code, as our own sentences mean them; code renders nothing.
    """
    parts = _QUOTED.split(" ".join(str(text).split()))
    return "".join(code(part) if at % 2 else _escaped(part, at == 0) for at, part in enumerate(parts))


def _escaped(one_line: str, starts: bool) -> str:
    escaped = _SPECIAL.sub(lambda found: "\\" + found.group(), plain(one_line))
    escaped = _ADDRESS.sub(lambda found: f"{found[1] or found[3]}\\{found[2] or found[4]}", escaped)
    return _STARTS_BLOCK.sub(_escape_start, escaped) if starts else escaped


def code(text: object) -> str:
    """Text of others as a code span, whatever backticks it holds."""
    shown = plain(text) or " "
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if "`" in shown else ""
    return f"{fence}{pad}{shown}{pad}{fence}".replace("|", "\\|")


def bullets(lines: Iterable[str]) -> str:
    """A list; the lines are Markdown already."""
    return "\n".join(f"- {line}" for line in lines)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _escape_start(found: re.Match[str]) -> str:
    return found[1] + ("\\" + found[2] if not found[2][0].isdigit() else found[2] + "\\")
