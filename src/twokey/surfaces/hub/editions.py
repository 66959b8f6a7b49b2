"""What is published in one environment: the snapshot, and the patches that led to it.

Rules kept here:
- a patch is encoded once, when it is published, and a whole snapshot once, when somebody first needs it, however many
  clients they go to;
- the patches that are kept follow each other without a gap, and the last of them leads to the snapshot; their number
  and their size are bounded;
- a client's place is a revision with the beginning of its digest, so that one who followed another history (before a
  backup was put back, say) is not taken for one who is only behind.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from twokey.engine import Snapshot
from twokey.engine.patch import diff
from twokey.engine.wire import PatchMessage, SnapshotMessage, StreamMessage

MAX_STEPS = 1_000
MAX_BYTES = 4 * 1024 * 1024
"""Bytes of all patches that are kept for one environment. The newest is kept whatever its size."""
PIECE = 16 * 1024
"""Bytes that are handed to a connection at once, so that a slow one holds no more than a few of them."""
_DIGITS = 16
_MARK = re.compile(rf"([0-9]{{1,18}})(?:-([0-9a-f]{{{_DIGITS}}}))?", re.ASCII)


class Mark(NamedTuple):
    """A place in the history of an environment. `digest` is empty where a client only knows its revision."""

    revision: int
    digest: str

    @classmethod
    def of(cls, snapshot: Snapshot) -> Mark:
        """The place of a snapshot."""
        return cls(snapshot.revision, snapshot.digest.rpartition(":")[2][:_DIGITS])

    @classmethod
    def parse(cls, text: str) -> Mark | None:
        """The place that a client says it is at, or nothing where it says none that could be ours."""
        found = _MARK.fullmatch(text)
        return None if found is None else cls(int(found[1]), found[2] or "")

    def is_at(self, other: Mark) -> bool:
        """Whether a client that says this can be at that place."""
        return self.revision == other.revision and self.digest in ("", other.digest)

    def __str__(self) -> str:
        return f"{self.revision}-{self.digest}" if self.digest else str(self.revision)


class Step(NamedTuple):
    """The way from one place to the next, as it goes to every client."""

    start: Mark
    frame: bytes


class Edition:
    """One environment's snapshot as it was published, with the steps before it. Never changes."""

    __slots__ = ("_whole", "mark", "snapshot", "steps")

    def __init__(self, snapshot: Snapshot, steps: tuple[Step, ...] = ()) -> None:
        self.snapshot, self.steps = snapshot, steps
        self.mark = Mark.of(snapshot)
        self._whole: tuple[bytes, ...] | None = None

    def next(self, snapshot: Snapshot) -> Edition:
        """The edition of the snapshot that was published after this one."""
        message = PatchMessage(
            from_revision=self.snapshot.revision,
            to_revision=snapshot.revision,
            digest=snapshot.digest,
            patch=msgspec.Raw(diff(self.snapshot, snapshot).to_json()),
        )
        step = Step(self.mark, _frame(Mark.of(snapshot), "patch", message))
        return Edition(snapshot, _bounded((*self.steps, step)))

    def since(self, mark: Mark) -> tuple[bytes, ...] | None:
        """The frames that a client at that place has missed; nothing where it needs the whole snapshot."""
        if mark.is_at(self.mark):
            return ()
        for index in range(len(self.steps) - 1, -1, -1):
            start = self.steps[index].start
            if start.revision == mark.revision:
                return tuple(step.frame for step in self.steps[index:]) if mark.is_at(start) else None
        return None

    def whole(self) -> tuple[bytes, ...]:
        """The frame of the whole snapshot, in pieces."""
        if self._whole is None:
            snapshot = self.snapshot
            message = SnapshotMessage(
                revision=snapshot.revision, digest=snapshot.digest, snapshot=msgspec.Raw(snapshot.to_json())
            )
            frame = _frame(self.mark, "snapshot", message)
            self._whole = tuple(frame[at : at + PIECE] for at in range(0, len(frame), PIECE))
        return self._whole


def _frame(mark: Mark, kind: str, message: StreamMessage) -> bytes:
    return f"id: {mark}\nevent: {kind}\ndata: ".encode() + msgspec.json.encode(message) + b"\n\n"


def _bounded(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The newest of these steps that may be kept."""
    steps = steps[-MAX_STEPS:]
    size = sum(len(step.frame) for step in steps)
    first = 0
    while size > MAX_BYTES and first < len(steps) - 1:
        size -= len(steps[first].frame)
        first += 1
    return steps[first:]
