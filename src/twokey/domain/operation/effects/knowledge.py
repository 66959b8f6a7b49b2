"""What is known of a context on one path of the enumeration.

A guard is a set of conditions that must all hold. A path assumes guards true (all their conditions hold) or false (not
all hold). Rules kept here:
- `decide` answers only where the answer follows, else None: then the path splits in two;
- a path that no context can take may be walked all the same: that only ever adds possibilities, so what is concluded
  from all paths stays true of all contexts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from twokey.domain.operation.effects.conditions import Condition

Guard = frozenset[int]
ALWAYS: Guard = frozenset()


class Book:
    """Numbers conditions, the same condition once, and knows what each one entails and excludes."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._conditions: list[Condition] = []
        self._by_attribute: dict[str, list[int]] = {}
        self._entailed: dict[int, Guard] = {}
        self._excluded: dict[int, Guard] = {}

    def guard(self, conditions: Iterable[Condition]) -> Guard:
        """The guard that these conditions make; all guards are made before anything is asked."""
        return frozenset(self._number(each) for each in conditions)

    def _number(self, condition: Condition) -> int:
        if condition.name not in self._numbers:
            number = self._numbers[condition.name] = len(self._conditions)
            self._conditions.append(condition)
            self._by_attribute.setdefault(condition.attribute, []).append(number)
        return self._numbers[condition.name]

    def entailed(self, guard: Guard) -> Guard:
        """All conditions that hold where the guard does."""
        for number in guard - self._entailed.keys():
            self._relate(number)
        return guard.union(*(self._entailed[number] for number in guard))

    def excluded(self, guard: Guard) -> Guard:
        """All conditions that cannot hold where the guard does."""
        self.entailed(guard)
        return frozenset().union(*(self._excluded[number] for number in guard))

    def _relate(self, number: int) -> None:
        one = self._conditions[number]
        others = [(each, self._conditions[each]) for each in self._by_attribute[one.attribute]]
        self._entailed[number] = frozenset(each for each, other in others if one.entails(other))
        self._excluded[number] = frozenset(each for each, other in others if one.excludes(other))

    def __len__(self) -> int:
        return len(self._conditions)


class Knowledge(NamedTuple):
    """Conditions that hold, conditions that cannot, and guards of which at least one condition fails."""

    book: Book
    true: Guard = ALWAYS
    impossible: Guard = ALWAYS
    failed: tuple[Guard, ...] = ()

    def decide(self, guard: Guard) -> bool | None:
        """Whether the guard holds here, where that follows from what is known."""
        if guard <= self.true:
            return True
        if guard & self.impossible or guard & self.book.excluded(guard):
            return False
        together = self.true | self.book.entailed(guard)
        return False if any(failed <= together for failed in self.failed) else None

    def given(self, guard: Guard, holds: bool) -> Knowledge:
        """What is known after assuming that the guard holds, or that it does not."""
        if not holds:
            return self._replace(failed=(*self.failed, guard))
        return self._replace(
            true=self.true | self.book.entailed(guard), impossible=self.impossible | self.book.excluded(guard)
        )
