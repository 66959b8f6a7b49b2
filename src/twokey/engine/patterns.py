"""Which regular expressions a clause may use: those whose search is known to stay short.

The standard library matches by backtracking, so that an innocent-looking pattern can take years on a text chosen for
it ("catastrophic backtracking"). A pattern is therefore judged when it is *written*, over its parse tree, and refused
unless an upper bound on the steps of its search in a text of `MAX_TEXT` characters is small.

Rules this module keeps:

* The bound counts steps. What stands in sequence costs its own steps, and once more all that follows for each way in
  which it can match; alternatives add up; repeats raise the ways to the power of their count. A repeat has one way when
  the first character of what follows it can never be one of its own, because then giving characters back can never
  succeed; the same for alternatives that begin differently. All is over-estimated: characters outside ASCII count as
  one.
* The bound must not exceed `MAX_STEPS`, 64 times the square of the text's length. So `^[a-z]+(-[a-z]+)*$` and
  `foo.*bar` pass; `(a+)+`, `(a|a)*`, `(\\w+\\s?)*$` and `a.*b.*c` do not (the last passes once anchored, `^a.*b.*c`).
* References to groups, look-around, conditions, atomic and possessive parts are refused: their cost cannot be bounded
  this way, and they do not exist in every language that evaluates flags. Of the inline flags only `i` and `s` are
  accepted.
* `\\d \\w \\s \\b` and case folding mean ASCII, and `$` means the very end of the text (not also before a last
  newline), so that a browser answers the same.
"""

import re
import re._constants as op  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from functools import lru_cache
from typing import Any, NamedTuple

from twokey.engine.errors import Invalid

MAX_TEXT = 1_024
"""Longer text never matches a pattern."""
MAX_PATTERN = 512
"""Characters in a pattern."""
MAX_STEPS = 64 * (MAX_TEXT + 1) ** 2
"""Tenths of a second, at the very worst."""

_ASCII = (1 << 128) - 1
_OTHER = 1 << 128
_ANY = _ASCII | _OTHER
_ACCEPTED = "a regular expression without group references or look-around, whose repeats cannot be tried in many ways"


class _Part(NamedTuple):
    """What is known of a piece of pattern.

    `first` is the set of characters it can begin with, `empty` whether it can match nothing, `ways` in how many ways
    it can match at one place, `steps` what trying them all costs, and `size` how many one-character pieces it is made
    of.
    """

    first: int = 0
    empty: bool = True
    ways: int = 1
    steps: int = 1
    size: int = 1


