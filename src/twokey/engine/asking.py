"""Clauses made ready: their values read once, so that a question costs only the reading of the attribute.

Rules this module keeps:

* `twokey.engine.operators` is the specification; for every clause and attribute what `ready` makes says what
  `operators.holds` says, whatever the attribute is (the tests compare the two).
* Items are read by the specification's own readers. What is tested here is plain: exact `str`, `int`, `float`, `bool`
  or what a reader made of them; so sets and comparisons cannot be misled by an attribute's own `__hash__` or `__eq__`.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from twokey.engine import reading
from twokey.engine.bucketing import unit_text
from twokey.engine.flag import Clause, Operator
from twokey.engine.operators import MEANINGS
from twokey.engine.patterns import compile_pattern

Context = Any
Fits = Callable[[Any], bool]
"""(what a reader made of an item) -> does one of the clause's values fit it?"""
Belongs = Callable[[str, Context], bool]
"""(unit, context) -> is the unit, in this context, in the segment?"""


class Scalars(NamedTuple):
    """The values of an equality: text, numbers and booleans apart, because `True == 1`."""

    texts: frozenset[str]
    numbers: frozenset[int | float]
    booleans: frozenset[bool]

    def hold(self, read: Any) -> bool:
        """Whether the plain scalar is one of them."""
        if type(read) is bool:
            return read in self.booleans
        return read in (self.texts if type(read) is str else self.numbers)


def scalars_of(clause: Clause) -> Scalars:
    """The clause's values by kind."""
    plain = [reading.scalar(value) for value in clause.values]
    return Scalars(
        texts=frozenset(value for value in plain if isinstance(value, str)),
        numbers=frozenset(value for value in plain if isinstance(value, int | float) and not isinstance(value, bool)),
        booleans=frozenset(value for value in plain if isinstance(value, bool)),
    )


def texts_of(clause: Clause) -> tuple[str, ...]:
    """The clause's values as plain text, each once."""
    return tuple(dict.fromkeys(str.__str__(value) for value in clause.values if isinstance(value, str)))


def edge_of(clause: Clause) -> Any:
    """The one value that decides an ordering: the largest for "less than", the smallest for "greater than"."""
    read = MEANINGS[clause.operator].kind.value
    values = [read(value) for value in clause.values]
    return max(values) if clause.operator in _LESS else min(values)


def versions_of(clause: Clause) -> frozenset[Any]:
    """The versions that `semver_eq` names."""
    return frozenset(reading.version(value) for value in clause.values)


def searches_of(clause: Clause) -> tuple[Callable[[str], Any], ...]:
    """The searches of the clause's patterns."""
    return tuple(compile_pattern(text).search for text in texts_of(clause))


@lru_cache(maxsize=1024)
def address_number(text: str) -> tuple[int, int] | None:
    """The IP version and the number of an address in a text of at most `reading.MAX_LENGTH` characters."""
    found = reading.address_of_text(text)
    return None if found is None else (found.version, int(found))


def networks_of(clause: Clause) -> Fits:
    """Whether an `address_number` lies in one of the clause's networks: one set look-up for each length of prefix."""
    masks: dict[int, dict[int, set[int]]] = {4: {}, 6: {}}
    for value in clause.values:
        network = reading.network(value)
        if network is not None:
            masks[network.version].setdefault(int(network.netmask), set()).add(int(network.network_address))
    sorted_out = {version: tuple(found.items()) for version, found in masks.items()}

    def within(read: tuple[int, int]) -> bool:
        version, number = read
        return any(number & mask in starts for mask, starts in sorted_out[version])

    return within


def ready(clause: Clause) -> Callable[[Any], bool]:
    """Whether the clause holds for an attribute's value. Not for segments, which need the context: `ready_members`."""
    meaning = MEANINGS[clause.operator]
    if clause.operator is Operator.EXISTS:
        return lambda attribute: (attribute is not None) != clause.negate
    fits, read_item = _FITS[clause.operator](clause), meaning.kind.item
    if clause.operator is Operator.IN_CIDR:
        read_item = _address_number

    def ask(item: object) -> bool | None:
        read = read_item(item)
        return None if read is None else fits(read) != meaning.none_of

    return _of_any(ask, clause.negate)


class Later:
    """`ready(clause)`, made when it is first asked: most functions never meet an attribute of an unusual type."""

    __slots__ = ("_clause", "_holds")

    def __init__(self, clause: Clause) -> None:
        self._clause = clause
        self._holds: Callable[[Any], bool] | None = None

    def __call__(self, attribute: object) -> bool:
        holds = self._holds
        if holds is None:
            holds = self._holds = ready(self._clause)
        return holds(attribute)


def ready_members(clause: Clause, belongs: Iterable[Belongs]) -> Callable[[Any, Context], bool]:
    """Whether the clause holds for an attribute's value in a context; `belongs` stands for its segments."""
    none_of, segments = MEANINGS[clause.operator].none_of, tuple(belongs)

    def holds(attribute: object, context: Context) -> bool:
        def ask(item: object) -> bool | None:
            unit = unit_text(item)
            return None if unit is None else any(within(unit, context) for within in segments) != none_of

        return _of_any(ask, clause.negate)(attribute)

    return holds


def _of_any(ask: Callable[[object], bool | None], negate: bool) -> Callable[[object], bool]:
    """One usable item suffices; without one nothing holds, negated or not."""

    def holds(attribute: object) -> bool:
        if isinstance(attribute, list | tuple | set | frozenset):
            answers = [answer for answer in map(ask, tuple(attribute)) if answer is not None]
            return bool(answers) and any(answers) != negate
        answer = ask(attribute)
        return answer is not None and answer != negate

    return holds


def _address_number(item: object) -> tuple[int, int] | None:
    plain = reading.text(item)
    return address_number(plain) if plain is not None and len(plain) <= reading.MAX_LENGTH else None


def _same(clause: Clause) -> Fits:
    return scalars_of(clause).hold


def _version(clause: Clause) -> Fits:
    return versions_of(clause).__contains__


def _ordered(clause: Clause) -> Fits:
    edge, test = edge_of(clause), MEANINGS[clause.operator].test
    return lambda read: test(read, edge)


def _start(clause: Clause) -> Fits:
    texts = texts_of(clause)
    return lambda read: read.startswith(texts)


def _end(clause: Clause) -> Fits:
    texts = texts_of(clause)
    return lambda read: read.endswith(texts)


def _part(clause: Clause) -> Fits:
    texts = texts_of(clause)
    return lambda read: any(text in read for text in texts)


def _pattern(clause: Clause) -> Fits:
    searches = searches_of(clause)
    return lambda read: any(search(read) is not None for search in searches)


_LESS = frozenset({Operator.LT, Operator.LTE, Operator.BEFORE, Operator.SEMVER_LT, Operator.SEMVER_LTE})
_ORDERED = frozenset(
    {Operator.GT, Operator.GTE, Operator.AFTER, Operator.SEMVER_GT, Operator.SEMVER_GTE},
).union(_LESS)
_FITS: dict[Operator, Callable[[Clause], Fits]] = {
    Operator.IN: _same,
    Operator.NOT_IN: _same,
    Operator.CONTAINS: _part,
    Operator.STARTS_WITH: _start,
    Operator.ENDS_WITH: _end,
    Operator.MATCHES: _pattern,
    Operator.SEMVER_EQ: _version,
    Operator.IN_CIDR: networks_of,
    **dict.fromkeys(_ORDERED, _ordered),
}
