"""One HTTP exchange on a connection of its own, which another thread can cut.

Rules this module keeps:

* Every wait has an end: to connect, for the head of the answer (as a whole, so that a server which sends its head
  byte by byte gains nothing), between two pieces of a body, and for a body that drips (`Pulse`).
* The token goes to the configured server alone: redirects are not followed.
* What goes wrong has a name (`twokey.client.troubles`); what the server says of it is quoted, shortened.

Why not a library: docs/adr/0007-client-http-from-the-standard-library.md.
"""

import contextlib
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

import msgspec

from twokey import __version__
from twokey.client.troubles import NotServed, Trouble, Truncated, Unauthorized, Unreachable

log = logging.getLogger("twokey.client")
PIECE = 64 * 1024
MAX_ERROR = 4096


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to ask: address, token, trust, and the seconds that connecting and the answer's head may take each."""

    url: str
    token: str
    tls: ssl.SSLContext | None = None
    patience: float = 10.0


class _Problem(msgspec.Struct):
    """What an error's body says, in the shape of RFC 9457."""

    detail: str = ""


class Pulse:
    """Tells a slow sender from one that drips: in `silence` seconds it must finish something, or send `STEP` bytes."""

    STEP = 16 * 1024

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._beat = time.monotonic()
        self._finished = 0
        self._bytes = 0

    def note(self, size: int, finished: int) -> None:
        """So many bytes came, and so many things are finished by now; raises Unreachable when that is too little."""
        now, self._bytes = time.monotonic(), self._bytes + size
        if finished > self._finished or self._bytes >= self.STEP:
            self._beat, self._finished, self._bytes = now, finished, 0
        elif now - self._beat > self._silence:
            raise Unreachable(f"the server has sent next to nothing for {self._silence:g} seconds")


