"""A policy text taken apart into its policies, before Cedar's own parser sees it.

Rules kept here:
- each policy has its place (the line it begins in) and its comment, so that errors and pages can name them;
- a policy that is nested too deeply, or has too many operators, is refused here: Cedar's parser and validator recurse,
  and a text that overflows their stack ends the whole process, not just the call;
- characters that a reader does not see are refused, since what people approve is what they read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import msgspec

from twokey.domain.access import MOST_TEXT
from twokey.engine.errors import Invalid

MOST_NESTED = 16
"""Brackets within brackets."""
MOST_OPERATORS = 100
"""Operators and member accesses of one policy. Both limits hold on a thread with 1 MiB of stack."""
MOST_POLICIES = 500
"""All of them are asked each time: so many still answer within a millisecond."""
_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<comment>//[^\n]*) | (?P<text>"(?:\\.|[^"\\])*")
      | (?P<operator>&&|\|\||[=!<>]=|[-+*<>!.]|\b(?:if|then|else|has|like|is|in)\b)
      | (?P<open>[(\[{]) | (?P<close>[)\]}]) | (?P<end>;) | (?P<word>\w+|.)""",
    re.VERBOSE | re.DOTALL,
)
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ACCEPTED = '`permit (...)` or `forbid (...)` with an `@id("...")` before it and a `;` behind it'


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The text of one policy, the line it begins in (from 1), and the comment right above it."""

    line: int
    text: str
    says: str

    @property
    def place(self) -> str:
        """For errors."""
        return f"policies, line {self.line}"


def statements(text: str) -> tuple[Statement, ...]:
    """The policies of a text in order. Raises Invalid for one too large, too nested, without an end or unreadable."""
    if len(text) > MOST_TEXT:
        raise Invalid("policies", f"the text has {len(text)} characters", f"at most {MOST_TEXT}")
    _check_seen(text)
    found = tuple(_taken_apart(text))
    if len(found) > MOST_POLICIES:
        raise Invalid("policies", f"there are {len(found)}", f"at most {MOST_POLICIES}")
    return found


def _check_seen(text: str) -> None:
    for line, shown in enumerate(text.split("\n"), start=1):
        for character in shown:
            if character not in "\t\r" and unicodedata.category(character) in _UNSEEN:
                problem = f"holds U+{ord(character):04X}, which nobody sees"
                raise Invalid(f"policies, line {line}", problem, "text as it is read; write `\\u{...}` inside quotes")


def _taken_apart(text: str) -> Iterator[Statement]:
    above, begin, depth, operators = 0, -1, 0, 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind in ("space", "comment"):
            continue
        if begin < 0:
            begin, depth, operators = token.start(), 0, 0
        depth += (kind == "open") - (kind == "close")
        operators += kind == "operator"
        _check_size(depth, operators, _line(text, begin))
        if kind == "end":
            yield _statement(text, above, begin, token.end())
            above, begin = token.end(), -1
    if begin >= 0:
        raise Invalid(f"policies, line {_line(text, begin)}", "this policy has no end", _ACCEPTED)


def _check_size(depth: int, operators: int, line: int) -> None:
    if depth > MOST_NESTED:
        raise Invalid(f"policies, line {line}", "brackets are nested too deeply", f"at most {MOST_NESTED} levels")
    if operators > MOST_OPERATORS:
        raise Invalid(f"policies, line {line}", "has too many operators", f"at most {MOST_OPERATORS} in one policy")


def _statement(text: str, above: int, begin: int, end: int) -> Statement:
    return Statement(line=_line(text, begin), text=text[begin:end], says=_comment(text[above:begin]))


def _comment(above: str) -> str:
    """The last block of comment lines."""
    block: list[str] = []
    for line in reversed(above.strip().split("\n")):
        if not line.strip().startswith("//"):
            break
        block.insert(0, line.strip().removeprefix("//").strip())
    return " ".join(block)


def _line(text: str, offset: int) -> int:
    return text.count("\n", 0, offset) + 1
