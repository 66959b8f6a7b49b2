"""The client without OpenFeature: the shortest way from a context to a value, for hot paths.

Rules this module keeps:

* Evaluation reads memory: no lock, no network, no file, no exception.
* What a process needs running (a thread that follows the source, one that reports) starts with `start`, ends with
  `close` or with the process, and starts again in a forked child.
"""

import atexit
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from twokey.client.disk import LastKnownGood
from twokey.client.exchange import Server
from twokey.client.following import Follower
from twokey.client.keeper import Keeper, Listener, Status
from twokey.client.recorder import Recorder
from twokey.client.reporter import Reporter
from twokey.client.shown import Shown
from twokey.client.sources import File, Reporting, Source
from twokey.client.troubles import Trouble
from twokey.engine import ErrorCode, FlagType, Resolution, Snapshot, evaluate
from twokey.engine.resolution import failed

REPORTING = Reporting()
"""What is reported unless something else is asked for: exposures without attributes, and what is tracked."""
LAST_WORDS = 2.0
"""Seconds that `close` waits, at most twice, for the last reports."""
_NO_SNAPSHOT = failed(ErrorCode.GENERAL, "there is no snapshot yet")


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Records that wait, were sent and taken, were refused by the server, and were dropped unsent."""

    waiting: int
    sent: int
    refused: int
    dropped: int


class TwokeyClient:
    """Flags of one environment.

    `source` says where they come from. `cache` is the file of the last known good: with it a fresh process serves
    before the server is reached, and while it is not. `reporting` says what is sent back; None sends nothing.
    """

    def __init__(
        self, source: Source, *, cache: str | os.PathLike[str] | None = None, reporting: Reporting | None = REPORTING
    ) -> None:
        # What the provider and this class share: hot paths go there directly.
        self.keeper = Keeper(None if cache is None else LastKnownGood(Path(cache)))
        self._follower = Follower(source, self.keeper)
        wanted = reporting or Reporting()
        self.recorder = Recorder(wanted.attributes, wanted.limit)
        server = _report_to(source, reporting)
        self._reporter = None if server is None else Reporter(server, wanted, self.recorder)
        self._reports = self._reporter is not None
        self._running = False

    def start(self, patience: float = 5.0) -> Status:
        """Begin, and wait at most `patience` seconds for flags; how fresh they are.

        With a last known good this returns as soon as the server has answered or failed once. Nothing is raised: an
        ERROR is explained by `trouble`, and the client goes on trying.
        """
        if not self._running:
            self._running = True
            self.keeper.begin()
            self._follower.start()
            if self._reporter is not None:
                self._reporter.start()
            _live.add(self)
        self.keeper.settled.wait(patience)
        return self.status

    def close(self, patience: float = LAST_WORDS) -> None:
        """Stop following, send what waits, and end. Evaluation goes on from what is held."""
        if not self._running:
            return
        self._running = False
        _live.discard(self)
        self.keeper.end()
        self._follower.stop(patience)
        if self._reporter is not None:
            self._reporter.stop(patience)

    def evaluate(self, key: str, context: Mapping[str, Any], expect: FlagType | None = None) -> Resolution:
        """What the flag gives this context, recorded as an exposure; errors are values of the resolution."""
        view = self.keeper.view
        if view is None:
            return _NO_SNAPSHOT
        resolution = evaluate(view.snapshot, key, context, expect)
        if self._reports and resolution.error is None:
            self.recorder.meet(view.of(key, resolution.rule).unit_name, key, resolution, context)
        return resolution

    @contextmanager
    def exposure(self, key: str, context: Mapping[str, Any], default: Any = None) -> Iterator[Shown]:
        """Evaluate, use, and say what was served where it is not what was assigned: see `twokey.client.shown`.

        `default` is the value where the flag has none to give.
        """
        view = self.keeper.view
        resolution = _NO_SNAPSHOT if view is None else evaluate(view.snapshot, key, context)
        value, meeting = default, None
        if view is not None and resolution.error is None:
            value = resolution.value
            meeting = self.recorder.meeting(view.of(key, resolution.rule).unit_name, key, resolution, context)
        shown = Shown(value, resolution.variation, str(resolution.reason))
        try:
            yield shown
        except BaseException:
            self._settle(shown, meeting, failed=True)
            raise
        self._settle(shown, meeting, failed=False)

    def _settle(self, shown: Shown, meeting: Any, *, failed: bool) -> None:
        if self._reports:
            shown.settle(self.recorder, meeting, failed=failed)

    def track(
        self, metric: str, context: Mapping[str, Any], value: float = 1.0, attributes: Mapping[str, Any] | None = None
    ) -> None:
        """A value was measured for the context's units: a latency, a count, 1 or 0 for yes or no."""
        if self._reports:
            self.recorder.measure(self.keeper.view, metric, value, context, attributes or {})

    def listen(self, listener: Listener) -> None:
        """Call the listener, in the client's thread, with every event from now on."""
        self.keeper.listeners.append(listener)

    def flush(self) -> None:
        """Send soon what waits, without waiting for it."""
        if self._reporter is not None:
            self._reporter.flush()

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot in use; `twokey.engine.evaluate` on it records nothing."""
        return self.keeper.held

    @property
    def status(self) -> Status:
        """How fresh the answers are."""
        return self.keeper.status

    @property
    def trouble(self) -> Trouble | None:
        """Why the answers are not fresh."""
        return self.keeper.trouble

    @property
    def reports(self) -> bool:
        """Whether anything is reported at all."""
        return self._reports

    @property
    def counts(self) -> Counts:
        """What became of the records."""
        sender = self._reporter
        return Counts(
            waiting=self.recorder.waiting() + (0 if sender is None else sender.underway),
            sent=0 if sender is None else sender.sent,
            refused=0 if sender is None else sender.refused,
            dropped=self.recorder.dropped.total(),
        )

    def after_fork(self) -> None:
        """In a forked child: threads of its own, nothing of the parent's connection and buffer."""
        self.keeper.after_fork()
        self.recorder.forget_all()
        self._follower.after_fork()
        if self._reporter is not None:
            self._reporter.after_fork()


def _report_to(source: Source, reporting: Reporting | None) -> Server | None:
    """Where reports go: to the place that is named, else to the server that the flags come from."""
    if reporting is None:
        return None
    own = (None, None, None) if isinstance(source, File) else (source.url, source.token, source.tls)
    url, token, tls = reporting.url or own[0], reporting.token or own[1], reporting.tls or own[2]
    return None if url is None or token is None else Server(url=url, token=token, tls=tls)


_live: set[TwokeyClient] = set()
"""Clients between `start` and `close`."""


def _in_child() -> None:
    for client in tuple(_live):
        client.after_fork()


def _at_exit() -> None:
    for client in tuple(_live):
        client.close()


os.register_at_fork(after_in_child=_in_child)
atexit.register(_at_exit)
