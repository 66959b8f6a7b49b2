"""What intake knows of an environment's flags: their versions and their units, read once per revision."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

from twokey.domain.otel import TARGETING_KEY, Known
from twokey.engine import Snapshot
from twokey.engine.flag import Flag
from twokey.ports import Store
from twokey.surfaces.hub import Hub, Place

VERSIONS = 1000
Versions = tuple[tuple[int, Flag | None], ...]


class Flags:
    """The flags that telemetry speaks of, by environment; what was read is good until the environment moves."""

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store, self._hub, self._lock = store, hub, Lock()
        self._held: dict[Place, tuple[int, dict[str, Versions], frozenset[str]]] = {}

    def known(self, place: Place, keys: Iterable[str]) -> Known:
        """What is known of these flags. Raises NotFound for an unknown environment."""
        snapshot = self._hub.edition(place).snapshot
        with self._lock:
            held = self._held.get(place)
            if held is None or held[0] != snapshot.revision:
                held = self._held[place] = (snapshot.revision, {}, _units(snapshot))
            _, versions, units = held
            if missing := sorted(set(keys) - versions.keys()):
                versions.update(self._read(place, missing))
            return Known(flags={key: found for key, found in versions.items() if found}, units=units)

    def _read(self, place: Place, keys: list[str]) -> dict[str, Versions]:
        """Nothing for a flag that never was; that is remembered as well, within bounds."""
        with self._store.read() as uow:
            return {
                key: tuple(
                    (each.environment_revision, each.control.flag if each.control else None)
                    for each in uow.flags.versions(*place, key, limit=VERSIONS)
                )
                for key in keys[:VERSIONS]
            }


def _units(snapshot: Snapshot) -> frozenset[str]:
    """Every attribute that some flag buckets by."""
    found = {TARGETING_KEY}
    for flag in snapshot.flags.values():
        found |= {flag.bucketing_unit(rule.serve.rollout) for rule in flag.rules}
        found.add(flag.bucketing_unit(flag.otherwise.rollout))
    return frozenset(found)
