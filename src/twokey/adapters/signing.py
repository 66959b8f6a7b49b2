"""The key that signs checkpoints of the audit log, and what it signed last. Both lie outside the database.

Rules kept here:
- the key is made once, in a file that only its owner reads; a copy of the database alone can sign nothing;
- what was signed last stands beside the key before it is given out, so that a database that was set back, or forked, is
  noticed by whoever is asked to sign next;
- a file is replaced as a whole or not at all.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from twokey.domain.transparency.note import Key, Note, read_note
from twokey.engine.errors import Invalid

KEY, LAST = "audit.key", "audit.checkpoint"


class FileSigner:
    """The signing key in a folder, made when it is first asked for. `exported`: what it signs is sent elsewhere."""

    def __init__(self, folder: Path, name: str = "", *, exported: bool = False) -> None:
        self._folder, self._name, self.exported = folder, name, exported
        self._private: Ed25519PrivateKey | None = None

    @property
    def key(self) -> Key:
        """The public key: under the given name, else under one of its own.

        The name is the log's as well. A log that was accepted after it contradicted what was signed is another log, and
        has a number behind the name: nothing signed under one name ever contradicts anything else signed under it.
        """
        public = self._load().public_key().public_bytes_raw()
        name, number = self._name or f"twokey-audit/{public.hex()[:16]}", len(self._aside())
        return Key(name=f"{name}/{number + 1}" if number else name, public=public)

    def sign(self, text: bytes) -> bytes:
        """The Ed25519 signature over a text."""
        return self._load().sign(text)

    def last(self) -> Note | None:
        """The checkpoint that was signed last, if there is one. Raises Invalid where its file is damaged."""
        file = self._folder / LAST
        return read_note(file.read_text("utf-8")) if file.exists() else None

    def keep(self, note: Note) -> None:
        """Remember what was signed last."""
        _replace(self._folder / LAST, note.text)

    def set_aside(self) -> Path | None:
        """Forget what was signed last, and keep it under another name, which is returned."""
        file = self._folder / LAST
        if not file.exists():
            return None
        return file.rename(self._folder / f"{LAST}.{len(self._aside()) + 1}")

    def _aside(self) -> list[Path]:
        return [each for each in self._folder.glob(f"{LAST}.*") if each.suffix[1:].isdigit()]

    def _load(self) -> Ed25519PrivateKey:
        if self._private is None:
            self._private = self._read() if (self._folder / KEY).exists() else self._make()
        return self._private

    def _read(self) -> Ed25519PrivateKey:
        try:
            return Ed25519PrivateKey.from_private_bytes(
                b64decode((self._folder / KEY).read_text().strip(), validate=True)
            )
        except ValueError as error:
            raise Invalid(KEY, f"holds no signing key ({error})", "the file as it was made, or none") from None

    def _make(self) -> Ed25519PrivateKey:
        made = Ed25519PrivateKey.generate()
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(self._folder / KEY, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:  # another process was quicker
            return self._read()
        with os.fdopen(descriptor, "w") as file:
            file.write(b64encode(made.private_bytes_raw()).decode() + "\n")
        return made


def signature_holds(public: bytes, signature: bytes, text: bytes) -> bool:
    """Whether an Ed25519 signature is that of a public key over a text."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def _replace(file: Path, text: str) -> None:
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    with fresh.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
