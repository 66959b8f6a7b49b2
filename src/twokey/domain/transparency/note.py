"""Signed notes and checkpoints, as C2SP's signed-note v1 and tlog-checkpoint v1 write them.

Rules kept here:
- a checkpoint names its log (`origin`), a size and a root; its text is what is signed, byte for byte;
- a signature line that no given key made is ignored, as the format asks; at least one of a known key must hold;
- a key is found by name and id together, and the id is the beginning of a hash over name, kind and key.

Signing and checking a signature are the caller's functions: no key is held here.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Malformed
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

import msgspec

from twokey.engine.errors import Invalid

ED25519, COSIGNATURE = 1, 4
"""Kinds of keys: an Ed25519 key that signs the note, and one that signs it together with a time."""
HASH, SIGNATURE = 32, 64
_NAME = re.compile(r"[^\s+]{1,200}")
_LINE = re.compile(r"— (?P<name>[^\s+]+) (?P<blob>[A-Za-z0-9+/]+={0,2})")
Check = Callable[[bytes, bytes, bytes], bool]
"""Whether a signature is that of a public key over a message: (public key, signature, message)."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """A public key that signs notes. `public` is its 32 bytes."""

    name: str
    public: bytes
    kind: int = ED25519

    @property
    def id(self) -> bytes:
        """Four bytes by which a signature names its key."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as people exchange it: `name+id+base64`."""
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One line below a note."""

    name: str
    key: bytes
    blob: bytes

    @property
    def line(self) -> str:
        """The line as it is written."""
        return f"— {self.name} {b64encode(self.key + self.blob).decode()}"


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a log commits to: so many entries, with this root. `extra` are further lines that are signed with it."""

    origin: str
    size: int
    root: bytes
    extra: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What is signed."""
        return "\n".join((self.origin, str(self.size), b64encode(self.root).decode(), *self.extra)) + "\n"


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint with its signatures."""

    checkpoint: Checkpoint
    signatures: tuple[Signature, ...]

    @property
    def text(self) -> str:
        """The note as it is kept and sent."""
        return self.checkpoint.text + "\n" + "".join(f"{each.line}\n" for each in self.signatures)

    def signed_by(self, keys: Iterable[Key], check: Check) -> tuple[str, ...]:
        """The names of those of these keys whose signature holds. Raises Invalid where one of them made none that does.

        A line of no given key is ignored.
        """
        found = []
        for key in keys:
            mine = [each for each in self.signatures if (each.name, each.key) == (key.name, key.id)]
            if any(not _holds(key, each.blob, self.checkpoint.text.encode(), check) for each in mine):
                raise Invalid("signature", f"that of {key.name} does not hold", "the checkpoint as it was signed")
            found += [key.name] * bool(mine)
        return tuple(found)


def _holds(key: Key, blob: bytes, text: bytes, check: Check) -> bool:
    if key.kind == COSIGNATURE:
        time, blob = blob[:8], blob[8:]
        text = b"cosignature/v1\ntime %d\n" % int.from_bytes(time, "big") + text
    return len(blob) == SIGNATURE and check(key.public, blob, text)


def sign(checkpoint: Checkpoint, signers: Sequence[tuple[Key, Callable[[bytes], bytes]]]) -> Note:
    """The checkpoint signed by each of these: during a rotation, by the old key and the new one."""
    text = checkpoint.text.encode()
    made = tuple(Signature(name=key.name, key=key.id, blob=make(text)) for key, make in signers)
    return Note(checkpoint=checkpoint, signatures=made)


def read_key(text: str) -> Key:
    """A key from `name+id+base64`. Raises Invalid."""
    name, _, rest = text.strip().partition("+")
    said, _, encoded = rest.partition("+")
    raw = _decode(encoded, "key")
    if not _NAME.fullmatch(name) or len(raw) != HASH + 1 or raw[0] not in (ED25519, COSIGNATURE):
        raise Invalid("key", "is no Ed25519 key of a log", "name+id+base64, as the server shows it")
    key = Key(name=name, public=raw[1:], kind=raw[0])
    if key.id.hex() != said:
        raise Invalid("key", f"its id is {said}, but its content has {key.id.hex()}", "the key as the server shows it")
    return key


def read_note(text: str) -> Note:
    """A checkpoint with its signatures. Raises Invalid, which says what is wrong."""
    body, gap, below = text.rpartition("\n\n")
    if not gap or not below.endswith("\n"):
        raise Invalid("checkpoint", "has no signatures below an empty line", "a signed checkpoint")
    signatures = tuple(_signature(line) for line in below[:-1].split("\n"))
    return Note(checkpoint=_checkpoint(body), signatures=signatures)


def _signature(line: str) -> Signature:
    found = _LINE.fullmatch(line)
    raw = _decode(found["blob"], "checkpoint") if found else b""
    if found is None or len(raw) < 5:
        raise Invalid("checkpoint", f"`{line[:40]}` is no signature", "lines of the form `— name base64`")
    return Signature(name=found["name"], key=raw[:4], blob=raw[4:])


def _checkpoint(body: str) -> Checkpoint:
    lines = body.split("\n")
    plain = all(each.isprintable() for each in lines)
    if len(lines) < 3 or not plain or not all(lines) or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1], re.ASCII):
        raise Invalid("checkpoint", "is not of the form origin, size, root", "a signed checkpoint")
    root = _decode(lines[2], "checkpoint")
    if len(root) != HASH:
        raise Invalid("checkpoint", f"its root has {len(root)} bytes", f"{HASH}")
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root, extra=tuple(lines[3:]))


def _decode(text: str, field: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Malformed, ValueError):
        raise Invalid(field, "holds text that is no base64", "base64 as RFC 4648 has it") from None
