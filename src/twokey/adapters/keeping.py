"""Places that keep checkpoints of the audit log: a folder, or what listens at an address.

Rules kept here:
- a folder (a mount that takes no second writing, a repository that is pushed) gets a file for each checkpoint, and
  `checkpoint` with the newest, in the format of C2SP; a file that is there is never written over;
- an address gets the text of the checkpoint by POST, with an id that stays the same, and says 2xx when it is kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from twokey.domain.errors import Refused
from twokey.domain.transparency.note import Note, read_note
from twokey.engine.errors import Invalid
from twokey.ports import Keeper

PATIENCE = 10.0
"""Seconds to wait for an address."""
NEWEST = "checkpoint"


def keeper(place: str) -> Keeper:
    """The keeper of a place: an `http://` or `https://` address, or else a folder. Raises Invalid for neither."""
    if "://" in place:
        address = httpx.URL(place)
        if address.scheme not in ("http", "https") or not address.host:
            raise Invalid("checkpoint_to", f"`{place}` is no address", "http://..., https://... or a folder")
        return Address(place)
    if not Path(place).is_dir():
        raise Invalid("checkpoint_to", f"there is no folder `{place}`", "a folder that is there, or an address")
    return Folder(Path(place))


class Folder:
    """Keeps each checkpoint as a file."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.name = folder, str(folder)

    def keep(self, note: Note) -> None:
        """As `Keeper.keep`."""
        said = note.checkpoint
        for other in self._folder.glob(f"{NEWEST}-{said.size:012d}-*"):
            _check_same(read_note(other.read_text("utf-8")), note, self.name)
        file = self._folder / f"{NEWEST}-{said.size:012d}-{said.root.hex()[:16]}"
        if not file.exists():
            _write(file, note.text)
        newest = self._folder / NEWEST
        kept = read_note(newest.read_text("utf-8")).checkpoint if newest.exists() else None
        if kept is None or kept.origin != said.origin or kept.size <= said.size:
            _write(newest, note.text)


class Address:
    """Sends each checkpoint by HTTP."""

    def __init__(self, address: str) -> None:
        self._address, self.name = address, str(httpx.URL(address).copy_with(userinfo=b"", query=None, fragment=None))

    def keep(self, note: Note) -> None:
        """As `Keeper.keep`."""
        said = note.checkpoint
        headers = {"Content-Type": "text/plain; charset=utf-8", "webhook-id": f"{said.origin}/{said.size}"}
        try:
            answer = httpx.post(
                self._address,
                content=note.text.encode(),
                headers=headers,
                timeout=PATIENCE,
                follow_redirects=False,
            )
        except httpx.HTTPError as error:
            raise OSError(f"{type(error).__name__}: {error}") from None
        if answer.status_code == httpx.codes.CONFLICT:
            raise Refused(f"{self.name} keeps another checkpoint than the one of {said.size} entries")
        if not answer.is_success:
            raise OSError(f"answered {answer.status_code}")


def _check_same(kept: Note, given: Note, place: str) -> None:
    one, other = kept.checkpoint, given.checkpoint
    if one.origin == other.origin and one.root != other.root:
        raise Refused(f"{place} keeps a checkpoint of {one.size} entries of another root: the log was forked")


def _write(file: Path, text: str) -> None:
    fresh = file.with_name(f".{file.name}.{os.getpid()}.new")
    fresh.write_text(text, "utf-8")
    fresh.replace(file)
