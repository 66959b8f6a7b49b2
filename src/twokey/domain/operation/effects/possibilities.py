"""Which variation before can go with which variation after, over all contexts there can be.

Method: both sides are written as decision lists (guards in order, each with what it gives). The two lists are walked
together, splitting wherever a guard's answer does not follow from what is known; at the end of each path stands what
both sides give. Bucket ranges are compared exactly where both sides bucket the same unit with the same salt; elsewhere
every variation of the one can meet every variation of the other.

Rules kept here:
- the pairs found cover every context (they may be more, never fewer);
- the walk is bounded: past `MAX_STEPS` the answer is None, which nobody may read as "nothing changes".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from twokey.domain.operation.effects.conditions import Asked, Present, World
from twokey.domain.operation.effects.knowledge import ALWAYS, Book, Guard, Knowledge
from twokey.engine.flag import Flag, Rollout, Rule

MAX_STEPS = 20_000
"""Guards asked on all paths of one flag together."""
MAX_CONDITIONS = 600
"""Distinct conditions in one flag's rules before and after."""

Given = str | None
"""A variation's key; None stands for the default that the application passes where the flag is not published."""


class Pair(NamedTuple):
    """What one context can get before and after."""

    before: Given
    after: Given


class Witness(NamedTuple):
    """Where a pair was found: what decided before, and after, in words."""

    before: str
    after: str


Pairs = Mapping[Pair, Witness]


class Split(NamedTuple):
    """A weighted split: which unit is hashed how, and the upper ends of the variations' ranges."""

    hashed: tuple[str, str, str]
    ranges: tuple[tuple[str, int, int], ...]


class Entry(NamedTuple):
    """One line of a decision list: where the guard holds, this is given."""

    guard: Guard
    gives: Given | Split
    label: str


List = tuple[Entry, ...]


class Side(NamedTuple):
    """One side of the comparison: the flag as published (or not), and the segments around it."""

    flag: Flag | None
    world: World


def pairs_of(before: Side, after: Side, met: Iterable[tuple[bool, bool]]) -> Pairs | None:
    """All pairs that can occur, given how the prerequisites can be met before and after; None past the bound."""
    book = Book()
    found: dict[Pair, Witness] = {}
    steps = MAX_STEPS
    starts = list(_starts(before, after, book, set(met)))
    if len(book) > MAX_CONDITIONS:
        return None
    for known, one, other in starts:
        used = _walk(known, one, other, found, steps)
        if used is None:
            return None
        steps -= used
    return found


def _starts(
    before: Side, after: Side, book: Book, met: set[tuple[bool, bool]]
) -> Iterator[tuple[Knowledge, List, List]]:
    """The situations to walk from: prerequisites met or not, unit targeted or not, before and after."""
    rules = _rules(before, book), _rules(after, book)
    targets = [(book.guard(needs), pair) for needs, pair in _targets(before.flag, after.flag)]
    for one_met, other_met in sorted(met):
        for guard, (one, other) in targets:
            known = Knowledge(book).given(guard, True) if guard else Knowledge(book)
            yield known, _list(before, one_met, one, rules[0]), _list(after, other_met, other, rules[1])


def _list(side: Side, met: bool, target: str | None, rules: List) -> List:
    flag = side.flag
    if flag is None:
        return (Entry(ALWAYS, None, "not published"),)
    if not flag.enabled:
        return (Entry(ALWAYS, flag.baseline, "disabled"),)
    if not met:
        return (Entry(ALWAYS, flag.baseline, "prerequisite not met"),)
    if target is not None:
        return (Entry(ALWAYS, target, "individual target"),)
    return rules


def _targets(before: Flag | None, after: Flag | None) -> Iterator[tuple[list[Present], tuple[Given, Given]]]:
    """Whether a unit is listed, before and after: every combination that some unit has, and no list at all."""
    one, other = _listed(before), _listed(after)
    yield [], (None, None)
    if before is None or after is None or before.unit == after.unit:
        flag = before or after
        if flag is not None:
            present = [Present(flag.unit)]
            yield from ((present, pair) for pair in sorted({(one.get(u), other.get(u)) for u in one | other}, key=str))
        return
    for first in sorted({*one.values()}):
        yield [Present(before.unit)], (first, None)
        yield from (([Present(before.unit), Present(after.unit)], (first, each)) for each in sorted({*other.values()}))
    yield from (([Present(after.unit)], (None, each)) for each in sorted({*other.values()}))


