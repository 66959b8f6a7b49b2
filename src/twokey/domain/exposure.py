"""Blast radius: recorded contexts evaluated before and after a change.

Rules kept here:
- it replays what was really seen, through the engine, with nothing estimated: a share is of the replayed units;
- each recorded context is one unit; `weight` (its exposures) does not make it count more;
- a unit is *exposed* when a flag gives it anything but the baseline; a flag that is not published gives `FALLBACK`;
- what it says of cohorts is bounded: at most `MAX_ATTRIBUTES` attributes with at most `MAX_VALUES` values each, and
  none that is nearly as many-valued as the units themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from twokey.domain.telemetry import RecordedContext
from twokey.engine import TARGETING_KEY, Snapshot, evaluate

__all__ = ["FALLBACK", "BlastRadius", "FlagShare", "RecordedContext", "RuleMove", "Transition", "blast_radius"]

FALLBACK = "(fallback)"
"""Stands for the default that the application passes where a flag is not published. No variation can have this key."""
MAX_ATTRIBUTES = 12
MAX_VALUES = 20
MAX_TRANSITIONS = 100
_FEW = 20
"""An attribute with more distinct values than this, and than a tenth of the changed units, is an id and no cohort."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """How many replayed units one flag moves from one variation to another, and their share (0 to 1) of all of them."""

    flag: str
    before: str
    after: str
    units: int
    share: float


class RuleMove(msgspec.Struct, frozen=True, kw_only=True):
    """How many replayed units whose variation changes were decided by one rule before and by which after.

    Where no rule decides, the reason stands for it (`DEFAULT`, `SPLIT`, `DISABLED`).
    """

    flag: str
    before: str
    after: str
    units: int


class FlagShare(msgspec.Struct, frozen=True, kw_only=True):
    """The share (0 to 1) of replayed units that one flag gives something other than its baseline."""

    flag: str
    before: float
    after: float


class BlastRadius(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom a change reaches, by replay. Shares are 0 to 1 of `sampled_units`.

    `changed_units` get another variation of at least one flag; `share_before` and `share_after` are exposed by at least
    one. `changed_traffic` is the share of all recorded evaluations that were those of changed units. `by_rule` and
    `by_attribute` count the changed units by what decides for them, and by the attributes they were recorded with.
    """

    sampled_units: int
    since: datetime | None = None
    until: datetime | None = None
    changed_units: int = 0
    share_before: float = 0.0
    share_after: float = 0.0
    shares: tuple[FlagShare, ...] = ()
    transitions: tuple[Transition, ...] = ()
    changed_traffic: float = 0.0
    by_rule: tuple[RuleMove, ...] = ()
    by_attribute: dict[str, dict[str, int]] = {}


class _Got(NamedTuple):
    """What one flag gave one unit, and by which rule (else for which reason)."""

    variation: str
    rule: str


class _Replay(NamedTuple):
    """One unit that changed: what each flag gives before and after, in the order of the flags."""

    recorded: RecordedContext
    before: list[_Got]
    after: list[_Got]


def blast_radius(
    before: Snapshot, after: Snapshot, flags: Sequence[str], contexts: Sequence[RecordedContext]
) -> BlastRadius:
    """Replay the contexts against both snapshots for these flags."""
    had, has = _Side(before, flags), _Side(after, flags)
    changed: list[_Replay] = []
    for recorded in contexts:
        context = {recorded.unit_name: recorded.unit, **recorded.context}
        one, other = had.replay(context), has.replay(context)
        if any(x.variation != y.variation for x, y in zip(one, other, strict=True)):
            changed.append(_Replay(recorded, one, other))
    total = len(contexts)
    traffic = sum(each.weight for each in contexts)
    return BlastRadius(
        sampled_units=total,
        since=min((each.at for each in contexts), default=None),
        until=max((each.at for each in contexts), default=None),
        changed_units=len(changed),
        changed_traffic=_share(sum(each.recorded.weight for each in changed), traffic),
        share_before=_share(had.exposed, total),
        share_after=_share(has.exposed, total),
        shares=tuple(
            FlagShare(flag=flag, before=_share(had.by_flag[index], total), after=_share(has.by_flag[index], total))
            for index, flag in enumerate(flags)
        ),
        transitions=_transitions(flags, changed, total),
        by_rule=_by_rule(flags, changed),
        by_attribute=_by_attribute(
            [each.recorded.context for each in changed], {TARGETING_KEY, *(c.unit_name for c in contexts)}
        ),
    )


class _Side:
    """One snapshot, and how many units it exposed: by any of the flags, and by each."""

    def __init__(self, snapshot: Snapshot, flags: Sequence[str]) -> None:
        self._snapshot = snapshot
        self._baselines = [(flag, snapshot.flags[flag].baseline if flag in snapshot.flags else None) for flag in flags]
        self.exposed, self.by_flag = 0, [0] * len(flags)

    def replay(self, context: Mapping[str, Any]) -> list[_Got]:
        """What each flag gives this unit."""
        given: list[_Got] = []
        exposed = False
        for index, (flag, baseline) in enumerate(self._baselines):
            found = evaluate(self._snapshot, flag, context)
            variation = found.variation or FALLBACK
            given.append(_Got(variation, found.rule or found.reason))
            if baseline is not None and variation != baseline:
                exposed = True
                self.by_flag[index] += 1
        self.exposed += exposed
        return given


def _transitions(flags: Sequence[str], changed: Sequence[_Replay], total: int) -> tuple[Transition, ...]:
    counted = Counter((flag, one.variation, other.variation) for flag, one, other in _moves(flags, changed))
    return tuple(
        Transition(flag=flag, before=one, after=other, units=units, share=_share(units, total))
        for (flag, one, other), units in _first(counted)
    )


def _by_rule(flags: Sequence[str], changed: Sequence[_Replay]) -> tuple[RuleMove, ...]:
    counted = Counter((flag, one.rule, other.rule) for flag, one, other in _moves(flags, changed))
    return tuple(
        RuleMove(flag=flag, before=one, after=other, units=units) for (flag, one, other), units in _first(counted)
    )


def _moves(flags: Sequence[str], changed: Sequence[_Replay]) -> Iterator[tuple[str, _Got, _Got]]:
    for each in changed:
        for flag, one, other in zip(flags, each.before, each.after, strict=True):
            if one.variation != other.variation:
                yield flag, one, other


def _first(counted: Counter[tuple[str, str, str]]) -> list[tuple[tuple[str, str, str], int]]:
    return sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MAX_TRANSITIONS]


def _by_attribute(contexts: Sequence[Mapping[str, Any]], units: set[str]) -> dict[str, dict[str, int]]:
    counted: dict[str, Counter[str]] = {}
    for context in contexts:
        for name in context.keys() - units:
            counted.setdefault(name, Counter())[_text(context[name])] += 1
    cohorts = {name: values for name, values in counted.items() if len(values) <= max(_FEW, len(contexts) // 10)}
    widest = sorted(cohorts, key=lambda name: (-sum(cohorts[name].values()), name))[:MAX_ATTRIBUTES]
    return {name: _most(cohorts[name]) for name in sorted(widest)}


def _most(values: Counter[str]) -> dict[str, int]:
    ordered = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[:MAX_VALUES])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _share(part: int, total: int) -> float:
    return part / total if total else 0.0
