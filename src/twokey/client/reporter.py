"""The thread that sends what was recorded.

Rules this module keeps:

* A batch keeps its id until the server has answered for it, so that sending it again counts once.
* While the server is away one batch waits here, in as many letters as it takes, and the rest in the recorder, whose
  bound decides what is dropped.
* A batch that the server will never take (a refused token, a refused shape) is dropped and counted, and so is a record
  that has no JSON form; the rest goes on.
* A forked child sends nothing of its parent's and has batch ids of its own.
"""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from twokey.client.backoff import Backoff
from twokey.client.exchange import Exchange, Server
from twokey.client.recorder import Measured, Met, Recorder
from twokey.client.sources import Reporting
from twokey.client.troubles import Trouble
from twokey.engine.wire import Exposure, MetricEvent

log = logging.getLogger("twokey.client")
BATCH = 1_000
GLANCE = 0.5
"""Seconds between two looks at how much waits."""
MAX_BYTES = 4 * 1024 * 1024
PATH = "/api/v1/telemetry"


class _Batch(msgspec.Struct):
    """`TelemetryBatch` with records that are JSON already."""

    batch_id: str
    exposures: list[msgspec.Raw]
    metrics: list[msgspec.Raw]


class _Letter(msgspec.Struct):
    """A batch on its way: its body, and how many records it holds."""

    body: bytes
    records: int


class _Answer(msgspec.Struct):
    """What the server says of a batch."""

    refused: list[msgspec.Raw] = []


