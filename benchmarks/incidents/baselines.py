"""What simpler assistants would say of the same case, with the same read access.

They abstain where nothing stands out by `THRESHOLD` standard errors; the one that only looks at the time never does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from benchmarks.incidents.causes import LOOK
from benchmarks.incidents.playing import HERE, Played
from benchmarks.incidents.scoring import Answer
from benchmarks.incidents.service import ALERT
from twokey.domain.telemetry import Window
from twokey.domain.triage.screening import asked, closeness, shifts

THRESHOLD = 3.0
DAY = timedelta(days=1)


def most_recent_change(played: Played) -> Answer:
    """Whatever was edited last before the alert."""
    return _ranked(_near(played), 0.0)


def largest_shift(played: Played) -> Answer:
    """The flag whose candidate's metrics differ most from its baseline's, as a dashboard by variation shows them."""
    return _ranked(_shifts(played), THRESHOLD)


def shift_times_recency(played: Played) -> Answer:
    """The same, weighed by how near before the alert the flag was edited."""
    near, shifted = _near(played), _shifts(played)
    standing = {flag: value for flag, value in shifted.items() if value >= THRESHOLD}
    return _ranked({flag: value * near.get(flag, 0.01) for flag, value in standing.items()}, 0.0)


BASELINES = {
    "most recent change": most_recent_change,
    "largest shift": largest_shift,
    "shift times recency": shift_times_recency,
}


def _near(played: Played) -> dict[str, float]:
    with played.store.read() as uow:
        edited = uow.flags.edited(HERE.project, HERE.environment, ALERT - DAY, ALERT)
    return {flag: closeness(at, ALERT) for flag, at in edited.items()}


def _shifts(played: Played) -> dict[str, float]:
    window = Window(since=LOOK - DAY, until=LOOK)
    exposed = played.telemetry.exposed(HERE, window=window)
    glances = played.telemetry.glances(HERE, asked(played.state, exposed), window=window)
    everybody = [msgspec.structs.replace(each, rule=None) for each in glances]
    return shifts(played.state, everybody, exposed)


def _ranked(values: Mapping[str, float], least: float) -> Answer:
    standing = [flag for flag, value in values.items() if value > least]
    return Answer(tuple(sorted(standing, key=lambda flag: (-values[flag], flag))), 1.0 if standing else 0.0)
