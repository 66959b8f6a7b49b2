"""Conditions on a context, and what follows from what: the opaque atoms of the enumeration.

Rules kept here:
- a condition is true or false of a context, once: the same clause before and after is one condition, unless it names a
  segment whose content differs, then it is two;
- `entails` and `excludes` are sound and incomplete: they say yes only where every context bears it out, by the meaning
  that `twokey.engine.operators` gives to each operator (lists satisfy by one item, what is of another kind satisfies
  nothing, negated or not, and only `exists` asks for presence);
- whether a segment is part of another is decided the same way: listed units by sets, rules by their conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import structs

from twokey.domain.operation.uses import SEGMENT_OPERATORS
from twokey.engine.canonical import digest
from twokey.engine.flag import Clause, Operator, Segment, SegmentRule
from twokey.engine.operators import MEANINGS


class World:
    """The segments of one side of the comparison, with a digest of each one's whole content."""

    def __init__(self, segments: Mapping[str, Segment]) -> None:
        self.segments = segments
        self._digests: dict[str, str] = {}

    def content(self, key: str) -> str:
        """A digest of what decides membership: listed units and rules, with the segments that those lean on."""
        if key not in self._digests:
            segment = self.segments[key]
            rules = [sorted(Asked(clause, self).name for clause in rule.clauses) for rule in segment.rules]
            self._digests[key] = digest([sorted(segment.included), sorted(segment.excluded), sorted(rules)])
        return self._digests[key]


class Condition:
    """What a context may satisfy. Two conditions with one `name` are the same."""

    attribute: str
    name: str

    def entails(self, other: Condition) -> bool:
        """Whether every context that satisfies this satisfies the other; False also where it cannot be told."""
        raise NotImplementedError

    def excludes(self, other: Condition) -> bool:
        """Whether no context satisfies both; False also where it cannot be told."""
        raise NotImplementedError


class Present(Condition):
    """The context has a unit under this attribute, so that it can be bucketed or targeted by it."""

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute
        self.name = digest(["present", attribute])

    def entails(self, other: Condition) -> bool:
        """A unit is a value that exists."""
        return self.name == other.name or (isinstance(other, Asked) and other.asks_presence_of(self.attribute))

    def excludes(self, other: Condition) -> bool:
        """A unit is not missing."""
        return isinstance(other, Asked) and other.asks_absence_of(self.attribute)


class Asked(Condition):
    """A clause, asked in one world."""

    def __init__(self, clause: Clause, world: World) -> None:
        self.attribute = clause.attribute
        self.clause = clause
        self.world = world
        named = [world.content(str(key)) for key in clause.values] if clause.operator in SEGMENT_OPERATORS else None
        values = sorted(digest(value) for value in clause.values) if named is None else sorted(named)
        self.name = digest(["asked", clause.attribute, clause.operator, values, clause.negate])
        self._negation: Asked | None = None

    def asks_presence_of(self, attribute: str) -> bool:
        """Whether this is `exists` on that attribute."""
        return self.clause.operator is Operator.EXISTS and not self.clause.negate and self.attribute == attribute

    def asks_absence_of(self, attribute: str) -> bool:
        """Whether this is a negated `exists` on that attribute."""
        return self.clause.operator is Operator.EXISTS and self.clause.negate and self.attribute == attribute

    def entails(self, other: Condition) -> bool:
        """The same clause, a stricter one, or any that only what is present can satisfy."""
        if self.name == other.name:
            return True
        if not isinstance(other, Asked) or self.attribute != other.attribute:
            return False
        if other.asks_presence_of(self.attribute):
            return not self.asks_absence_of(self.attribute)
        return other.clause.negate == self.clause.negate and self._stricter_than(other)

    def excludes(self, other: Condition) -> bool:
        """One is the negation of something that the other entails."""
        if isinstance(other, Present):
            return other.excludes(self)
        if not isinstance(other, Asked) or self.attribute != other.attribute:
            return False
        return self.entails(other.negation()) or other.entails(self.negation())

    def negation(self) -> Asked:
        """The clause with its answer turned round; both are false of what is missing or of another kind."""
        if self._negation is None:
            turned = structs.replace(self.clause, negate=not self.clause.negate)
            self._negation = Asked(turned, self.world)
        return self._negation

    def _stricter_than(self, other: Asked) -> bool:
        mine, its = MEANINGS[self.clause.operator], MEANINGS[other.clause.operator]
        if mine.kind is not its.kind or mine.none_of != its.none_of or self.clause.operator is Operator.EXISTS:
            return False
        # "One item fits one value" grows with the values; "fits none" and the negations of the first shrink.
        return self._covered_by(other) if mine.none_of == self.clause.negate else other._covered_by(self)

    def _covered_by(self, other: Asked) -> bool:
        """Whether whatever fits one of these values fits one of the other's."""
        return all(any(self._fit_implies(one, other, two) for two in other.clause.values) for one in self.clause.values)

    def _fit_implies(self, value: Any, other: Asked, its_value: Any) -> bool:
        if self.clause.operator in SEGMENT_OPERATORS:
            return is_part(str(value), self.world, str(its_value), other.world)
        read = MEANINGS[self.clause.operator].kind.value
        relation = _IMPLIED.get((self.clause.operator, other.clause.operator))
        return relation is not None and relation(read(value), read(its_value))


