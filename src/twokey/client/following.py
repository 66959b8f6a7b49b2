"""Following a source: each kind of source in a class, and the thread that returns to it whenever it is lost.

Rules this module keeps:

* A follower ends only when it is told to; whatever goes wrong is told to the keeper and tried again later.
* The wait before the next try grows to a cap, is drawn at random, and is at least what the server asked for.
* The stream is continued after the last event, by the id that the server gave it, only within one process and after
  what was sound; a fresh process, and one that has just refused something, asks for the whole snapshot.
"""

import logging
import threading
import time
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from twokey.client.backoff import Backoff
from twokey.client.exchange import Exchange, Pulse, Server
from twokey.client.frames import MAX_FRAME, Frame, Frames
from twokey.client.keeper import Keeper, Status
from twokey.client.reading import KINDS, read_message, read_snapshot, snapshot_of, sound
from twokey.client.sources import File, Poll, Source, Stream
from twokey.client.troubles import BadSnapshot, NotServed, Trouble, Truncated, Unreachable, Unreadable

log = logging.getLogger("twokey.client")
SETTLED = 10.0
"""Seconds after which a connection that broke was a good one, and the next try comes soon."""


class Following(Protocol):
    """One way to follow a source. `follow` returns or raises when the source is lost; `cut` ends it from outside."""

    def follow(self, keeper: Keeper, stop: threading.Event) -> None:
        """Offer snapshots to the keeper until the source is lost."""

    def cut(self) -> None:
        """End `follow`, from another thread."""

    def forget(self) -> None:
        """In a forked child: give up what the parent goes on using."""


class StreamFollowing:
    """The server's stream: the snapshot, then patches."""

    def __init__(self, spec: Stream) -> None:
        self._spec = spec
        self._server = Server(url=spec.url, token=spec.token, tls=spec.tls, patience=spec.connect_timeout)
        self._exchange: Exchange | None = None
        self._continue, self._last_id = False, ""

    def follow(self, keeper: Keeper, stop: threading.Event) -> None:
        """One connection, from its request to its end."""
        continues, self._continue = self._continue and keeper.held is not None, False
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if continues and keeper.held is not None:
            headers["Last-Event-ID"] = self._last_id or str(keeper.held.revision)
        exchange = self._exchange = Exchange(self._server)
        answered = False
        try:
            if stop.is_set():
                return
            answer = exchange.ask("GET", "/stream/v1/snapshot", headers)
            answered = True
            if answer.headers.get_content_type() != "text/event-stream":
                raise NotServed(f"`{self._spec.url}` answers with {answer.headers.get_content_type()}, not a stream")
            self._take(exchange, keeper, continues)
        except BadSnapshot:
            raise
        except Trouble:
            # A server that does not answer has changed nothing: what could be continued before still can.
            self._continue = keeper.status is Status.READY if answered else continues
            raise
        finally:
            exchange.close()
        self._continue = keeper.status is Status.READY

    def _take(self, exchange: Exchange, keeper: Keeper, continues: bool) -> None:
        frames, pulse = Frames(MAX_FRAME), Pulse(self._spec.silence)
        try:
            for piece in exchange.pieces(self._spec.silence):
                for frame in frames.feed(piece):
                    _take_frame(frame, keeper)
                    self._last_id = frames.last_id
                if continues and frames.comments:
                    # Asked to go on from the revision held, the server has nothing to add.
                    continues = False
                    keeper.confirm()
                pulse.note(len(piece), frames.lines)
        except Unreachable as error:
            if frames.unfinished:
                raise Truncated(f"the stream ended in the middle of a message: {error}") from error
            raise
        if frames.unfinished:
            raise Truncated("the stream ended in the middle of a message")

    def cut(self) -> None:
        """End the connection."""
        if self._exchange is not None:
            self._exchange.cut()

    def forget(self) -> None:
        """Leave the connection to the parent."""
        if self._exchange is not None:
            self._exchange.forget()
        self._exchange, self._continue = None, False


def _take_frame(frame: Frame, keeper: Keeper) -> None:
    if frame.event not in KINDS:
        return
    message = read_message(frame.data)
    if message is not None:
        keeper.offer(snapshot_of(message, keeper.held))


