"""The audit log: append-only entries, each bound to the one before by its hash.

Rules kept here:
- an entry's hash covers the hash before it and the canonical JSON of all its content, its place and time included;
- what is personal is kept beside it: the hash covers a commitment to it, so that it can be erased (`domain/beside`);
- `verify` recomputes the whole chain and names the first entry that does not fit, and why;
- an entry says who acted (person, agent on whose behalf, policy, schedule), what they did to what, and how it ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec

from twokey.domain.transparency.tree import EMPTY, node_hash
from twokey.engine.canonical import canonical, digest
from twokey.engine.errors import Invalid

GENESIS = "sha256:" + "0" * 64
LARGEST_LEAF = 65_535
"""Bytes of an entry in a transparency log, as C2SP's tlog-tiles has it."""


class Outcome(StrEnum):
    """How what was tried ended."""

    DONE = "done"
    REFUSED = "refused"


class Happening(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is to be recorded, before it has its place in the chain.

    `beside` holds the commitments to those members of `detail` that are kept beside the entry. Whoever records
    something leaves it empty; the log fills it.
    """

    action: str
    subject: str
    actor: dict[str, str]
    outcome: Outcome = Outcome.DONE
    project: str = ""
    environment: str = ""
    case: str | None = None
    detail: dict[str, Any] = {}
    beside: dict[str, str] = {}


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One link of the chain. `index` starts at 0 and has no gaps.

    `salts` belong to the members of the detail that are kept beside the entry and are known here.
    """

    index: int
    at: datetime
    happening: Happening
    previous: str
    hash: str
    salts: dict[str, str] = {}


def committed(happening: Happening) -> Happening:
    """What the hash covers of a happening: all but what is kept beside it, for which its commitments stand."""
    if not happening.beside:
        return happening
    kept = {name: value for name, value in happening.detail.items() if name not in happening.beside}
    return msgspec.structs.replace(happening, detail=kept)


def commitment(salt: str, value: str) -> str:
    """What binds a value to an entry that does not hold it."""
    return "sha256:" + sha256(salt.encode() + value.encode()).hexdigest()


def altered(entry: Entry) -> str:
    """The first member of the detail that is not what the entry committed to; nothing where each is, or is gone."""
    happening = entry.happening
    for name, said in happening.beside.items():
        if (name in happening.detail) != (name in entry.salts):
            return name
        if name in entry.salts and not _fits(said, entry.salts[name], happening.detail[name]):
            return name
    return next((name for name in entry.salts if name not in happening.beside), "")


def _fits(said: str, salt: str, value: object) -> bool:
    try:
        return commitment(salt, canonical(value).decode()) == said
    except (Invalid, UnicodeError):
        return False


def link(happening: Happening, index: int, previous: str, at: datetime) -> Entry:
    """The entry that follows the one whose hash is `previous`."""
    return Entry(index=index, at=at, happening=happening, previous=previous, hash=_hash(happening, index, previous, at))


def _hash(happening: Happening, index: int, previous: str, at: datetime) -> str:
    content = {"index": index, "at": msgspec.to_builtins(at), "previous": previous}
    return digest(content | {"happening": msgspec.to_builtins(committed(happening))})


class Peaks:
    """A tree that only grows: the roots of its complete subtrees, from which its root follows at any time."""

    def __init__(self) -> None:
        self._peaks: list[bytes] = []
        self.size = 0

    def add(self, leaf: bytes) -> None:
        """One more leaf, given by its hash."""
        place, found = self.size, leaf
        while place & 1:
            found, place = node_hash(self._peaks.pop(), found), place >> 1
        self._peaks.append(found)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._peaks:
            return EMPTY
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found


def content_of(entry: Entry) -> bytes:
    """All that an entry's hash covers, as canonical JSON."""
    content = {"index": entry.index, "at": msgspec.to_builtins(entry.at), "previous": entry.previous}
    return canonical(content | {"happening": msgspec.to_builtins(committed(entry.happening))})


def leaf_of(entry: Entry) -> bytes:
    """What stands for an entry in the Merkle tree: its content, or where that is too large for a leaf, its hash."""
    content = content_of(entry)
    if len(content) <= LARGEST_LEAF:
        return content
    return canonical({"index": entry.index, "content_sha256": entry.hash})


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The result of walking the chain: how many entries hold; where and why it breaks, if it does."""

    ok: bool
    entries: int
    head: str
    broken_at: int | None = None
    problem: str = ""


def verify(entries: Iterable[Entry], previous: str = GENESIS, start: int = 0) -> Verification:
    """Walk the chain from `start`; stop at the first entry that does not fit and name it."""
    index = start
    for entry in entries:
        if problem := _problem(entry, index, previous):
            return Verification(ok=False, entries=index - start, head=previous, broken_at=index, problem=problem)
        previous, index = entry.hash, index + 1
    return Verification(ok=True, entries=index - start, head=previous)


def _problem(entry: Entry, index: int, previous: str) -> str:
    if entry.index != index:
        return f"entry {index} is missing: the next one found is entry {entry.index}"
    if entry.previous != previous:
        return f"entry {index} does not follow the entry before it"
    if entry.hash != _hash(entry.happening, entry.index, entry.previous, entry.at):
        return f"entry {index} was altered: its content no longer has its hash"
    if name := altered(entry):
        return f"entry {index} was altered: its `{name}` is not what it committed to"
    return ""
