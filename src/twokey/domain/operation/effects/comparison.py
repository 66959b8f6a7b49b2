"""The effect of a change, computed from the state before and the state after and nothing else.

For every flag that the change can reach (edited itself, through a segment, or waiting for such a flag), in the order of
prerequisites, the pairs of variations that one context can get before and after are enumerated (`possibilities`), and
each pair is judged:

- the same value: no difference;
- the baseline as it was before the change, or a variation that stands earlier in the order of caution as it was before
  the change, both with unchanged values: narrower;
- everything else, and everything past the bound: wider.

A flag that waits for another is walked with the pairs of that flag deciding whether its prerequisite is met before and
after; so killing A widens where B waits for A's baseline. What a control loosens (`loosening`) widens as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from twokey.domain.control import Control, State
from twokey.domain.operation.content import content_digest
from twokey.domain.operation.effects.conditions import World
from twokey.domain.operation.effects.loosening import loosened
from twokey.domain.operation.effects.possibilities import Given, Pair, Pairs, Side, Witness, pairs_of
from twokey.domain.operation.effects.report import Effect, EffectReport, FlagEffect, widest
from twokey.domain.operation.uses import dependents, flags_using
from twokey.engine.canonical import canonical
from twokey.engine.flag import Flag, Prerequisite

SHOWN = 3
"""Reasons in one sentence."""


def effect(before: State, after: State) -> EffectReport:
    """What the step from `before` to `after` does to what contexts get, per flag and as a whole."""
    return Comparison(before, after).report()


class Comparison:
    """Both states, and the pairs found so far, each flag once."""

    def __init__(self, before: State, after: State) -> None:
        self.before, self.after = before, after
        self._worlds = World(before.segments), World(after.segments)
        self._pairs: dict[str, Pairs | None] = {}
        self._reached: tuple[str, ...] | None = None

    def report(self) -> EffectReport:
        """The effect on every flag that the change can reach."""
        found = (self.judge(key) for key in self.reached())
        return widest(tuple(each for each in found if each is not None))

    def moves(self, key: str) -> bool:
        """Whether some context can get another value of this flag than before, as far as can be told."""
        return any(verdict is not Effect.NEITHER for verdict in self._verdicts(key))

    def widens(self, key: str) -> bool:
        """Whether some context can get a value of this flag that is not known to be narrower."""
        return any(verdict is Effect.WIDENS for verdict in self._verdicts(key))

    def _verdicts(self, key: str) -> list[Effect]:
        pairs, one, other = self.pairs(key), self.before.controls.get(key), self.after.controls.get(key)
        return [Effect.WIDENS] if pairs is None else [judge_pair(pair, one, other) for pair in pairs]

    def reached(self) -> tuple[str, ...]:
        """Keys of all flags that the change can reach."""
        if self._reached is None:
            self._reached = self._reach()
        return self._reached

    def _reach(self) -> tuple[str, ...]:
        edited = {key for key in self._keys() if self._differs(key)}
        segments = frozenset(
            key
            for key in self.before.segments.keys() & self.after.segments.keys()
            if self.before.segments[key] is not self.after.segments[key]
            and self._worlds[0].content(key) != self._worlds[1].content(key)
        )
        start = edited.union(flags_using(self.before, segments), flags_using(self.after, segments))
        return tuple(sorted(start.union(dependents(self.before, start), dependents(self.after, start))))

    def _keys(self) -> set[str]:
        return self.before.controls.keys() | self.after.controls.keys()

    def _differs(self, key: str) -> bool:
        one, other = self.before.controls.get(key), self.after.controls.get(key)
        # Not `==`: in Python True equals 1, in JSON it does not.
        return one is not other and content_digest(one) != content_digest(other)

    def published(self, key: str) -> tuple[Flag | None, Flag | None]:
        """The flag as clients get it before and after; None where it is missing or archived."""
        return _published(self.before, key), _published(self.after, key)

    def pairs(self, key: str) -> Pairs | None:
        """The pairs that this flag can give one context; None where they cannot be bounded."""
        if key not in self._pairs:
            before, after = self.published(key)
            met = self._met(before, after)
            sides = Side(before, self._worlds[0]), Side(after, self._worlds[1])
            self._pairs[key] = pairs_of(*sides, met)
        return self._pairs[key]

    def _met(self, before: Flag | None, after: Flag | None) -> set[tuple[bool, bool]]:
        """How all prerequisites of the flag together can be met, before and after."""
        one, other = _wanted(before), _wanted(after)
        states = {(True, True)}
        for key in sorted(one.keys() | other.keys()):
            ways = {(_meets(one, key, pair.before), _meets(other, key, pair.after)) for pair in self._possible(key)}
            states = {(a and c, b and d) for (a, b), (c, d) in product(states, ways)}
        return states

    def _possible(self, key: str) -> Iterator[Pair]:
        """The pairs of a flag; where they cannot be bounded, all that there could be."""
        pairs = self.pairs(key)
        if pairs is not None:
            yield from pairs
            return
        before, after = self.published(key)
        if key not in self.reached():
            yield from (Pair(one, one) for one in _keys_of(before))
        else:
            yield from (Pair(one, other) for one, other in product(_keys_of(before), _keys_of(after)))

    def judge(self, key: str) -> FlagEffect | None:
        """The effect on one flag; None where nothing about it changes for anyone."""
        one, other = self.before.controls.get(key), self.after.controls.get(key)
        wider = list(loosened(one, other)) if one is not None and other is not None else []
        narrower: list[str] = []
        pairs = self.pairs(key)
        if pairs is None:
            wider.append("there are too many combinations to decide what it does")
        for pair, witness in sorted((pairs or {}).items(), key=str):
            verdict = judge_pair(pair, one, other)
            if verdict is not Effect.NEITHER:
                (wider if verdict is Effect.WIDENS else narrower).append(_moves(pair, witness))
        if not wider and not narrower and not self._differs(key):
            return None
        return _flag_effect(key, wider, narrower)


def judge_pair(pair: Pair, before: Control | None, after: Control | None) -> Effect:
    """What it means that a context gets the one before and the other after, by values as they were before."""
    old, new = _value(pair.before, before), _value(pair.after, after)
    if old == new:
        return Effect.NEITHER
    if new is None or before is None:
        return Effect.WIDENS  # the application's own default is not known here, nor is a baseline that is itself new
    if new == _value(before.flag.baseline, before):
        return Effect.NARROWS
    ranks = {variation: rank for rank, variation in enumerate(before.caution)}
    if pair.before not in ranks or pair.after not in ranks:
        return Effect.WIDENS
    unchanged = new == _value(pair.after, before)
    return Effect.NARROWS if unchanged and ranks[pair.after] < ranks[pair.before] else Effect.WIDENS


def _value(variation: Given, control: Control | None) -> bytes | None:
    """The value's canonical bytes; None stands for the application's default, or a variation that there was not."""
    if variation is None or control is None:
        return None
    return next((canonical(each.value) for each in control.flag.variations if each.key == variation), None)


def _published(state: State, key: str) -> Flag | None:
    control = state.controls.get(key)
    return None if control is None or control.archived else control.flag


def _wanted(flag: Flag | None) -> dict[str, Prerequisite]:
    return {} if flag is None or not flag.enabled else {each.flag: each for each in flag.prerequisites}


def _meets(wanted: dict[str, Prerequisite], key: str, given: Given) -> bool:
    return key not in wanted or given in wanted[key].variations


def _keys_of(flag: Flag | None) -> tuple[Given, ...]:
    return (None,) if flag is None else tuple(each.key for each in flag.variations)


def _moves(pair: Pair, witness: Witness) -> str:
    before = f"`{pair.before}`" if pair.before is not None else "the application's default"
    after = f"`{pair.after}`" if pair.after is not None else "the application's default"
    by = witness.before if witness.before == witness.after else f"{witness.before}, then {witness.after}"
    changed = " (its value changes)" if pair.before == pair.after else ""
    return f"{before} becomes {after}{changed} ({by})"


def _flag_effect(key: str, wider: list[str], narrower: list[str]) -> FlagEffect:
    if wider:
        return FlagEffect(flag=key, effect=Effect.WIDENS, because=f"{key}: {_several(wider)}")
    if narrower:
        return FlagEffect(flag=key, effect=Effect.NARROWS, because=f"{key}: only narrower: {_several(narrower)}")
    return FlagEffect(flag=key, effect=Effect.NEITHER, because=f"{key}: nobody gets anything else, nothing is loosened")


def _several(reasons: list[str]) -> str:
    more = f"; and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return "; ".join(reasons[:SHOWN]) + more
