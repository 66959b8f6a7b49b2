"""What a snapshot has compiled so far: for each flag in use, one function of its own.

Rules this module keeps:

* The reference is the specification and the net: it answers until a flag is compiled, for a flag that cannot be, and
  whenever a compiled function fails (a context whose own code raises, text that has no UTF-8 form).
* Nothing is compiled when a snapshot is made. A flag is compiled when it is asked for again, and only after as many
  answers of the reference as that work is worth, so that compiling never slows a request down by more than a small
  factor, however many flags it asks for. There is no clock here: the budget counts answers.
* A step compiles one flag or one segment, what others lean on first.
* The units that a segment lists are one shared set, however many flags name the segment and whoever answers.
* A successor snapshot takes over what is unchanged, together with all that it leans on.
* Threads may compile and evaluate at will. Tables only grow, entries are whole before they are entered, and two
  threads that make the same function make equal ones. A budget that loses a count is still a budget.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from twokey.engine.checks import segment_uses
from twokey.engine.flag import Flag, Segment
from twokey.engine.reference import Reference
from twokey.engine.resolution import Resolution
from twokey.engine.source import Answer, Member, flag_function, segment_function, shapes_compiled

PRICE = 6
"""Answers of the reference that pay for compiling a flag of a shape met before."""
PRICE_OF_SHAPE = 40
"""And for a shape met for the first time."""
MAX_PATHS = 256
"""Ways along which one flag (or segment) may reach others. The reference remembers what it has resolved; compiled
functions just ask again, so that flags which are more entangled than this stay with the reference."""


class CompileFailure(msgspec.Struct, frozen=True, kw_only=True):
    """A flag that the reference goes on answering, and why it could not be compiled."""

    flag: str
    problem: str


class _Leans(NamedTuple):
    """What a function was built upon, at any distance, and along how many ways it reaches that."""

    flags: frozenset[str]
    segments: frozenset[str]
    paths: int


_ALONE = _Leans(frozenset(), frozenset(), 1)


class EntangledError(Exception):
    """More than `MAX_PATHS` ways lead to what a flag leans on."""


class Programs:
    """The compiled functions of one snapshot. `answers` holds those of flags, by key; `evaluate` looks there first."""

    __slots__ = ("_failures", "_flags", "_segments", "answers", "credit", "leans", "members", "shared", "used")

    def __init__(self, flags: Mapping[str, Flag], segments: Mapping[str, Segment]) -> None:
        self.answers: dict[str, Answer] = {}
        self._flags = flags
        self._segments = segments
        self.shared: dict[str, frozenset[str]] = {}
        self.members: dict[str, Member] = {}
        self.leans: dict[tuple[str, str], _Leans] = {}
        self._failures: dict[str, str] = {}
        self.used: set[str] = set()
        self.credit = 0

    def __repr__(self) -> str:
        return f"<{len(self.answers)} of {len(self._flags)} flags compiled>"

    def resolve(self, key: str, context: Mapping[str, Any]) -> Resolution:
        """What the flag gives the context, compiled where it is; raises what the context's own code raises."""
        answer = self.answers.get(key) or self._due(key)
        if answer is None:
            return _Interim(self, self._flags, self._segments, context).resolve(key)
        try:
            return answer(context)
        except Exception:  # noqa: BLE001 - whatever went wrong, the specification decides what that means
            return Reference(self._flags, self._segments, context).resolve(key)

    def units(self, segment: Segment) -> frozenset[str]:
        """The units that the segment includes, as one set for all who ask."""
        found = self.shared.get(segment.key)
        if found is None:
            found = self.shared[segment.key] = frozenset(map(str.__str__, segment.included))
        return found

    def failures(self) -> tuple[CompileFailure, ...]:
        """The flags that could not be compiled."""
        return tuple(CompileFailure(flag=key, problem=text) for key, text in sorted(self._failures.copy().items()))

    def prepare(self, keys: Iterable[str]) -> None:
        """Compile these flags now, whatever it costs; raises RecursionError when the caller's stack has no room."""
        for key in keys:
            while key not in self.answers and key not in self._failures:
                self._advance(key)

    def inherit(self, old: "Programs", flags: Collection[str], segments: Collection[str]) -> None:
        """Take over what `old` has compiled, except for these flags and segments and what leans on them."""
        # Each table is copied at one stroke, `leans` last: whatever is in the others is in it too. And what is copied
        # is pruned before anybody can see it.
        answers, members, shared = old.answers.copy(), old.members.copy(), old.shared.copy()
        leans = old.leans.copy()
        gone = [
            name
            for name, each in leans.items()
            if (each.flags and not each.flags.isdisjoint(flags))
            or (segments and not each.segments.isdisjoint(segments))
        ]
        gone += [("flag", key) for key in flags] + [("segment", key) for key in segments]
        for noun, key in gone:
            leans.pop((noun, key), None)
            (answers if noun == "flag" else members).pop(key, None)
        for key in segments:
            shared.pop(key, None)
        self.used, self.credit = old.used.difference(flags), old.credit
        self.shared, self.leans, self.members, self.answers = shared, leans, members, answers

    def _due(self, key: str) -> Answer | None:
        """Compile a little, where that has been paid for; the flag's function once there is one."""
        self.credit += 1
        if key in self._failures:
            return None
        if key not in self.used:
            self.used.add(key)
        elif self.credit >= PRICE:
            shapes = shapes_compiled()
            with suppress(RecursionError):  # a caller deep in its own stack; another one will have room
                self._advance(key)
            self.credit -= PRICE if shapes_compiled() == shapes else PRICE_OF_SHAPE
        return self.answers.get(key)

    def _advance(self, key: str) -> None:
        """Compile the flag or, first, one thing that it leans on."""
        try:
            noun, name = self._first_missing(key)
            if noun == "flag":
                self._compile_flag(self._flags[name])
            else:
                self._compile_segment(self._segments[name])
        except RecursionError:
            raise
        except Exception as error:  # noqa: BLE001 - a flag that cannot be compiled is a named value, and is answered
            self._failures[key] = f"{type(error).__name__}: {error}"

    def _first_missing(self, key: str) -> tuple[str, str]:
        """What is next on the way to compiling this flag; without recursion, for chains may be long."""
        noun, name = "flag", key
        while True:
            below = next(self._missing(noun, name), None)
            if below is None:
                return noun, name
            noun, name = below

    def _missing(self, noun: str, name: str) -> Iterator[tuple[str, str]]:
        if noun == "flag":
            others = self._flags[name].prerequisites
            yield from (("flag", each.flag) for each in others if each.flag not in self.answers)
        used = segment_uses(self._flags[name] if noun == "flag" else self._segments[name])
        yield from (("segment", each) for each in used if each not in self.members)

    def _compile_flag(self, flag: Flag) -> None:
        leans = self._leaning([each.flag for each in flag.prerequisites], segment_uses(flag))
        function = flag_function(flag, self.answers, self.members)
        self._note("flag", flag.key, leans)
        self.answers[flag.key] = function

    def _compile_segment(self, segment: Segment) -> None:
        leans = self._leaning((), segment_uses(segment))
        included = self.units(segment)
        function = segment_function(segment, included, self.members) if segment.rules else None
        self._note("segment", segment.key, leans)
        self.members[segment.key] = Member(included, function)

    def _leaning(self, flags: Collection[str], segments: Collection[str]) -> _Leans:
        """All that stands below these; what is used twice counts twice, a segment that only lists units not at all."""
        ruled = [key for key in segments if self.members[key].belongs is not None]
        below = [self.leans.get(("flag", key), _ALONE) for key in flags]
        below += [self.leans.get(("segment", key), _ALONE) for key in ruled]
        paths = 1 + sum(each.paths for each in below)
        if paths > MAX_PATHS:
            raise EntangledError(f"{paths} ways lead to what it leans on; at most {MAX_PATHS} are compiled")
        all_flags = frozenset(flags).union(*(each.flags for each in below))
        return _Leans(all_flags, frozenset(segments).union(*(each.segments for each in below)), paths)

    def _note(self, noun: str, key: str, leans: _Leans) -> None:
        if leans.flags or leans.segments:
            self.leans[noun, key] = leans


class _Interim(Reference):
    """The reference, but that the units which segments list are looked up in the shared sets."""

    def __init__(
        self,
        programs: Programs,
        flags: Mapping[str, Flag],
        segments: Mapping[str, Segment],
        context: Mapping[str, Any],
    ) -> None:
        super().__init__(flags, segments, context)
        self._programs = programs

    def includes(self, segment: Segment, unit: str) -> bool:
        return unit in self._programs.units(segment)
