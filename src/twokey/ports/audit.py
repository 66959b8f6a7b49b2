"""The audit log, the key that signs its checkpoints, and who keeps these out of reach."""

from __future__ import annotations

from typing import Protocol

from twokey.domain.audit import Entry, Happening, Verification
from twokey.domain.transparency.note import Key, Note


class AuditLog(Protocol):
    """The hash-chained log. `append` takes its place in the chain inside the running transaction."""

    def append(self, happening: Happening) -> Entry:
        """Add an entry at the time of the transaction."""
        ...

    def entries(
        self,
        *,
        start: int = 0,
        limit: int = 1000,
        case: str | None = None,
        subject: str | None = None,
        place: tuple[str, str] | None = None,
        before: int | None = None,
        newest_first: bool = False,
    ) -> tuple[Entry, ...]:
        """Entries by index; of one case, about one subject, of one place, below an index, where that is said."""
        ...

    def erase(self, person: str) -> int:
        """Erase what is personal in the entries of somebody; how many values there were."""
        ...

    def verify(self) -> Verification:
        """Walk the whole chain as it is stored, copies and head included; names the first entry that does not fit.

        The tree over it is built again on the way and held against what is stored of it and against each checkpoint.
        """
        ...

    def size(self) -> int:
        """How many entries there are."""
        ...

    def root(self, size: int) -> bytes:
        """The Merkle root over the first `size` entries; raises LookupError where the tree does not reach so far."""
        ...

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The proof that entry `index` is among the first `size`."""
        ...

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The proof that the log of `old` entries is the beginning of that of `new`."""
        ...

    def keep_checkpoint(self, note: Note) -> None:
        """Store a checkpoint that was signed."""
        ...

    def checkpoints(self, limit: int = 100) -> tuple[Note, ...]:
        """The checkpoints that were signed, newest first. Raises Invalid where one is damaged."""
        ...

    def index_of(self, subject: str) -> int | None:
        """The newest entry about something, if there is one."""
        ...


class Signer(Protocol):
    """The key that signs checkpoints, and what it signed last, both outside the database.

    `exported` says whether what it signs is sent elsewhere.
    """

    @property
    def exported(self) -> bool:
        """Whether each checkpoint is sent out once it is signed."""
        ...

    @property
    def key(self) -> Key:
        """The public key."""
        ...

    def sign(self, text: bytes) -> bytes:
        """The signature over a text."""
        ...

    def last(self) -> Note | None:
        """What was signed last. Raises Invalid where that is damaged."""
        ...

    def keep(self, note: Note) -> None:
        """Remember what was signed last."""
        ...


class Keeper(Protocol):
    """A place out of this server's reach that keeps checkpoints of the log: a folder, or what listens at an address."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    def keep(self, note: Note) -> None:
        """Hand a checkpoint over; once more does no harm.

        Raises Refused where it keeps another one of that size already, OSError where it cannot be reached.
        """
        ...