def _listed(flag: Flag | None) -> dict[str, str]:
    if flag is None:
        return {}
    return {unit: target.variation for target in flag.targets for unit in target.units}


def _rules(side: Side, book: Book) -> List:
    flag = side.flag
    if flag is None or not flag.enabled:
        return ()
    entries = [_entry(flag, rule, side.world, book) for rule in flag.rules]
    return (*entries, *_otherwise(flag, book))


def _entry(flag: Flag, rule: Rule, world: World, book: Book) -> Entry:
    asked = [Asked(clause, world) for clause in rule.clauses]
    label = f"rule `{rule.id}`"
    if rule.serve.rollout is None:
        return Entry(book.guard(asked), rule.serve.variation, label)
    present = Present(flag.bucketing_unit(rule.serve.rollout))
    return Entry(book.guard([*asked, present]), _split(flag, rule.serve.rollout), label)


def _otherwise(flag: Flag, book: Book) -> List:
    rollout = flag.otherwise.rollout
    if rollout is None:
        return (Entry(ALWAYS, flag.otherwise.variation, "`otherwise`"),)
    present = book.guard([Present(flag.bucketing_unit(rollout))])
    missing = Entry(ALWAYS, flag.baseline, "`otherwise` without a unit")
    return (Entry(present, _split(flag, rollout), "`otherwise`"), missing)


def _split(flag: Flag, rollout: Rollout) -> Split:
    ranges: list[tuple[str, int, int]] = []
    lower = 0
    for variation, weight in rollout.weights:
        if weight:
            ranges.append((variation, lower, lower + weight))
        lower += weight
    hashed = flag.bucketing, flag.bucketing_unit(rollout), flag.bucketing_salt(rollout)
    return Split(hashed, tuple(ranges))


def _walk(known: Knowledge, one: List, other: List, found: dict[Pair, Witness], budget: int) -> int | None:
    """Walk all paths of two lists, adding the pairs at their ends; the steps used, or None past the budget."""
    paths = [(known, 0, 0)]
    steps = 0
    while paths:
        known, start, its_start = paths.pop()
        first, asked = _advance(known, one, start)
        second, its_asked = (its_start, None) if asked is not None else _advance(known, other, its_start)
        steps += first - start + second - its_start + 1
        if steps > budget:
            return None
        guard = asked if asked is not None else its_asked
        if guard is None:
            _end(one[first], other[second], found)
        else:
            paths += [(known.given(guard, True), first, second), (known.given(guard, False), first, second)]
    return steps


def _advance(known: Knowledge, entries: List, place: int) -> tuple[int, Guard | None]:
    """Where the list stops: at an entry whose guard holds (then None), or one whose answer does not follow."""
    while True:
        answer = known.decide(entries[place].guard)
        if answer is not False:
            return place, None if answer else entries[place].guard
        place += 1


def _end(one: Entry, other: Entry, found: dict[Pair, Witness]) -> None:
    for pair in _meet(one.gives, other.gives):
        found.setdefault(pair, Witness(one.label, other.label))


def _meet(one: Given | Split, other: Given | Split) -> Iterator[Pair]:
    if isinstance(one, Split) and isinstance(other, Split) and one.hashed == other.hashed:
        for variation, lower, upper in one.ranges:
            for its_variation, its_lower, its_upper in other.ranges:
                if max(lower, its_lower) < min(upper, its_upper):
                    yield Pair(variation, its_variation)
        return
    for variation_before in _all(one):
        for variation_after in _all(other):
            yield Pair(variation_before, variation_after)


def _all(gives: Given | Split) -> tuple[Given, ...]:
    return tuple(variation for variation, _, _ in gives.ranges) if isinstance(gives, Split) else (gives,)
