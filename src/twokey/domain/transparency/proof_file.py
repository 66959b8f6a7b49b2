"""The proof of one entry as a file that is checked alone: C2SP's tlog-proof v1, with the ending `.tlog-proof`.

It holds the place of the entry, the hashes beside its way up, and the signed checkpoint that it leads to.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Malformed

import msgspec

from twokey.domain.transparency.note import HASH, Note, read_note
from twokey.domain.transparency.proofs import includes
from twokey.engine.errors import Invalid

HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


class InclusionProof(msgspec.Struct, frozen=True, kw_only=True):
    """That the entry at `index` is in the log that `note` commits to. `extra` is what the writer kept beside it."""

    index: int
    hashes: tuple[bytes, ...]
    note: Note
    extra: bytes = b""

    @property
    def text(self) -> str:
        """The file."""
        extra = [f"extra {b64encode(self.extra).decode()}"] if self.extra else []
        hashes = [b64encode(each).decode() for each in self.hashes]
        return "\n".join((HEADER, *extra, f"index {self.index}", *hashes, "", self.note.text))

    def holds_for(self, leaf: bytes) -> bool:
        """Whether it proves that the entry with this leaf hash is there. Whether its signature holds is not asked."""
        said = self.note.checkpoint
        return includes(leaf, self.index, said.size, self.hashes, said.root)


def read_proof(text: str) -> InclusionProof:
    """A proof from its file. Raises Invalid, which says what is wrong."""
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or lines[0] != HEADER:
        raise Invalid("proof", f"does not begin with `{HEADER}`", "a file that `twokey audit proof` wrote")
    extra = _bytes(lines.pop(1).removeprefix("extra ")) if len(lines) > 1 and lines[1].startswith("extra ") else b""
    index = _INDEX.fullmatch(lines[1]) if len(lines) > 1 else None
    if index is None:
        raise Invalid("proof", "does not say the index of its entry", "a line `index N`")
    hashes = tuple(_bytes(each) for each in lines[2:])
    if any(len(each) != HASH for each in hashes) or len(hashes) > 63:
        raise Invalid("proof", "holds something that is no hash", f"at most 63 hashes of {HASH} bytes")
    return InclusionProof(index=int(index[1]), hashes=hashes, note=read_note(note), extra=extra)


def _bytes(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Malformed, ValueError):
        raise Invalid("proof", f"`{text[:40]}` is no base64", "base64 as RFC 4648 has it") from None
