"""The Python source of one flag's or segment's own function, and the values it refers to.

Rules this module keeps:

* The text is made of this module's own words and of names that it numbers itself (`A0`, `R7`). No key, attribute,
  variation, value or number of a document ever stands in it: each is *bound* to such a name and reaches the function
  as a cell of its closure. So no document can add code, whatever it holds.
* The names depend on a flag's shape alone; flags of one shape share one text, and so one compilation.
* A function asks in the order of `twokey.engine.reference`, reads an attribute no earlier than that does, and gives the
  very resolutions that it makes. For an attribute of the usual exact type the question stands in the text; for
  anything else it is put to `twokey.engine.asking`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import accumulate
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from mmh3 import mmh3_32_uintdigest

from twokey.engine import reading
from twokey.engine.asking import (
    Belongs,
    Later,
    address_number,
    edge_of,
    networks_of,
    ready_members,
    scalars_of,
    searches_of,
    texts_of,
    versions_of,
)
from twokey.engine.bucketing import BUCKETINGS, bucket, unit_text
from twokey.engine.flag import WEIGHT_TOTAL, Clause, Flag, Operator, Rollout, Segment
from twokey.engine.operators import MEANINGS
from twokey.engine.patterns import MAX_TEXT
from twokey.engine.reference import served
from twokey.engine.resolution import Reason, Resolution

Answer = Callable[[Any], Resolution]
"""context -> what one flag gives it"""

MAX_PARTS = 400
"""Clauses, rules and ranges of one flag or segment; a larger one is left to the reference."""
_INLINE = 4
"""Values of one clause that are asked one after the other in the text; more are asked in a loop."""
_NUMBERS = frozenset({int, float})


class Member(NamedTuple):
    """A segment made ready: the units it lists, and the function that asks its rules where it has any."""

    included: frozenset[str]
    belongs: Belongs | None

    def ask(self, unit: str, context: Any) -> bool:
        """Whether the unit, in this context, is in the segment."""
        return unit in self.included if self.belongs is None else self.belongs(unit, context)


class TooLargeError(Exception):
    """The text would be so long that making it could hold a request up."""


def flag_function(flag: Flag, answers: Mapping[str, Answer], members: Mapping[str, Member]) -> Answer:
    """The function of a flag, given those of its prerequisites and the segments that it names."""
    _refuse_large(flag.rules)
    writer = _Writer(members)
    writer.flag(flag, answers)
    function: Answer = writer.function("c")
    return function


def segment_function(segment: Segment, included: frozenset[str], members: Mapping[str, Member]) -> Belongs:
    """The function of a segment that has rules, given the segments that it names."""
    _refuse_large(segment.rules)
    writer = _Writer(members)
    writer.segment(segment, included)
    function: Belongs = writer.function("u, c")
    return function


def shapes_compiled() -> int:
    """How many texts have been compiled so far; a flag of a known shape does not raise it."""
    return _maker.cache_info().misses


def _refuse_large(rules: tuple[Any, ...]) -> None:
    parts = sum(1 + len(rule.clauses) for rule in rules)
    if parts > MAX_PARTS:
        raise TooLargeError(f"{parts} rules and clauses; at most {MAX_PARTS} are compiled")


class _Writer:
    """One function in the making: its lines, what its names stand for, and which attributes have been read for sure."""

    def __init__(self, members: Mapping[str, Member]) -> None:
        self._members = members
        self._lines: list[str] = []
        self._values: dict[str, object] = {}
        self._names: dict[str, str] = {}
        self._read: set[str] = set()

    def function(self, parameters: str) -> Any:
        """The finished function."""
        names = ", ".join(self._values)
        body = "\n  ".join(self._lines)
        text = f"def make({names}):\n def made({parameters}):\n  {body}\n return made\n"
        return _maker(text)(*self._values.values())

    def bind(self, letter: str, value: object) -> str:
        """A new name for a value."""
        name = f"{letter}{len(self._values)}"
        self._values[name] = value
        return name

    def line(self, text: str) -> None:
        self._lines.append(text)

    # ------------------------------------------------------------ flags

    def flag(self, flag: Flag, answers: Mapping[str, Answer]) -> None:
        if not flag.enabled:
            return self.give(served(flag, flag.baseline, Reason.DISABLED))
        for prerequisite in flag.prerequisites:
            other = self.bind("P", answers[prerequisite.flag])
            wanted = self.bind("W", frozenset(prerequisite.variations))
            self.line(f"if {other}(c).variation not in {wanted}:")
            self.give(served(flag, flag.baseline, Reason.DEFAULT, prerequisite=prerequisite.flag), 1)
        self.targets(flag)
        for rule in flag.rules:
            self.rule(flag, rule.id, self.condition(rule.clauses), rule.serve.variation, rule.serve.rollout)
        return self.otherwise(flag)

    def give(self, resolution: Resolution, depth: int = 0) -> None:
        self.line(f"{' ' * depth}return {self.bind('R', resolution)}")

    def targets(self, flag: Flag) -> None:
        if not flag.targets:
            return
        given: dict[str, Resolution] = {}
        for target in flag.targets:
            resolution = served(flag, target.variation, Reason.TARGETING_MATCH)
            for unit in target.units:
                given.setdefault(str.__str__(unit), resolution)
        self.line(f"r = {self.bind('D', given)}.get({self.unit(flag.unit)})")
        self.line("if r is not None:")
        self.line(" return r")

    def rule(self, flag: Flag, rule: str, condition: str, variation: str | None, rollout: Rollout | None) -> None:
        self.line(f"if {condition}:")
        if rollout is None:
            return self.give(served(flag, str(variation), Reason.TARGETING_MATCH, rule), 1)
        self.line(f" u = {self.unit(flag.bucketing_unit(rollout), sure=False)}")
        self.line(" if u is not None:")
        return self.split(flag, rollout, rule, 2)

    def otherwise(self, flag: Flag) -> None:
        rollout = flag.otherwise.rollout
        if rollout is None:
            conditional = flag.rules or flag.targets or flag.prerequisites
            reason = Reason.DEFAULT if conditional else Reason.STATIC
            return self.give(served(flag, str(flag.otherwise.variation), reason))
        name = flag.bucketing_unit(rollout)
        self.line(f"u = {self.unit(name)}")
        self.line("if u is None:")
        self.give(served(flag, flag.baseline, Reason.DEFAULT, missing_unit=name), 1)
        return self.split(flag, rollout, None, 0)

    def split(self, flag: Flag, rollout: Rollout, rule: str | None, depth: int) -> None:
        """Give the variation whose range holds the unit `u`; the hash is compared as it is, not turned into a bucket.

        `hash * 100,000 >> 32 < end` means the same as `hash < end * 2**32 / 100,000`, rounded up. Half a surrogate pair
        cannot be encoded this way, raises, and is left to the reference. (`mmh3.hash` takes text and would save the
        encoding, but version 5.3 ends the process on such text.)
        """
        ends = accumulate(weight for _, weight in rollout.weights)
        ranges = [(end, key) for end, (key, weight) in zip(ends, rollout.weights, strict=True) if weight]
        if len(ranges) > MAX_PARTS:
            raise TooLargeError(f"{len(ranges)} ranges; at most {MAX_PARTS} are compiled")
        indent, plain = " " * depth, BUCKETINGS[flag.bucketing] is bucket
        salt = str.__str__(flag.bucketing_salt(rollout))
        if len(ranges) > 1 and plain:
            self.line(
                f"{indent}h = {self.bind('H', mmh3_32_uintdigest)}(({self.bind('K', salt + chr(0))} + u).encode())"
            )
        elif len(ranges) > 1:
            self.line(f"{indent}h = {self.bind('H', BUCKETINGS[flag.bucketing])}({self.bind('K', salt)}, u)")
        for end, key in ranges[:-1]:
            limit = -(-(end << 32) // WEIGHT_TOTAL) if plain else end
            self.line(f"{indent}if h < {self.bind('L', limit)}:")
            self.give(served(flag, key, Reason.SPLIT, rule), depth + 1)
        self.give(served(flag, ranges[-1][1], Reason.SPLIT, rule), depth)

    # ------------------------------------------------------------ segments

    def segment(self, segment: Segment, included: frozenset[str]) -> None:
        self.line(f"if u in {self.bind('S', included)}:")
        self.line(" return True")
        if segment.excluded:
            self.line(f"if u in {self.bind('S', frozenset(map(str.__str__, segment.excluded)))}:")
            self.line(" return False")
        for rule in segment.rules:
            self.line(f"if {self.condition(rule.clauses)}:")
            self.line(" return True")
        self.line("return False")

    # ------------------------------------------------------------ attributes

    def attribute(self, name: str, sure: bool) -> tuple[str, str]:
        """An expression that reads the attribute into a local name, and that name."""
        if name not in self._names:
            self._names[name] = self.bind("A", str.__str__(name))
        bound = self._names[name]
        local = bound.lower()
        if name in self._read:
            return local, local
        if sure:
            self._read.add(name)
        return f"({local} := c.get({bound}))", local

    def unit(self, name: str, sure: bool = True) -> str:
        """An expression for the unit's text, or None."""
        read, local = self.attribute(name, sure)
        return f"{local} if type({read}) is str else {self.bind('T', unit_text)}({local})"

    # ------------------------------------------------------------ clauses

    def condition(self, clauses: tuple[Clause, ...]) -> str:
        """Whether all clauses hold. What the first one reads has been read for sure by whatever comes after."""
        surely_read = set(self._read)
        parts = []
        for number, clause in enumerate(clauses):
            parts.append(self.clause(clause))
            if number == 0:
                surely_read = set(self._read)
        self._read = surely_read
        return " and ".join(parts) or "True"

    def clause(self, clause: Clause) -> str:
        read, local = self.attribute(clause.attribute, True)
        if clause.operator is Operator.EXISTS:
            return f"{read} is {'' if clause.negate else 'not '}None"
        if clause.operator in (Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT):
            return self.membership(clause, read, local)
        slow = f"{local} is not None and {self.bind('X', Later(clause))}({local})"
        guard, test, usable = _QUESTIONS[clause.operator](self, clause, local)
        if test is None:
            return f"({read} is not None and {slow.partition(' and ')[2]})"
        wanted = f"{usable}{'not ' if clause.negate != MEANINGS[clause.operator].none_of else ''}({test})"
        return f"({wanted} if {guard.format(read)} else {slow})"

    def membership(self, clause: Clause, read: str, local: str) -> str:
        members = [self._members[str(key)] for key in dict.fromkeys(clause.values)]
        slow = self.bind("X", ready_members(clause, [member.ask for member in members]))
        if len(members) > _INLINE:
            return f"({read} is not None and {slow}({local}, c))"
        asked = [
            f"{local} in {self.bind('S', member.included)}"
            if member.belongs is None
            else f"{self.bind('M', member.belongs)}({local}, c)"
            for member in members
        ]
        inverse = clause.negate != MEANINGS[clause.operator].none_of
        test = f"{'not ' if inverse else ''}({' or '.join(asked)})"
        return f"({test} if type({read}) is str else {local} is not None and {slow}({local}, c))"