class Reporter:
    """Sends what a recorder holds, from a thread of its own."""

    def __init__(self, server: Server, reporting: Reporting, recorder: Recorder) -> None:
        self._server = server
        self._reporting = reporting
        self._recorder = recorder
        self._begin()

    def _begin(self) -> None:
        self._stop = False
        self._wake = threading.Event()
        self._sender = uuid.uuid4().hex
        self._sent_batches = 0
        self._letters = deque[_Letter]()
        self._exchange: Exchange | None = None
        self._thread: threading.Thread | None = None
        self._told = 0
        self.sent = 0
        self.refused = 0
        self.trouble: Trouble | None = None

    def start(self) -> None:
        """Begin to send."""
        self._stop = False
        thread = threading.Thread(target=self._run, name="twokey-reporter", daemon=True)
        thread.start()
        self._thread = thread  # now, and not before: somebody may end us from another thread meanwhile

    @property
    def underway(self) -> int:
        """How many records were taken to be sent, and are not answered for yet."""
        return sum(each.records for each in tuple(self._letters))

    def flush(self) -> None:
        """Send soon what waits, without waiting for it."""
        self._wake.set()

    def stop(self, patience: float) -> None:
        """Send what waits, for at most `patience` seconds, and end."""
        self._stop = True
        self._wake.set()
        thread, self._thread = self._thread, None
        if thread is None or thread is threading.current_thread():
            return
        thread.join(patience)
        if thread.is_alive():
            if self._exchange is not None:
                self._exchange.cut()
            thread.join(patience)
        if left := self._recorder.waiting() + self.underway:
            log.warning("%d records were not sent before the end: %s", left, self.trouble or "time was up")

    def after_fork(self) -> None:
        """In the child: begin anew."""
        if self._exchange is not None:
            self._exchange.forget()
        self._begin()
        self.start()

    def _run(self) -> None:
        backoff, window_ends = Backoff(), time.monotonic() + self._reporting.window
        pace = Backoff(self._reporting.every, self._reporting.every)
        wait = pace.next()
        last = False
        while not last:
            self._rest(wait)
            last = self._stop  # one more round begins after the end was asked for, and takes all that was recorded
            if time.monotonic() >= window_ends:
                self._recorder.forget_met()
                window_ends = time.monotonic() + self._reporting.window
            wait = pace.next()
            try:
                self._send_all()
                backoff.reset()
            except Trouble as trouble:
                self._say(trouble)
                wait = max(wait, backoff.next(trouble.retry_after))
            except Exception:
                log.exception("reporting failed in a way that nobody foresaw")

    def _rest(self, seconds: float) -> None:
        """Wait so long, or until somebody flushes, or until so much waits that the next burst might not fit."""
        end, full = time.monotonic() + seconds, self._reporting.limit // 4
        while (left := end - time.monotonic()) > 0 and not self._wake.wait(min(left, GLANCE)):
            if self._recorder.waiting() > full and self.trouble is None:
                break
        self._wake.clear()

    def _send_all(self) -> None:
        """Send what waits now; raises the trouble that a later try may not meet."""
        left = self._recorder.waiting()
        while True:
            while self._letters:
                self._post(self._letters[0])
                self._letters.popleft()
            if left <= 0 or not (records := self._recorder.take(min(BATCH, left))):
                break
            left -= len(records)
            self._letters.extend(self._written(records))
        dropped = self._recorder.dropped.total()
        if dropped > self._told:
            log.warning("%d records were dropped: more were made than can wait or be sent", dropped - self._told)
            self._told = dropped

    def _written(self, records: list[Met | Measured]) -> Iterator[_Letter]:
        """Letters for these records, none larger than the server takes."""
        exposures, metrics, size = list[msgspec.Raw](), list[msgspec.Raw](), 0
        for record in records:
            line = _json(record)
            if line is None:
                self._recorder.dropped.add()
                continue
            if size + len(line) > MAX_BYTES and size:
                yield self._sealed(exposures, metrics)
                exposures, metrics, size = [], [], 0
            (exposures if isinstance(record, Met) else metrics).append(msgspec.Raw(line))
            size += len(line)
        if size:
            yield self._sealed(exposures, metrics)

    def _sealed(self, exposures: list[msgspec.Raw], metrics: list[msgspec.Raw]) -> _Letter:
        self._sent_batches += 1
        batch = _Batch(f"{self._sender}-{self._sent_batches}", exposures, metrics)
        return _Letter(msgspec.json.encode(batch), len(exposures) + len(metrics))

    def _post(self, letter: _Letter) -> None:
        exchange = self._exchange = Exchange(self._server)
        try:
            exchange.ask("POST", PATH, {"Content-Type": "application/json"}, letter.body)
            self._count(letter, exchange.body(MAX_BYTES))
        except Trouble as trouble:
            if trouble.waiting_helps:
                raise
            self.refused += letter.records
            self._say(trouble)
        finally:
            exchange.close()

    def _count(self, letter: _Letter, answer: bytes) -> None:
        try:
            refused = len(msgspec.json.decode(answer, type=_Answer).refused)
        except (msgspec.DecodeError, UnicodeDecodeError):
            refused = 0
        self.trouble = None
        self.refused += refused
        self.sent += letter.records - refused
        if refused:
            log.warning("the server refused %d of %d records: %.300s", refused, letter.records, answer.decode())

    def _say(self, trouble: Trouble) -> None:
        if type(trouble) is not type(self.trouble):
            log.warning("reports are not taken: %s: %s", type(trouble).__name__, trouble)
        self.trouble = trouble


def _json(record: Met | Measured) -> bytes | None:
    """The record as it goes on the wire; None where it has no such form (half surrogates, numbers out of range)."""
    try:
        return msgspec.json.encode(_exposure(record) if isinstance(record, Met) else _metric(record))
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        return None


def _exposure(record: Met) -> Exposure:
    meeting, resolution = record.meeting, record.meeting.resolution
    return Exposure(
        flag=meeting.flag,
        rule=resolution.rule,
        revision=resolution.revision,
        assigned=str(resolution.variation),
        served=record.served,
        unit=meeting.unit,
        unit_name=meeting.unit_name,
        at=datetime.fromtimestamp(meeting.at, UTC),
        reason=str(resolution.reason),
        context=meeting.context,
    )


def _metric(record: Measured) -> MetricEvent:
    return MetricEvent(
        metric=record.metric,
        value=record.value,
        unit=record.unit,
        unit_name=record.unit_name,
        at=datetime.fromtimestamp(record.at, UTC),
        attributes=record.attributes,
    )
