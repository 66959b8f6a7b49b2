"""When a control's reach last moved, seen from the first signal.

Rules kept here:
- only edits that can change what somebody is served count; a new owner or limit does not;
- what moved after the signal cannot have caused it; of what moved before, nearer is likelier.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec

from twokey.domain.control import Control
from twokey.domain.signal import Signal
from twokey.domain.triage.collected import Version
from twokey.engine.flag import WEIGHT_TOTAL, Flag, Serve

HALF_LIFE_HOURS = 6.0
"""A change that long before the signal is half as likely to matter as one right before it."""

UNKNOWN = 0.1
"""Closeness of a control of which no edit is on record."""


class Edit(msgspec.Struct, frozen=True, kw_only=True):
    """One edit that changed whom a flag reaches, with what was before it."""

    version: Version
    before: Control | None

    @property
    def at(self) -> datetime:
        """When it was published."""
        return self.version.at


def started(signals: Sequence[Signal]) -> datetime:
    """When the trouble began, as far as the signals say: the earliest start, but none later than its arrival."""
    return min(min(each.alert.starts_at, each.received_at) for each in signals)


def edits(versions: Sequence[Version]) -> tuple[Edit, ...]:
    """The edits that changed the flag's reach, oldest first; the first version counts as one."""
    ordered = sorted(versions, key=lambda each: each.revision)
    if not ordered:
        return ()
    first = Edit(version=ordered[0], before=None)
    later = (Edit(version=after, before=before.control) for before, after in pairwise(ordered))
    return (first, *(each for each in later if _reach(each.before) != _reach(each.version.control)))


def last_before(found: Sequence[Edit], moment: datetime) -> Edit | None:
    """The nearest edit at or before that moment."""
    return next((each for each in reversed(found) if each.at <= moment), None)


def first_after(found: Sequence[Edit], moment: datetime) -> Edit | None:
    """The first edit after that moment."""
    return next((each for each in found if each.at > moment), None)


def minutes_before(at: datetime, moment: datetime) -> float:
    """Minutes from `at` to the moment; negative where `at` is later."""
    return (moment - at).total_seconds() / 60


def closeness(found: Sequence[Edit], moment: datetime) -> float:
    """From 1 (moved at the moment) halving every `HALF_LIFE_HOURS`; 0 where it only moved afterwards."""
    if not found:
        return UNKNOWN
    nearest = last_before(found, moment)
    if nearest is None:
        return 0.0
    return max(UNKNOWN, float(0.5 ** (minutes_before(nearest.at, moment) / 60 / HALF_LIFE_HOURS)))


def moves(edit: Edit) -> list[dict[str, Any]]:
    """Which rule moved which variation from what share to what share (in percent); `rule` "" is `otherwise`."""
    before, after = _shares(edit.before), _shares(edit.version.control)
    keys = [key for key in {**before, **after} if before.get(key, 0.0) != after.get(key, 0.0)]
    return [
        {"rule": key[0], "variation": key[1], "from": before.get(key, 0.0), "to": after.get(key, 0.0)}
        for key in sorted(keys)
    ]


def shares(serve: Serve) -> dict[str, float]:
    """The share in percent that a serve gives each variation."""
    if serve.rollout is None:
        return {serve.variation: 100.0} if serve.variation else {}
    return {key: weight / WEIGHT_TOTAL * 100 for key, weight in serve.rollout.weights if weight}


def serves(flag: Flag) -> tuple[tuple[str | None, Serve], ...]:
    """Every rule's serve, in order, and `otherwise` as None."""
    return (*((rule.id, rule.serve) for rule in flag.rules), (None, flag.otherwise))


def _shares(control: Control | None) -> dict[tuple[str, str], float]:
    if control is None or control.archived or not control.flag.enabled:
        return {}
    found = {}
    for rule, serve in serves(control.flag):
        for variation, share in shares(serve).items():
            if variation != control.flag.baseline:
                found[(rule or "", variation)] = share
    return found


def _reach(control: Control | None) -> object:
    if control is None or control.archived or not control.flag.enabled:
        return None
    flag = control.flag
    return flag.rules, flag.otherwise, flag.targets, flag.prerequisites, flag.baseline, flag.salt, flag.unit