Question = tuple[str, str | None, str]
"""The guard of the usual type, the test of one item (None: always the long way), and what makes the item usable."""

_TEXT = "type({}) is str"


def _equality(writer: _Writer, clause: Clause, local: str) -> Question:
    found = scalars_of(clause)
    if found.texts:
        return _TEXT, f"{local} in {writer.bind('S', found.texts)}", ""
    if found.numbers:
        return _number_guard(writer, local), f"{local} in {writer.bind('S', found.numbers)}", ""
    return f"type({{}}) is {writer.bind('N', bool)}", f"{local} in {writer.bind('S', found.booleans)}", ""


def _number_guard(writer: _Writer, local: str) -> str:
    # NaN is unequal to itself; it is no number here.
    return f"type({{}}) in {writer.bind('N', _NUMBERS)} and {local} == {local}"


def _affix(method: str) -> Callable[[_Writer, Clause, str], Question]:
    def question(writer: _Writer, clause: Clause, local: str) -> Question:
        texts = texts_of(clause)
        return _TEXT, f"{local}.{method}({writer.bind('B', texts[0] if len(texts) == 1 else texts)})", ""

    return question


def _contains(writer: _Writer, clause: Clause, local: str) -> Question:
    texts = texts_of(clause)
    if len(texts) > _INLINE:
        return _TEXT, None, ""
    return _TEXT, " or ".join(f"{writer.bind('B', text)} in {local}" for text in texts), ""


