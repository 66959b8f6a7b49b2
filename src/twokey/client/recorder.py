"""What the application met and measured, kept in memory until it is sent.

Rules this module keeps:

* Recording never blocks, never raises and takes no lock: it may happen in any thread, coroutine or signal handler.
* What waits is bounded: beyond `limit` records a further one is dropped and counted.
* A unit that meets the same variation by the same rule and revision again is not recorded again until the window ends
  (`forget_met`). One that meets another in between is, so that the last record is where the unit stands.
* An exposure without a unit counts for nobody and is not recorded.
"""

import math
import time
from collections import deque
from collections.abc import Mapping
from itertools import islice
from threading import get_ident
from typing import Any, NamedTuple

from twokey.client.keeper import View
from twokey.engine import TARGETING_KEY, Resolution
from twokey.engine.bucketing import unit_text
from twokey.engine.reading import scalar
from twokey.engine.wire import MAX_BATCH

MAX_MET = 20_000
"""Units remembered as met in one window; when there are more, all are forgotten and may be recorded once more."""
MAX_FACTS = 128
Facts = dict[str, str | int | float | bool]


class Meeting(NamedTuple):
    """A unit was assigned a variation; what was served to it is not said yet. `at` is in seconds since 1970."""

    at: float
    flag: str
    resolution: Resolution
    unit: str
    unit_name: str
    context: Facts


class Met(NamedTuple):
    """An exposure that waits to be sent."""

    meeting: Meeting
    served: str


class Measured(NamedTuple):
    """A tracked value of one unit that waits to be sent."""

    at: float
    metric: str
    value: float
    unit: str
    unit_name: str
    attributes: Facts


class Stands(NamedTuple):
    """Where a unit stands with a flag: the last answer, and what was served."""

    resolution: Resolution
    served: str

    def same_as(self, other: "Stands") -> bool:
        """Whether the two would be the same exposure."""
        mine, its = self.resolution, other.resolution
        same = (mine.rule, mine.revision, mine.variation) == (its.rule, its.revision, its.variation)
        return same and self.served == other.served


class Tally:
    """A count that threads raise without a lock: each has its own."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, number: int = 1) -> None:
        """Count so many more."""
        me = get_ident()
        self._counts[me] = self._counts.get(me, 0) + number

    def total(self) -> int:
        """All that was counted."""
        return sum(tuple(self._counts.values()))


class Recorder:
    """Takes what is met and measured; `take` hands it to the sender."""

    def __init__(self, attributes: tuple[str, ...], limit: int) -> None:
        self._attributes = attributes
        self._limit = limit
        self._waiting: deque[Met | Measured] = deque()
        self._seen: dict[tuple[str, str], Stands] = {}
        self.dropped = Tally()

    def meet(self, unit_name: str, flag: str, resolution: Resolution, context: Mapping[str, Any]) -> None:
        """The application asked, and serves what was assigned."""
        unit = context.get(unit_name) if type(context) is dict else None
        if type(unit) is str:
            # The usual call: the same unit, and the very answer that a compiled flag gives again and again.
            last = self._seen.get((flag, unit))
            if last is not None and last.resolution is resolution and last.served == resolution.variation:
                return
        meeting = self.meeting(unit_name, flag, resolution, context)
        if meeting is not None:
            self.record(meeting, str(resolution.variation))

    def meeting(self, unit_name: str, flag: str, resolution: Resolution, context: Mapping[str, Any]) -> Meeting | None:
        """The application asked, and will say later what it served; None where no unit can be counted."""
        try:
            unit = unit_text(context.get(unit_name))
            chosen = self._chosen(context)
        except Exception:  # noqa: BLE001 - the context's own code may raise anything; evaluation never does
            self.dropped.add()
            return None
        return None if unit is None else Meeting(time.time(), flag, resolution, unit, unit_name, chosen)

    def record(self, meeting: Meeting, served: str) -> None:
        """Keep what was assigned and what was served in its place, unless it is known."""
        seen, key = self._seen, (meeting.flag, meeting.unit)
        last, stands = seen.get(key), Stands(meeting.resolution, served)
        if last is not None and last.same_as(stands):
            seen[key] = stands
            return
        if len(seen) >= MAX_MET:
            seen = self._seen = {}
        if self._put(Met(meeting, served)):
            seen[key] = stands

    def measure(self, view: View | None, metric: str, value: float, context: Mapping[str, Any], facts: Any) -> None:
        """A value was measured: one record for each unit that the flags bucket by and the context has."""
        try:
            number, attributes = float(value), flat(facts)
            units = _units(view, context) if math.isfinite(number) else []
        except Exception:  # noqa: BLE001 - as above
            number, attributes, units = math.nan, {}, []
        if not units:
            self.dropped.add()
        now = time.time()
        for name, unit in units:
            self._put(Measured(now, metric, number, unit, name, attributes))

    def _put(self, record: Met | Measured) -> bool:
        if len(self._waiting) >= self._limit:
            self.dropped.add()
            return False
        self._waiting.append(record)
        return True

    def _chosen(self, context: Mapping[str, Any]) -> Facts:
        return flat({name: context[name] for name in self._attributes if name in context}) if self._attributes else {}

    def waiting(self) -> int:
        """How many records wait."""
        return len(self._waiting)

    def take(self, most: int = MAX_BATCH) -> list[Met | Measured]:
        """The oldest records, which no longer wait."""
        taken: list[Met | Measured] = []
        while len(taken) < most:
            try:
                taken.append(self._waiting.popleft())
            except IndexError:
                break
        return taken

    def forget_met(self) -> None:
        """A window ends: whoever is met from now on is recorded again."""
        self._seen = {}

    def forget_all(self) -> None:
        """In a forked child: what waits is the parent's to send."""
        self._waiting, self._seen, self.dropped = deque(), {}, Tally()


def _units(view: View | None, context: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = (TARGETING_KEY,) if view is None else view.units
    found = [(name, unit_text(context.get(name))) for name in names]
    return [(name, unit) for name, unit in found if unit is not None]


def flat(facts: Mapping[str, Any]) -> Facts:
    """Those facts that are scalars, at most as many as a record may carry."""
    scalars = ((str(name), scalar(value)) for name, value in facts.items())
    return dict(islice(((name, value) for name, value in scalars if value is not None), MAX_FACTS))