class _RefusedError(Exception):
    """The sentence that says why."""


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The compiled pattern; `Invalid` when it is malformed or could be slow."""
    if len(pattern) > MAX_PATTERN:
        raise Invalid("values", f"a pattern of {len(pattern)} characters", f"at most {MAX_PATTERN} characters")
    try:
        portable = _portable(pattern)
        _judge(portable)
        return re.compile(portable, re.ASCII)
    except (re.error, OverflowError, RecursionError, ValueError) as error:
        raise Invalid("values", f"`{pattern}` is not a regular expression ({error})", _ACCEPTED) from None
    except _RefusedError as error:
        raise Invalid("values", f"`{pattern}` {error}", _ACCEPTED) from None


def _judge(pattern: str) -> None:
    tree = parser.parse(pattern, re.ASCII)
    flags = tree.state.flags
    if flags & ~(re.ASCII | re.IGNORECASE | re.DOTALL):
        raise _RefusedError("sets a flag other than i and s")
    part = _sequence(tree, 0, flags)
    starts = 1 if _anchored(tree) else MAX_TEXT
    if part.steps * starts > MAX_STEPS:
        raise _RefusedError("can be tried in too many ways (repeats that overlap what follows them)")


def _sequence(items: Any, follow: int, flags: int) -> _Part:
    """Judge pieces from the last to the first, since what a repeat may give back depends on what comes after it."""
    part = _Part()
    for code, argument in reversed(list(items)):
        after = part.first | follow if part.empty else part.first
        piece = _piece(code, argument, after, flags)
        part = _Part(
            first=piece.first | part.first if piece.empty else piece.first,
            empty=piece.empty and part.empty,
            ways=_capped(piece.ways * part.ways),
            steps=_capped(piece.steps + piece.ways * part.steps),
            size=piece.size + part.size,
        )
    return part


def _piece(code: Any, argument: Any, follow: int, flags: int) -> _Part:
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        return _repeat(argument, follow, flags)
    if code is op.BRANCH:
        return _branch(argument[1], follow, flags)
    if code is op.SUBPATTERN:
        _, add, remove, body = argument
        return _sequence(body, follow, (flags | add) & ~remove)
    if code is op.AT:
        return _Part()
    characters = _characters(code, argument, flags)
    if characters is None:
        raise _RefusedError(f"uses {_KNOWN_BAD.get(str(code), str(code).lower())}")
    return _Part(first=characters, empty=False)


_KNOWN_BAD = {
    "GROUPREF": "a reference to a group",
    "GROUPREF_EXISTS": "a condition on a group",
    "ASSERT": "look-around",
    "ASSERT_NOT": "look-around",
    "ATOMIC_GROUP": "an atomic group",
    "POSSESSIVE_REPEAT": "a possessive repeat",
}


def _repeat(argument: Any, follow: int, flags: int) -> _Part:
    least, most, body = argument
    most = int(most)
    first = _sequence(body, 0, flags).first
    part = _sequence(body, first | follow if most > 1 else follow, flags)
    if part.empty and most > min(least, 1):
        # What can be empty can be repeated without moving on, and `(a*)?` can be empty in two ways.
        raise _RefusedError("repeats something that can be empty")
    times = min(most, MAX_TEXT)
    stops = 1 if least == most or not part.first & follow else times - min(int(least), times) + 1
    ways = _power(part.ways, times)
    # With one way each character is consumed once, however the repeats are nested.
    steps = min(times * part.steps, 2 * MAX_TEXT * part.size) if part.ways == 1 else 2 * ways * part.steps
    return _Part(part.first, least == 0 or part.empty, _capped(ways * stops), _capped(steps), part.size)


def _branch(branches: Any, follow: int, flags: int) -> _Part:
    parts = [_sequence(branch, follow, flags) for branch in branches]
    firsts = [part.first | follow if part.empty else part.first for part in parts]
    apart = sum(first.bit_count() for first in firsts) == _union(firsts).bit_count()
    ways = [part.ways for part in parts]
    return _Part(
        first=_union(part.first for part in parts),
        empty=any(part.empty for part in parts),
        ways=_capped(max(ways) if apart else sum(ways)),
        steps=_capped(sum(part.steps for part in parts)),
        size=sum(part.size for part in parts),
    )


def _union(sets: Any) -> int:
    together = 0
    for one in sets:
        together |= one
    return together


def _capped(count: int) -> int:
    return min(count, MAX_STEPS + 1)


def _power(ways: int, times: int) -> int:
    # Two to the power of 30 is over the bound already.
    return 1 if ways == 1 else _capped(ways ** min(times, 30))


def _characters(code: Any, argument: Any, flags: int) -> int | None:
    """The characters that a one-character piece can match, as a set of bits; None for another kind of piece."""
    if code is op.LITERAL:
        return _literal(argument, flags)
    if code is op.NOT_LITERAL:
        return _all_but(_literal(argument, flags))
    if code is op.ANY:
        return _ANY if flags & re.DOTALL else _ANY & ~(1 << 10)
    if code is op.IN:
        return _class(argument, flags)
    return None


def _literal(code: int, flags: int) -> int:
    if code >= 128:
        return _OTHER
    letter = chr(code)
    both = letter.lower() + letter.upper() if flags & re.IGNORECASE else letter
    return _union(1 << ord(one) for one in both)


def _all_but(characters: int) -> int:
    # A class that leaves out some characters beyond ASCII still matches others.
    return (_ANY & ~characters) | _OTHER


def _class(items: Any, flags: int) -> int:
    negated = items[0][0] is op.NEGATE
    characters = _union(_class_item(code, argument, flags) for code, argument in items[1 if negated else 0 :])
    return _all_but(characters) if negated else characters


def _class_item(code: Any, argument: Any, flags: int) -> int:
    if code is op.RANGE:
        low, high = argument
        ascii_part = _union(_literal(one, flags) for one in range(low, min(high, 127) + 1))
        return ascii_part | (_OTHER if high > 127 else 0)
    if code is op.CATEGORY:
        return _CATEGORIES[str(argument)]
    return _literal(argument, flags)


def _ascii_matching(pattern: str) -> int:
    return _union(1 << code for code in range(128) if re.match(pattern, chr(code), re.ASCII))


_CATEGORIES = {
    "CATEGORY_DIGIT": _ascii_matching(r"\d"),
    "CATEGORY_SPACE": _ascii_matching(r"\s"),
    "CATEGORY_WORD": _ascii_matching(r"\w"),
    "CATEGORY_NOT_DIGIT": _ascii_matching(r"\D") | _OTHER,
    "CATEGORY_NOT_SPACE": _ascii_matching(r"\S") | _OTHER,
    "CATEGORY_NOT_WORD": _ascii_matching(r"\W") | _OTHER,
}


def _anchored(items: Any) -> bool:
    """Whether every way through the pattern begins at the start of the text."""
    for code, argument in items:
        if code is op.AT:
            if argument in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
                return True
            continue
        if code is op.SUBPATTERN:
            return _anchored(argument[3])
        return code is op.BRANCH and all(_anchored(branch) for branch in argument[1])
    return False


_SIGN = re.compile(r"\\.|\(\?#|\[\^?\]?|\]|\$|&&|--|\|\||~~|.", re.DOTALL)
_SET_OPERATORS = frozenset({"&&", "--", "||", "~~"})


def _portable(pattern: str) -> str:
    """The pattern with every `$` that is an anchor written as `\\Z`; what languages read differently is refused."""
    written, in_class = [], False
    for sign in _SIGN.findall(pattern):
        if sign == "(?#" and not in_class:
            raise _RefusedError("holds a comment")
        if in_class and (sign[0] == "[" or sign in _SET_OPERATORS):
            raise _RefusedError(f"has an unescaped {sign} inside a class, elsewhere a set operation")
        written.append(r"\Z" if sign == "$" and not in_class else sign)
        in_class = sign[0] == "[" or (in_class and sign != "]")
    return "".join(written)
