"""Server-sent events, read piece by piece.

Rules this module keeps:

* Pieces may end anywhere, also inside a character; an event counts once its empty line has come.
* What is kept is bounded: a line or an event beyond `MAX_FRAME` bytes is refused (UnsoundSnapshot).
* Lines end with LF or CR LF. A CR alone, which the format allows and nobody sends, is content.
"""

from typing import NamedTuple

from twokey.client.troubles import UnsoundSnapshot

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of one event, and so of the largest snapshot that is taken."""
MAX_ID = 100


class Frame(NamedTuple):
    """One event: its kind and its data, lines joined by LF."""

    event: str
    data: bytes


class Frames:
    """Feed it what arrives. `lines` and `comments` count what came whole, which shows that the sender lives.

    `last_id` is what the sender calls the last event that it gave an id: its own word for the place to go on from.
    """

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._looked = 0
        self._event = self._id = self.last_id = ""
        self._data: list[bytes] = []
        self._size = 0
        self.lines = 0
        self.comments = 0

    @property
    def unfinished(self) -> bool:
        """Whether the last event has begun and not ended."""
        return bool(self._rest or self._data or self._event)

    def feed(self, piece: bytes) -> list[Frame]:
        """The events that this piece completes."""
        self._rest += piece
        found: list[Frame] = []
        while (end := self._rest.find(b"\n", self._looked)) >= 0:
            line = bytes(self._rest[:end]).removesuffix(b"\r")
            del self._rest[: end + 1]
            self._looked = 0
            self._line(line, found)
        self._looked = len(self._rest)
        self._check(self._size + self._looked)
        return found

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise UnsoundSnapshot(f"a message of the stream is larger than {self._limit} bytes")

    def _line(self, line: bytes, found: list[Frame]) -> None:
        self.lines += 1
        if not line:
            self._end(found)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not name:
            self.comments += 1
        elif name == b"data":
            self._data.append(value)
            self._size += len(value) + 1
            self._check(self._size)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id" and len(value) <= MAX_ID and value.isascii() and value.decode().isprintable():
            self._id = value.decode()  # it goes into a header one day

    def _end(self, found: list[Frame]) -> None:
        if self._data:
            found.append(Frame(self._event or "message", b"\n".join(self._data)))
            self.last_id = self._id
        self._event, self._data, self._size = "", [], 0