def is_part(segment: str, world: World, other: str, its_world: World) -> bool:
    """Whether everyone in one segment is in the other, each in its world; False also where it cannot be told."""
    if world.content(segment) == its_world.content(other):
        return True
    mine, its = world.segments[segment], its_world.segments[other]
    if not set(mine.included) <= set(its.included):
        return False
    if not mine.rules:
        return True
    listed_out = set(its.excluded) <= set(mine.excluded)
    return listed_out and all(any(_rule_entails(one, world, two, its_world) for two in its.rules) for one in mine.rules)


def _rule_entails(one: SegmentRule, world: World, two: SegmentRule, its_world: World) -> bool:
    mine = [Asked(clause, world) for clause in one.clauses]
    return all(any(each.entails(Asked(clause, its_world)) for each in mine) for clause in two.clauses)


def _scalar_same(one: Any, two: Any) -> bool:
    return isinstance(one, bool) == isinstance(two, bool) and bool(one == two)


def _equal(one: Any, two: Any) -> bool:
    return bool(one == two)


def _at_most(one: Any, two: Any) -> bool:
    return bool(one <= two)


def _below(one: Any, two: Any) -> bool:
    return bool(one < two)


def _at_least(one: Any, two: Any) -> bool:
    return bool(one >= two)


def _above(one: Any, two: Any) -> bool:
    return bool(one > two)


def _within(one: Any, two: Any) -> bool:
    return one.version == two.version and bool(one.subnet_of(two))


O = Operator  # noqa: E741 - the table reads better
_IMPLIED: Mapping[tuple[Operator, Operator], Callable[[Any, Any], bool]] = {
    (O.IN, O.IN): _scalar_same,
    (O.NOT_IN, O.NOT_IN): _scalar_same,
    (O.CONTAINS, O.CONTAINS): lambda one, two: two in one,
    (O.STARTS_WITH, O.STARTS_WITH): lambda one, two: one.startswith(two),
    (O.ENDS_WITH, O.ENDS_WITH): lambda one, two: one.endswith(two),
    (O.STARTS_WITH, O.CONTAINS): lambda one, two: two in one,
    (O.ENDS_WITH, O.CONTAINS): lambda one, two: two in one,
    (O.MATCHES, O.MATCHES): lambda one, two: one.pattern == two.pattern and one.flags == two.flags,
    (O.LT, O.LT): _at_most,
    (O.LT, O.LTE): _at_most,
    (O.LTE, O.LTE): _at_most,
    (O.LTE, O.LT): _below,
    (O.GT, O.GT): _at_least,
    (O.GT, O.GTE): _at_least,
    (O.GTE, O.GTE): _at_least,
    (O.GTE, O.GT): _above,
    (O.BEFORE, O.BEFORE): _at_most,
    (O.AFTER, O.AFTER): _at_least,
    (O.SEMVER_EQ, O.SEMVER_EQ): _equal,
    (O.SEMVER_LT, O.SEMVER_LT): _at_most,
    (O.SEMVER_LT, O.SEMVER_LTE): _at_most,
    (O.SEMVER_LTE, O.SEMVER_LTE): _at_most,
    (O.SEMVER_LTE, O.SEMVER_LT): _below,
    (O.SEMVER_GT, O.SEMVER_GT): _at_least,
    (O.SEMVER_GT, O.SEMVER_GTE): _at_least,
    (O.SEMVER_GTE, O.SEMVER_GTE): _at_least,
    (O.SEMVER_GTE, O.SEMVER_GT): _above,
    (O.IN_CIDR, O.IN_CIDR): _within,
}
"""Where fitting a value of the first operator implies fitting one of the second: how the two values must relate."""
