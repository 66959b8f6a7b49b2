"""Text that was written by others, made safe to show.

Rules this module keeps:

- What could move a cursor, colour a terminal, reverse the reading direction, hide between letters or carry an unseen
  message (control, bidi, zero-width, tag, private-use and unassigned characters, lone surrogates) is written out as its
  escape: seen by the reader, obeyed by nobody.
- Nothing is dropped: a reader can always tell that something stood there.
- `plain` gives one line. `plain_lines` keeps line feeds, for documents that have lines of their own.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u2800")
"""Letters and marks that print nothing: they hide, or stand in for spaces."""
_MARKS = frozenset({"Mn", "Me"})
_MARKS_IN_A_ROW = 4
"""As many combining marks as written languages put on one letter; more only smear over the lines around."""


def plain(text: object) -> str:
    """One harmless line: line feeds and tabs too are written out."""
    return _plain(str(text), keep="")


def plain_lines(text: object) -> str:
    """Harmless text that keeps its lines. Carriage returns before a line feed are dropped, others written out."""
    return _plain(str(text).replace("\r\n", "\n"), keep="\n")


def plain_json(value: Any, *, indent: int | None = 2) -> str:
    """JSON in ASCII: the same value for a machine, and nothing in it that a terminal would obey."""
    return json.dumps(value, indent=indent, ensure_ascii=True).replace("\x7f", "\\u007f")


def clip(text: str, width: int) -> str:
    """The text, or its beginning and an ellipsis, in at most `width` characters."""
    return text if len(text) <= width else text[: max(0, width - 1)].rstrip() + "…"


def to_second(moment: object) -> str:
    """An RFC 3339 time without fractions of a second; anything else as it is."""
    return re.sub(r"(?<=T\d\d:\d\d:\d\d)\.\d+(?=Z$|[+-]\d\d:\d\d$)", "", str(moment))


def with_advice(sentence: str, advice: str) -> str:
    """What is the case, and what to do about it, as one sentence."""
    return f"{sentence.rstrip('. ')}: {advice}" if advice else sentence


def snake(name: str) -> str:
    """A name as a word with underscores: `SupportP95 Latency` -> `support_p95_latency`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[^0-9a-z]+", "_", spaced.lower()).strip("_")


def _plain(text: str, keep: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    shown, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in _MARKS else 0
        safe = char in keep or (marks <= _MARKS_IN_A_ROW and not _is_unseen(char))
        shown.append(_space(char) if safe else escape(char))
    return "".join(shown)


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN or char in _BLANK_LETTERS or _is_variation_selector(char)


def _is_variation_selector(char: str) -> bool:
    # 256 of them, invisible after any letter: enough to carry bytes.
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef" or "\u180b" <= char <= "\u180f"


def _space(char: str) -> str:
    return " " if unicodedata.category(char) == "Zs" else char


def escape(char: str) -> str:
    """How an unseen character is written: `\\n`, `\\x1b`, `\\u202e`, `\\U000e0041`."""
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    if char in named:
        return named[char]
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
