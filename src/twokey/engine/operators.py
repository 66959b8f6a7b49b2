"""What each operator means: a table, and one function that asks it.

Rules this module keeps:

* An operator has a *kind* of thing it compares (text, numbers, instants, ...). A reader turns the attribute into that
  kind or says that it is not one; nothing is coerced and nothing raises.
* A clause whose attribute is missing, null, of another kind, or a list without one usable item never matches, negated
  or not. The one exception is `exists`, whose very question is presence: negated, it matches what is missing.
* A list (also a tuple or a set) satisfies an operator when one of its usable items does; that holds for `not_in` as
  well ("one item is none of these"). For "no item is one of these" negate `in`.
* Values are ORed: one that fits suffices. `not_in` and `not_in_segment` hold for an item that fits none of them.
* `negate` turns the answer for the whole attribute round, after the rules above.
* Text compares by code point, without case folding. Booleans are not numbers; 1 and 1.0 are equal; NaN is no number.
"""

import operator as compare
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from twokey.engine import reading
from twokey.engine.bucketing import unit_text
from twokey.engine.errors import Invalid
from twokey.engine.flag import Clause, Operator, Scalar
from twokey.engine.patterns import MAX_TEXT, compile_pattern

InSegment = Callable[[str, str], bool]
"""(segment key, unit) -> is the unit, in this context, in the segment?"""


class Kind(NamedTuple):
    """What an operator compares: how an attribute's item is read, how a clause value is, and what a person is told.

    Clause values of a `plain` type need no reading to be known as good.
    """

    item: Callable[[object], Any]
    value: Callable[[object], Any]
    accepted: str
    plain: frozenset[type] = frozenset()


class Meaning(NamedTuple):
    """One operator: its kind, its test of one item against one value, and whether it holds when *no* value fits."""

    kind: Kind
    test: Callable[[Any, Any], bool]
    none_of: bool = False


def _same(item: Scalar, value: Scalar) -> bool:
    # True == 1 in Python; a flag that tells them apart in one language must in all.
    return isinstance(item, bool) == isinstance(value, bool) and item == value


def _matchable(item: object) -> str | None:
    plain = reading.text(item)
    return plain if plain is not None and len(plain) <= MAX_TEXT else None


def _pattern(value: object) -> Any:
    plain = reading.text(value)
    return None if plain is None else compile_pattern(plain)


def _found(item: str, pattern: Any) -> bool:
    return pattern.search(item) is not None


def _within(item: Any, network: Any) -> bool:
    return item in network


def _never(_item: object, _value: object) -> bool:
    raise AssertionError("segments are asked through the evaluation")


SCALAR = Kind(reading.scalar, reading.scalar, "text, finite numbers, true or false", frozenset({str, int, bool}))
TEXT = Kind(reading.text, reading.text, "text", frozenset({str}))
PATTERN = Kind(_matchable, _pattern, "a regular expression as text")
NUMBER = Kind(reading.number, reading.number, "finite numbers")
INSTANT = Kind(reading.instant, reading.instant, "a time as RFC 3339 text, such as 2026-01-31T12:00:00Z")
VERSION = Kind(reading.version, reading.version, "a version by SemVer 2.0, such as 2.1.0-beta.1")
ADDRESS = Kind(reading.address, reading.network, "an address or a network without host bits, such as 10.0.0.0/8")
SEGMENT = Kind(unit_text, reading.text, "keys of segments", frozenset({str}))
NOTHING = Kind(lambda item: item, lambda _: None, "no values")

