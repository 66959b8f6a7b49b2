"""Compare whom a change was to reach with whom it has reached. Reads only.

Rule: what is observed ends with the next change of the flag: from then on it is that one's doing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from twokey.domain.change import Change
from twokey.domain.observed import Reach, reach
from twokey.domain.telemetry import Scope, Telemetry, Window
from twokey.engine import Snapshot
from twokey.ports import Store, UnitOfWork

REPLAYED = 20_000
"""At most so many recorded contexts on either side."""
LOOK_BACK = timedelta(hours=24)
VERSIONS = 1_000


class _Known(NamedTuple):
    change: Change
    snapshot: Snapshot
    ends: dict[str, datetime]


def compare(store: Store, telemetry: Telemetry, change_id: str) -> tuple[Reach, ...]:
    """One comparison a flag that the change edited and that was published then. Raises NotFound."""
    with store.read() as uow:
        change = uow.changes.get(change_id)
        state = uow.flags.state_at(change.project, change.environment, change.revision_after)
        snapshot = state.snapshot()
        flags = [each for each in change.flags if each in snapshot.flags]
        known = _Known(change, snapshot, {flag: _end(uow, change, flag) for flag in flags})
    return tuple(_compare(telemetry, known, flag) for flag in flags)


def _compare(telemetry: Telemetry, known: _Known, flag: str) -> Reach:
    change, end = known.change, known.ends[flag]
    scope = Scope(project=change.project, environment=change.environment, flag=flag)
    applied = change.applied_at
    before = telemetry.contexts(scope, window=Window(since=applied - LOOK_BACK, until=applied), limit=REPLAYED)
    since = telemetry.contexts(scope, window=Window(since=applied, until=end), limit=REPLAYED)
    return reach(known.snapshot, flag, before, since, (applied, end))


def _end(uow: UnitOfWork, change: Change, flag: str) -> datetime:
    """When the flag was changed next; now, where it was not."""
    later = [
        each.at
        for each in uow.flags.versions(change.project, change.environment, flag, limit=VERSIONS)
        if each.environment_revision > change.revision_after
    ]
    return min(later, default=uow.now)
