"""Predicted against observed: what a change was to do to those who meet a flag, and what they have got since.

Rules kept here:
- both are shares of units: those that met the flag in the day before are replayed against what was published, those
  that met it since are counted by what they were assigned last;
- they are other units at another time, so a difference is told only where chance alone does not explain it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from twokey.domain.exposure import FALLBACK
from twokey.domain.telemetry import RecordedContext
from twokey.engine import Snapshot, evaluate

FEWEST = 30
"""Units on either side without which nothing is compared."""
ERRORS = 4.0
"""Standard errors that lie between two shares before they are told to differ."""
SLACK = 0.01
"""A difference of shares that nobody minds, however certain it is."""


class VariationShare(msgspec.Struct, frozen=True, kw_only=True):
    """One variation's share of the units (0 to 1), as predicted and as observed; `differs` beyond chance."""

    variation: str
    predicted: float
    observed: float
    differs: bool = False


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """One flag after a change: how many units were replayed, how many have met it since, and what they get."""

    flag: str
    since: datetime
    until: datetime
    predicted_units: int
    observed_units: int
    variations: tuple[VariationShare, ...]
    sentence: str


def reach(
    snapshot: Snapshot,
    flag: str,
    before: Sequence[RecordedContext],
    since: Sequence[RecordedContext],
    span: tuple[datetime, datetime],
) -> Reach:
    """Compare: `before` met the flag before `snapshot` was published, `since` after it and in the span."""
    expected = Counter(_given(snapshot, flag, each) for each in before)
    found = Counter(each.variation or FALLBACK for each in since)
    names = sorted({*expected, *found})
    variations = tuple(_share(name, expected, found) for name in names)
    return Reach(
        flag=flag,
        since=span[0],
        until=span[1],
        predicted_units=len(before),
        observed_units=len(since),
        variations=variations,
        sentence=_sentence(variations, len(before), len(since)),
    )


def _given(snapshot: Snapshot, flag: str, recorded: RecordedContext) -> str:
    return evaluate(snapshot, flag, {recorded.unit_name: recorded.unit, **recorded.context}).variation or FALLBACK


def _share(name: str, expected: Counter[str], found: Counter[str]) -> VariationShare:
    many, few = expected.total(), found.total()
    one = expected[name] / many if many else 0.0
    other = found[name] / few if few else 0.0
    return VariationShare(
        variation=name, predicted=one, observed=other, differs=_differs(expected[name], many, found[name], few)
    )


def _differs(one: int, many: int, other: int, few: int) -> bool:
    if min(many, few) < FEWEST:
        return False
    apart, pooled = abs(one / many - other / few), (one + other + 1) / (many + few + 2)
    return apart > SLACK + ERRORS * math.sqrt(pooled * (1 - pooled) * (1 / many + 1 / few))


def _sentence(variations: Sequence[VariationShare], many: int, few: int) -> str:
    if not few:
        return "nobody is known to have met it since"
    if min(many, few) < FEWEST:
        return f"too few to compare: {many:,} units replayed, {few:,} since"
    apart = [each for each in variations if each.differs]
    if not apart:
        return f"as predicted, on {few:,} units since and {many:,} replayed"
    told = ", ".join(f"{each.variation} {each.observed:.1%} and not {each.predicted:.1%}" for each in apart)
    return f"not as predicted: {told.replace('%', ' %')}, on {few:,} units since and {many:,} replayed"
