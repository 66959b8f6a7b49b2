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
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from twokey.domain.telemetry import RecordedContext
from twokey.engine import TARGETING_KEY, Snapshot, evaluate

__all__ = ["FALLBACK", "BlastRadius", "FlagShare", "RecordedContext", "Transition", "blast_radius"]

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


class FlagShare(msgspec.Struct, frozen=True, kw_only=True):
    """The share (0 to 1) of replayed units that one flag gives something other than its baseline."""

    flag: str
    before: float
    after: float


class BlastRadius(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whom a change reaches, by replay. Shares are 0 to 1 of `sampled_units`.

    `changed_units` get another variation of at least one flag; `share_before` and `share_after` are exposed by at least
    one. `by_attribute` counts the changed units by the values of the attributes they were recorded with.
    """

    sampled_units: int
    since: datetime | None = None
    until: datetime | None = None
    changed_units: int = 0
    share_before: float = 0.0
    share_after: float = 0.0
    shares: tuple[FlagShare, ...] = ()
    transitions: tuple[Transition, ...] = ()
    by_attribute: dict[str, dict[str, int]] = {}


class _Replay(NamedTuple):
    """One unit: what each flag gives before and after, in the order of the flags."""

    context: Mapping[str, Any]
    before: tuple[str, ...]
    after: tuple[str, ...]


def blast_radius(
    before: Snapshot, after: Snapshot, flags: Sequence[str], contexts: Sequence[RecordedContext]
) -> BlastRadius:
    """Replay the contexts against both snapshots for these flags."""
    replays = [_replay(before, after, flags, each) for each in contexts]
    changed = [each for each in replays if each.before != each.after]
    total = len(replays)
    exposed_before = [_exposed(before, flags, each.before) for each in replays]
    exposed_after = [_exposed(after, flags, each.after) for each in replays]
    return BlastRadius(
        sampled_units=total,
        since=min((each.at for each in contexts), default=None),
        until=max((each.at for each in contexts), default=None),
        changed_units=len(changed),
        share_before=_share(sum(map(any, exposed_before)), total),
        share_after=_share(sum(map(any, exposed_after)), total),
        shares=tuple(
            FlagShare(
                flag=flag,
                before=_share(sum(each[index] for each in exposed_before), total),
                after=_share(sum(each[index] for each in exposed_after), total),
            )
            for index, flag in enumerate(flags)
        ),
        transitions=_transitions(flags, changed, total),
        by_attribute=_by_attribute(
            [each.context for each in changed], {TARGETING_KEY, *(c.unit_name for c in contexts)}
        ),
    )


def _replay(before: Snapshot, after: Snapshot, flags: Sequence[str], recorded: RecordedContext) -> _Replay:
    context = {**recorded.context, recorded.unit_name: recorded.context.get(recorded.unit_name, recorded.unit)}
    return _Replay(
        context=recorded.context,
        before=tuple(evaluate(before, flag, context).variation or FALLBACK for flag in flags),
        after=tuple(evaluate(after, flag, context).variation or FALLBACK for flag in flags),
    )


def _exposed(snapshot: Snapshot, flags: Sequence[str], given: tuple[str, ...]) -> tuple[bool, ...]:
    return tuple(
        flag in snapshot.flags and variation != snapshot.flags[flag].baseline
        for flag, variation in zip(flags, given, strict=True)
    )


def _transitions(flags: Sequence[str], changed: Sequence[_Replay], total: int) -> tuple[Transition, ...]:
    counted = Counter(
        (flag, each.before[index], each.after[index])
        for each in changed
        for index, flag in enumerate(flags)
        if each.before[index] != each.after[index]
    )
    ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Transition(flag=flag, before=one, after=other, units=units, share=_share(units, total))
        for (flag, one, other), units in ordered[:MAX_TRANSITIONS]
    )


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