class PollFollowing:
    """Asking again and again, with the ETag of what is held."""

    def __init__(self, spec: Poll) -> None:
        self._spec = spec
        self._server = Server(url=spec.url, token=spec.token, tls=spec.tls, patience=spec.connect_timeout)
        self._path = f"/api/v1/projects/{quote(spec.project)}/environments/{quote(spec.environment)}/snapshot"
        self._exchange: Exchange | None = None
        self._tag: tuple[str, str] | None = None

    def follow(self, keeper: Keeper, stop: threading.Event) -> None:
        """Ask until it goes wrong."""
        pace = Backoff(first=self._spec.every, cap=self._spec.every)
        while not stop.is_set():
            self._ask(keeper)
            stop.wait(pace.next())

    def _ask(self, keeper: Keeper) -> None:
        """Ask once. The tag is sent only with the snapshot in hand that it came with."""
        held, headers = keeper.held, {"Accept": "application/json"}
        if self._tag is not None and held is not None and self._tag[1] == held.digest:
            headers["If-None-Match"] = self._tag[0]
        exchange = self._exchange = Exchange(self._server)
        try:
            answer = exchange.ask("GET", self._path, headers)
            if answer.status == 304:
                keeper.confirm()
                return
            snapshot = read_snapshot(exchange.body(MAX_FRAME))
            keeper.offer(snapshot)
            self._tag = (answer.headers.get("ETag", ""), snapshot.digest)
        finally:
            exchange.close()

    def cut(self) -> None:
        """End the request under way."""
        if self._exchange is not None:
            self._exchange.cut()

    def forget(self) -> None:
        """Leave the connection to the parent."""
        if self._exchange is not None:
            self._exchange.forget()
        self._exchange = None


class FileFollowing:
    """A file, looked at every second or so and read when it is another one."""

    def __init__(self, spec: File) -> None:
        self._spec = spec

    def follow(self, keeper: Keeper, stop: threading.Event) -> None:
        """Read, then look until it changes."""
        path = Path(self._spec.path)
        try:
            seen = _stamp(path)
            keeper.replace(sound(path.read_bytes()))
            while not stop.wait(self._spec.every) and _stamp(path) == seen:
                pass
        except OSError as error:
            raise Unreadable(f"the flag file {path} cannot be read: {error.strerror}") from error

    def cut(self) -> None:
        """Nothing waits here but for the stop."""

    def forget(self) -> None:
        """Nothing is held open."""


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def following(source: Source) -> Following:
    """The way to follow this source."""
    match source:
        case Stream():
            return StreamFollowing(source)
        case Poll():
            return PollFollowing(source)
        case File():
            return FileFollowing(source)


class Follower:
    """The thread that follows a source until it is stopped."""

    def __init__(self, source: Source, keeper: Keeper) -> None:
        self._way = following(source)
        self._keeper = keeper
        # A file that is being edited is worth a look each time; a server deserves peace.
        self._backoff = Backoff(source.every, source.every) if isinstance(source, File) else Backoff()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to follow."""
        self._stop = threading.Event()
        self._backoff.reset()
        thread = threading.Thread(target=self._run, args=(self._stop,), name="twokey-follower", daemon=True)
        thread.start()
        self._thread = thread  # now, and not before: somebody may end us from another thread meanwhile

    def stop(self, patience: float) -> None:
        """End, waiting at most `patience` seconds for the thread."""
        self._stop.set()
        self._way.cut()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(patience)

    def after_fork(self) -> None:
        """In the child: leave the parent's connection alone and follow on an own one."""
        self._way.forget()
        self.start()

    def _run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            stop.wait(self._attempt(stop))

    def _attempt(self, stop: threading.Event) -> float:
        """Follow until it ends; the seconds to wait before the next try."""
        begun = time.monotonic()
        trouble: Trouble | None = None
        try:
            self._way.follow(self._keeper, stop)
        except Trouble as error:
            trouble = error
        except Exception as error:
            log.exception("following the source failed in a way that nobody foresaw")
            trouble = Unreachable(f"following failed: {type(error).__name__} {error}")
        if stop.is_set():
            return 0.0
        if time.monotonic() - begun > SETTLED:
            self._backoff.reset()
        if trouble is None:
            return self._backoff.next()
        self._keeper.lose(trouble)
        return self._backoff.next(trouble.retry_after)