class Exchange:
    """One request and its answer. Not for two threads, except `cut` and `forget`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._parts = urlsplit(server.url)
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._answer: HTTPResponse | None = None
        self._overdue = False
        self._over = False

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> HTTPResponse:
        """The answer with its body unread: status 2xx or 304. Anything else raises a `Trouble`."""
        with _named(self):
            self._connection = self._connect()
            self._socket = self._connection.sock
            if self._over:
                raise Unreachable("the exchange was given up")
            with self._deadline():
                self._connection.request(method, self._target(path), body, {**self._own_headers(), **headers})
                self._answer = self._connection.getresponse()
            if self._answer.status // 100 != 2 and self._answer.status != 304:
                raise _refused(self._answer)
            return self._answer

    def pieces(self, silence: float) -> Iterator[bytes]:
        """The body as it arrives, until it ends; at most `silence` seconds between two pieces."""
        answer, connected = self._answer, self._socket
        if answer is None or connected is None:
            return
        with _named(self):
            connected.settimeout(silence)
            while piece := answer.read1(PIECE):
                yield piece
        if answer.length:
            raise Truncated(f"the answer lacks its last {answer.length} bytes")

    def body(self, limit: int) -> bytes:
        """The whole body; `NotServed` where it is larger than `limit` bytes."""
        found, pulse = bytearray(), Pulse(self._server.patience)
        with _named(self):
            for piece in self.pieces(self._server.patience):
                found += piece
                pulse.note(len(piece), finished=0)
                if len(found) > limit:
                    raise NotServed(f"the answer is larger than {limit} bytes")
        return bytes(found)

    def cut(self) -> None:
        """End the exchange from another thread: whoever waits in it stops waiting."""
        self._over = True
        connected = self._socket or (self._connection.sock if self._connection else None)
        if connected is not None:
            with contextlib.suppress(OSError):
                # Not the method of a TLS socket, which would take the session from under the thread that reads it.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

    def forget(self) -> None:
        """In a forked child: give up the descriptor that the parent goes on using, without a word to the server."""
        connected, self._socket = self._socket, None
        if connected is not None:
            with contextlib.suppress(OSError):
                os.close(connected.detach())

    def close(self) -> None:
        """Release the connection."""
        for held in (self._answer, self._connection):
            if held is not None:
                with contextlib.suppress(OSError, HTTPException):
                    held.close()
        self._socket = None

    @property
    def overdue(self) -> bool:
        """Whether the exchange was cut because its deadline had passed."""
        return self._overdue

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        timer = threading.Timer(self._server.patience, self._be_overdue)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _be_overdue(self) -> None:
        self._overdue = True
        self.cut()

    def _own_headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._server.token}", "User-Agent": f"twokey-python/{__version__}"}

    def _target(self, path: str) -> str:
        base = self._parts.path.rstrip("/") + path
        proxied = self._parts.scheme == "http" and self._proxy() is not None
        return f"http://{self._parts.netloc}{base}" if proxied else base

    def _proxy(self) -> tuple[str, int] | None:
        """Host and port of the proxy that the environment names for this server."""
        from urllib.request import getproxies, proxy_bypass

        named = getproxies().get(self._parts.scheme)
        if not named or proxy_bypass(self._parts.netloc):
            return None
        parts = urlsplit(named if "://" in named else f"http://{named}")
        return (parts.hostname, parts.port or 80) if parts.hostname else None

    def _connect(self) -> HTTPConnection:
        host, secure = self._parts.hostname or "", self._parts.scheme == "https"
        port = self._parts.port or (443 if secure else 80)
        proxy = self._proxy()
        there, at = proxy or (host, port)
        if secure:
            trust = self._server.tls or ssl.create_default_context()
            connection: HTTPConnection = HTTPSConnection(there, at, timeout=self._server.patience, context=trust)
            if proxy:
                connection.set_tunnel(host, port)
        else:
            connection = HTTPConnection(there, at, timeout=self._server.patience)
        self._connection = connection
        connection.connect()
        return connection


@contextlib.contextmanager
def _named(exchange: Exchange) -> Iterator[None]:
    """What the standard library raises, as a `Trouble`."""
    try:
        yield
    except Trouble:
        raise
    except ssl.SSLCertVerificationError as error:
        raise NotServed(f"the server's certificate is not trusted: {error.verify_message}") from error
    except (HTTPException, OSError, ValueError, AttributeError) as error:
        # A socket that is cut while a TLS session reads from it may surface as any of these.
        if exchange.overdue:
            raise Unreachable("the server did not answer in time") from error
        if isinstance(error, TimeoutError):
            raise Unreachable("the server has fallen silent") from error
        raise Unreachable(f"no connection: {type(error).__name__} {error}".rstrip()) from error


def _refused(answer: HTTPResponse) -> Trouble:
    status = answer.status
    said = _said(answer)
    if status in (401, 403):
        return Unauthorized(f"the server refuses the token ({status}){said}")
    if status // 100 == 3:
        return NotServed(f"the server redirects to `{answer.headers.get('Location', '')[:200]}`; use that address")
    if status in (408, 425, 429) or status // 100 == 5:
        return Unreachable(
            f"the server cannot answer now ({status}){said}", retry_after(answer.headers.get("Retry-After", ""))
        )
    return NotServed(f"the server answers {status}{said}")


def _said(answer: HTTPResponse) -> str:
    """What the body says of an error, as one short line."""
    try:
        detail = msgspec.json.decode(answer.read(MAX_ERROR), type=_Problem).detail
    except (msgspec.DecodeError, UnicodeDecodeError, HTTPException, OSError):
        return ""
    line = "".join(character if character.isprintable() else " " for character in detail[:300])
    return f": {line}" if line else ""


def retry_after(named: str) -> float | None:
    """Seconds that the server asks to be left alone, whether it names seconds or a date."""
    named = named.strip()
    if named.isascii() and named.isdigit():
        return float(named[:9])
    try:
        moment = parsedate_to_datetime(named)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
