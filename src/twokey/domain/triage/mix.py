"""Whether what came in changed: more of it, or other units than before.

Rules kept here:
- both windows are compared by rate (units a minute) and by the share of each attribute's values in a sample;
- a change is told where it is large (a half more; ten points of share) and no accident of the sample;
- it explains nothing by itself: it is told beside what was measured, which is compared within the same window.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from twokey.domain.telemetry import Traffic
from twokey.domain.triage.screening import shares_apart

MORE = 1.5
"""So many times the units a minute are a change of load; so are so many times fewer."""
LEAST_UNITS = 100
POINTS, ERRORS = 0.1, 5.0
"""A share that moved so far, and so many standard errors, is a change of the mix."""
MOST_VALUES = 50
"""An attribute with more values is an id, and no mix."""


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """Who came in one window."""

    since: datetime
    until: datetime
    traffic: Traffic

    @property
    def rate(self) -> float:
        """Units a minute."""
        minutes = (self.until - self.since).total_seconds() / 60
        return self.traffic.units / minutes if minutes > 0 else 0.0


class Shifted(msgspec.Struct, frozen=True, kw_only=True):
    """One value of an attribute whose share changed; shares are 0 to 1 of sampled units."""

    attribute: str
    value: str
    before: float
    after: float


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """Before the trouble and since: units a minute, and the shares that changed, the largest change first."""

    before: float
    after: float
    units_before: int
    units_after: int
    shifted: tuple[Shifted, ...] = ()

    @property
    def load_changed(self) -> bool:
        """Whether far more or far fewer units come than before."""
        if min(self.units_before, self.units_after) < LEAST_UNITS:
            return False
        return not 1 / MORE < self.after / self.before < MORE


def compare(before: Came, after: Came) -> Mix:
    """What changed from one window to the other."""
    return Mix(
        before=before.rate,
        after=after.rate,
        units_before=before.traffic.units,
        units_after=after.traffic.units,
        shifted=_shifted(before.traffic.contexts, after.traffic.contexts),
    )


def _shifted(before: Sequence[Mapping[str, object]], after: Sequence[Mapping[str, object]]) -> tuple[Shifted, ...]:
    if min(len(before), len(after)) < LEAST_UNITS:
        return ()
    was, now = _counted(before), _counted(after)
    found = [
        Shifted(
            attribute=name,
            value=value,
            before=was.get(name, Counter())[value] / len(before),
            after=now.get(name, Counter())[value] / len(after),
        )
        for name in sorted(was.keys() | now.keys())
        if max(len(was.get(name, ())), len(now.get(name, ()))) <= MOST_VALUES
        for value in sorted(was.get(name, Counter()).keys() | now.get(name, Counter()).keys())
        if _moved(was.get(name, Counter())[value], len(before), now.get(name, Counter())[value], len(after))
    ]
    return tuple(sorted(found, key=lambda each: (-abs(each.after - each.before), each.attribute, each.value)))


def _moved(was: int, before: int, now: int, after: int) -> bool:
    return abs(now / after - was / before) >= POINTS and abs(shares_apart((now, after), (was, before))) >= ERRORS


def _counted(contexts: Sequence[Mapping[str, object]]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for context in contexts:
        for name, value in context.items():
            found.setdefault(name, Counter())[str(value).lower() if isinstance(value, bool) else str(value)] += 1
    return found