def _matches(writer: _Writer, clause: Clause, local: str) -> Question:
    searches = searches_of(clause)
    if len(searches) > _INLINE:
        return _TEXT, None, ""
    test = " or ".join(f"{writer.bind('Q', search)}({local}) is not None" for search in searches)
    return _TEXT, test, f"len({local}) <= {writer.bind('L', MAX_TEXT)} and "


def _number(sign: str) -> Callable[[_Writer, Clause, str], Question]:
    def question(writer: _Writer, clause: Clause, local: str) -> Question:
        return _number_guard(writer, local), f"{local} {sign} {writer.bind('E', edge_of(clause))}", ""

    return question


def _parsed(reader: Callable[[str], Any], test: str, values: Callable[[Clause], Any]) -> Any:
    """A question about what a cached reader makes of the text; `test` has the place of the value."""

    def question(writer: _Writer, clause: Clause, local: str) -> Question:
        short = f"len({local}) <= {writer.bind('L', reading.MAX_LENGTH)}"
        usable = f"{short} and (w := {writer.bind('I', reader)}({local})) is not None and "
        return _TEXT, test.format(writer.bind("E", values(clause))), usable

    return question


_QUESTIONS: dict[Operator, Callable[[_Writer, Clause, str], Question]] = {
    Operator.IN: _equality,
    Operator.NOT_IN: _equality,
    Operator.CONTAINS: _contains,
    Operator.STARTS_WITH: _affix("startswith"),
    Operator.ENDS_WITH: _affix("endswith"),
    Operator.MATCHES: _matches,
    Operator.LT: _number("<"),
    Operator.LTE: _number("<="),
    Operator.GT: _number(">"),
    Operator.GTE: _number(">="),
    Operator.BEFORE: _parsed(reading.instant_of_text, "w < {}", edge_of),
    Operator.AFTER: _parsed(reading.instant_of_text, "w > {}", edge_of),
    Operator.SEMVER_EQ: _parsed(reading.version_of_text, "w in {}", versions_of),
    Operator.SEMVER_LT: _parsed(reading.version_of_text, "w < {}", edge_of),
    Operator.SEMVER_LTE: _parsed(reading.version_of_text, "w <= {}", edge_of),
    Operator.SEMVER_GT: _parsed(reading.version_of_text, "w > {}", edge_of),
    Operator.SEMVER_GTE: _parsed(reading.version_of_text, "w >= {}", edge_of),
    Operator.IN_CIDR: _parsed(address_number, "{}(w)", networks_of),
}

# What the functions may name without its being bound. There is no `__import__`, `eval` or `open` to be reached.
_WORLD: dict[str, Any] = {"__builtins__": {"type": type, "len": len, "str": str}}


@lru_cache(maxsize=1024)
def _maker(text: str) -> Callable[..., Any]:
    """What makes functions of one shape. The text is turned into code, and nothing of it is run here."""
    module = compile(text, "<flag>", "exec", dont_inherit=True)
    code = next(constant for constant in module.co_consts if isinstance(constant, CodeType))
    return FunctionType(code, _WORLD)
