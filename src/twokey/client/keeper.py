"""The snapshot in use, and what is known of its freshness.

Rules this module keeps:

* Readers take `view` once per evaluation and need no lock: a view never changes, a change is a new view.
* What is refused or lost never takes the view away: the last good one keeps serving.
* One thread at a time offers snapshots and reports losses; listeners hear of it in that order, after it is true.
* A snapshot from the disk is a memory, not the truth: it serves, and the status says STALE until the source confirms
  it.
"""

import logging
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from twokey.client.changes import changed_flags
from twokey.client.disk import LastKnownGood
from twokey.client.reading import check_next, place
from twokey.client.troubles import Trouble
from twokey.engine import TARGETING_KEY, Snapshot

log = logging.getLogger("twokey.client")


class Status(StrEnum):
    """How fresh the answers are."""

    STARTING = "starting"
    READY = "ready"
    STALE = "stale"
    ERROR = "error"
    CLOSED = "closed"


class EventKind(StrEnum):
    """What a listener is told."""

    READY = "ready"
    STALE = "stale"
    ERROR = "error"
    CHANGED = "changed"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened: `flags` are the keys that may answer differently (CHANGED), `trouble` what went wrong."""

    kind: EventKind
    flags: tuple[str, ...] = ()
    trouble: Trouble | None = None

    @property
    def message(self) -> str | None:
        """What went wrong, by its name and in a sentence."""
        return None if self.trouble is None else f"{type(self.trouble).__name__}: {self.trouble}"


Listener = Callable[[Event], None]


class Known(NamedTuple):
    """What every answer of one rule of one flag has in common: its metadata, and the unit that it counts."""

    metadata: dict[str, Any]
    unit_name: str


class View:
    """A snapshot, and what is worked out from it once."""

    __slots__ = ("known", "snapshot", "units")

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.known: dict[tuple[str, str | None], Known] = {}
        """By flag and rule. It only grows, and threads that make the same entry make equal ones."""
        names = {flag.bucketing_unit(rule.serve.rollout) for flag in snapshot.flags.values() for rule in flag.rules}
        names |= {flag.bucketing_unit(flag.otherwise.rollout) for flag in snapshot.flags.values()}
        self.units = tuple(sorted(names)) or (TARGETING_KEY,)
        """The context attributes that any flag buckets by."""

    def of(self, key: str, rule: str | None) -> Known:
        """What is known of a rule of a flag of the snapshot."""
        return self.known.get((key, rule)) or self.learn(key, rule)

    def learn(self, key: str, rule: str | None) -> Known:
        """The entry of `known` for a flag of the snapshot, made now."""
        flag = self.snapshot.flags[key]
        unit = flag.unit_for(rule)
        metadata: dict[str, Any] = {
            "flagSetId": place(self.snapshot),
            "version": str(self.snapshot.revision),
            "revision": flag.revision,
            "unit": unit,
        }
        if rule is not None:
            metadata["rule"] = rule
        found = self.known[key, rule] = Known(metadata, unit)
        return found


class Keeper:
    """Holds the view and the status, writes the last known good, tells the listeners."""

    def __init__(self, disk: LastKnownGood | None) -> None:
        self._disk = disk
        self.view: View | None = None
        self.status = Status.STARTING
        self.trouble: Trouble | None = None
        self.listeners: list[Listener] = []
        self.settled = threading.Event()
        """Set once waiting longer for the first snapshot brings nothing that is not there now."""
        self._confirmed = False

    @property
    def held(self) -> Snapshot | None:
        """The snapshot in use."""
        return None if self.view is None else self.view.snapshot

    def begin(self) -> None:
        """Start, or start again: from what the process or the disk remembers."""
        self.settled = threading.Event()
        remembered = self._disk.load() if self._disk is not None and self.view is None else None
        if remembered is not None:
            self.view = View(remembered)
        self.status = Status.STARTING if self.view is None else Status.STALE
        self.trouble, self._confirmed = None, False

    def after_fork(self) -> None:
        """In a forked child: what is held still serves; nobody else waits here."""
        self.settled = threading.Event()

    def offer(self, snapshot: Snapshot) -> None:
        """Take a server's snapshot into use; raises a BadSnapshot that says why it may not follow the one held."""
        held = self.held
        # What the disk remembers of another environment was another token's.
        if held is not None and (self._confirmed or place(held) == place(snapshot)):
            check_next(held, snapshot)
        self.replace(snapshot)

    def replace(self, snapshot: Snapshot) -> None:
        """Take a snapshot into use, whatever was held."""
        held, self._confirmed = self.held, True
        moved = held is None or held.digest != snapshot.digest
        if moved:
            self.view = View(snapshot)
        self._turn(Status.READY, None)
        if held is not None and moved:
            self._tell(Event(kind=EventKind.CHANGED, flags=changed_flags(held, snapshot)))
        if moved and self._disk is not None:
            # Last, because writing thousands of flags takes longer than all the rest.
            self._disk.save(snapshot)

    def confirm(self) -> None:
        """The source says that the snapshot held is the current one."""
        self._confirmed = True
        self._turn(Status.READY, None)

    def lose(self, trouble: Trouble) -> None:
        """The source is lost or offers what is refused; whatever is held keeps serving."""
        stale = self.view is not None and trouble.waiting_helps
        self._turn(Status.STALE if stale else Status.ERROR, trouble)

    def end(self) -> None:
        """Nothing is followed any more; what is held can still be read."""
        self.status = Status.CLOSED

    def _turn(self, status: Status, trouble: Trouble | None) -> None:
        if self.status is Status.CLOSED:
            return
        moved = status != self.status or type(trouble) is not type(self.trouble)
        self.status, self.trouble = status, trouble
        if moved:
            if trouble is not None:
                log.warning("%s: %s; %s", type(trouble).__name__, trouble, self._serving())
            self._tell(Event(kind=EventKind(status), trouble=trouble))
        if self.view is not None or trouble is None or not trouble.waiting_helps:
            self.settled.set()

    def _serving(self) -> str:
        held = self.held
        return "there is no snapshot yet" if held is None else f"revision {held.revision} keeps serving"

    def _tell(self, event: Event) -> None:
        for listener in tuple(self.listeners):
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed on %s", event.kind)
