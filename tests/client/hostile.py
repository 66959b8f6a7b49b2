"""A server made of a raw socket that answers each connection as a test tells it, byte for byte."""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from twokey.engine import Snapshot, diff
from twokey.engine.wire import PatchMessage, SnapshotMessage

Act = Callable[["Visitor"], None]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Visitor:
    """One connection: the request it made, and ways to answer it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.over = threading.Event()
        self.request = b""
        while b"\r\n\r\n" not in self.request and (piece := connection.recv(65536)):
            self.request += piece

    @property
    def headers(self) -> dict[str, str]:
        lines = self.request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    def body(self) -> bytes:
        """The request's body, as long as its head says."""
        body = self.request.partition(b"\r\n\r\n")[2]
        while len(body) < int(self.headers.get("content-length", 0)):
            body += self._connection.recv(65536)
        return body

    def send(self, raw: bytes) -> None:
        self._connection.sendall(raw)

    def chunk(self, data: bytes) -> None:
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def stream(self, *frames: bytes) -> None:
        """Begin a stream with these frames."""
        self.send(HEAD)
        for frame in frames:
            self.chunk(frame)

    def linger(self) -> None:
        """Keep the connection open until the client or the test ends it."""
        self._connection.settimeout(0.05)
        while not self.over.is_set():
            try:
                if not self._connection.recv(1024):
                    return
            except TimeoutError:
                continue
            except OSError:
                return


class Hostile:
    """Answers the first connection with the first act, and so on; the last act answers all that follow."""

    def __init__(self, *acts: Act, tls: ssl.SSLContext | None = None) -> None:
        self._acts, self._tls = list(acts), tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.visits: queue.Queue[Visitor] = queue.Queue()
        self._visitors: list[Visitor] = []
        self._over = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._over:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            act = self._acts.pop(0) if len(self._acts) > 1 else self._acts[0]
            threading.Thread(target=self._answer, args=(connection, act), daemon=True).start()

    def _answer(self, connection: socket.socket, act: Act) -> None:
        with contextlib.suppress(OSError), self._secured(connection) as connection:
            visitor = Visitor(connection)
            self._visitors.append(visitor)
            self.visits.put(visitor)
            act(visitor)

    def _secured(self, connection: socket.socket) -> socket.socket:
        return connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)

    def close(self) -> None:
        self._over = True
        for visitor in self._visitors:
            visitor.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@contextmanager
def hostile(*acts: Act, tls: ssl.SSLContext | None = None) -> Iterator[Hostile]:
    server = Hostile(*acts, tls=tls)
    try:
        yield server
    finally:
        server.close()


def whole(snapshot: Snapshot, *, digest: str | None = None, raw: bytes | None = None) -> bytes:
    """The frame of a snapshot, with a digest or bytes of another making where they are given."""
    content = msgspec.Raw(raw or snapshot.to_json())
    message = SnapshotMessage(revision=snapshot.revision, digest=digest or snapshot.digest, snapshot=content)
    return framed("snapshot", snapshot.revision, msgspec.json.encode(message))


def patch(old: Snapshot, new: Snapshot, *, raw: bytes | None = None) -> bytes:
    """The frame of the patch between two snapshots."""
    message = PatchMessage(
        from_revision=old.revision,
        to_revision=new.revision,
        digest=new.digest,
        patch=msgspec.Raw(raw or diff(old, new).to_json()),
    )
    return framed("patch", new.revision, msgspec.json.encode(message))


def framed(event: str, id: int, data: bytes) -> bytes:
    return f"id: {id}\nevent: {event}\ndata: ".encode() + data + b"\n\n"