MEANINGS: Mapping[Operator, Meaning] = MappingProxyType(
    {
        Operator.IN: Meaning(SCALAR, _same),
        Operator.NOT_IN: Meaning(SCALAR, _same, none_of=True),
        Operator.CONTAINS: Meaning(TEXT, compare.contains),
        Operator.STARTS_WITH: Meaning(TEXT, str.startswith),
        Operator.ENDS_WITH: Meaning(TEXT, str.endswith),
        Operator.MATCHES: Meaning(PATTERN, _found),
        Operator.LT: Meaning(NUMBER, compare.lt),
        Operator.LTE: Meaning(NUMBER, compare.le),
        Operator.GT: Meaning(NUMBER, compare.gt),
        Operator.GTE: Meaning(NUMBER, compare.ge),
        Operator.BEFORE: Meaning(INSTANT, compare.lt),
        Operator.AFTER: Meaning(INSTANT, compare.gt),
        Operator.SEMVER_EQ: Meaning(VERSION, compare.eq),
        Operator.SEMVER_LT: Meaning(VERSION, compare.lt),
        Operator.SEMVER_LTE: Meaning(VERSION, compare.le),
        Operator.SEMVER_GT: Meaning(VERSION, compare.gt),
        Operator.SEMVER_GTE: Meaning(VERSION, compare.ge),
        Operator.IN_CIDR: Meaning(ADDRESS, _within),
        Operator.EXISTS: Meaning(NOTHING, _never),
        Operator.IN_SEGMENT: Meaning(SEGMENT, _never),
        Operator.NOT_IN_SEGMENT: Meaning(SEGMENT, _never, none_of=True),
    }
)


def holds(clause: Clause, attribute: object, in_segment: InSegment) -> bool:
    """Whether the clause holds for the attribute's value (None when the context lacks it)."""
    if clause.operator is Operator.EXISTS:
        return (attribute is not None) != clause.negate
    answers = [
        answer for answer in (_ask(clause, item, in_segment) for item in items_of(attribute)) if answer is not None
    ]
    return bool(answers) and any(answers) != clause.negate


def items_of(attribute: object) -> tuple[object, ...]:
    """The items that an operator looks at: those of a list, tuple or set, else the value itself."""
    return tuple(attribute) if isinstance(attribute, list | tuple | set | frozenset) else (attribute,)


def _ask(clause: Clause, item: object, in_segment: InSegment) -> bool | None:
    """Whether one item satisfies the operator; None when it is not of the operator's kind."""
    meaning = MEANINGS[clause.operator]
    read = meaning.kind.item(item)
    if read is None:
        return None
    fits = any(_fits(meaning, read, value, in_segment) for value in clause.values)
    return fits != meaning.none_of


def _fits(meaning: Meaning, read: Any, value: Scalar, in_segment: InSegment) -> bool:
    if meaning.kind is SEGMENT:
        return in_segment(str(value), read)
    return meaning.test(read, meaning.kind.value(value))


def check_values(operator: Operator, values: tuple[Scalar, ...]) -> None:
    """`Invalid` (with the field `values`) unless every value is of the operator's kind."""
    kind = MEANINGS[operator].kind
    if kind is NOTHING:
        if values:
            raise Invalid("values", f"`{operator}` was given {len(values)} values", kind.accepted)
        return
    if not values:
        raise Invalid("values", f"`{operator}` was given no values", f"at least one: {kind.accepted}")
    if kind.plain and kind.plain.issuperset(map(type, values)):
        return
    for value in values:
        if kind.value(value) is None:
            raise Invalid("values", f"`{operator}` cannot compare with {shown(value)}", kind.accepted)


def shown(value: object) -> str:
    """A value for people, in backticks and cut when long; text that could be taken for something else is quoted."""
    text = _words(value)
    return f"`{text if len(text) <= 80 else text[:77] + '...'}`"


def _words(value: object) -> str:
    if value is None or isinstance(value, bool):
        return _JSON_WORDS[value]
    if isinstance(value, str) and value.isprintable() and any(map(str.isalpha, value)) and value not in _TAKEN:
        return str.__str__(value)
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - an integer may be too long to write, a foreign object may do anything
        return f"a {type(value).__name__}"


_JSON_WORDS = {None: "null", True: "true", False: "false"}
_TAKEN = frozenset(_JSON_WORDS.values())
