"""The audit log as an exported file: written, and verified by recomputing every hash.

Rules this module keeps:

- What was exported is not trusted: a line that is no entry, or has a field that no entry has, breaks the chain there.
- A log that was cut off at its end still holds as a chain. Only a hash that was noted before (`--head`) shows that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from twokey.cli.exits import Exit
from twokey.cli.failures import Failure, usage
from twokey.cli.progress import progress
from twokey.cli.runtime import Runtime
from twokey.documents.text import plain
from twokey.domain.audit import GENESIS, Entry, Happening, Outcome, Verification, verify
from twokey.domain.beside import Erasures


class _Line(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An exported entry, as the API shows entries."""

    index: int
    at: datetime
    action: str
    subject: str
    actor: dict[str, str]
    outcome: Outcome = Outcome.DONE
    project: str = ""
    environment: str = ""
    case: str | None = None
    detail: dict[str, Any] = {}
    beside: dict[str, str] = {}
    previous: str
    hash: str
    salts: dict[str, str] = {}

    def entry(self) -> Entry:
        """The entry it tells of."""
        happening = Happening(**{name: getattr(self, name) for name in Happening.__struct_fields__})
        return _entry_of(self, happening)


class _Happening(Happening, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What happened, strictly read."""


class _Nested(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An exported entry, as it is stored."""

    index: int
    at: datetime
    happening: _Happening
    previous: str
    hash: str
    salts: dict[str, str] = {}

    def entry(self) -> Entry:
        """The entry it tells of."""
        return _entry_of(self, self.happening)


def _entry_of(line: _Line | _Nested, happening: Happening) -> Entry:
    return Entry(
        index=line.index,
        at=line.at,
        happening=happening,
        previous=line.previous,
        hash=line.hash,
        salts=line.salts,
    )


@dataclass
class _Walk:
    """Remembers, while a chain is walked, whether the hash that was noted came by."""

    head: str
    seen: bool = False

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The entries, unchanged."""
        for entry in entries:
            self.seen = self.seen or entry.hash == self.head
            yield entry


class _Unreadable(Exception):
    def __init__(self, number: int, problem: str) -> None:
        super().__init__(problem)
        self.number, self.problem = number, problem


def verify_export(world: Runtime, file: str, head: str = "") -> dict[str, object]:
    """Verify an exported log; `-` is standard input."""
    lines = world.terminal.piped_text().encode().splitlines() if file == "-" else _lines_of(Path(file))
    return _verify(_entries(lines), head)


def entries_of(file: Path) -> tuple[Entry, ...]:
    """The entries of an exported log. Raises a usage error for a line that is no entry."""
    try:
        return tuple(_entries(_lines_of(file)))
    except _Unreadable as error:
        raise usage(f"`{file}` is no exported log", "export one with `twokey audit export`", error.problem) from None


def write_export(lines: Iterable[str], output: Path | None) -> int:
    """Write exported lines to a file, or harmless to standard output; how many there were."""
    if output is None:
        return sum(sys.stdout.write(_harmless(line) + "\n") > 0 for line in lines if line)
    try:
        with output.open("w", encoding="utf-8") as file:
            return sum(file.write(line + "\n") > 0 for line in lines if line)
    except OSError as error:
        raise usage(f"`{output}` cannot be written", "give another path", error.strerror or "") from None


def _verify(entries: Iterable[Entry], head: str) -> dict[str, object]:
    walk = _Walk(head or GENESIS, seen=not head or head == GENESIS)
    last = [GENESIS, 0]
    erasures = Erasures()

    def watched() -> Iterator[Entry]:
        for entry in walk.watch(entries):
            yield entry
            # `verify` asks for the next entry only when this one holds.
            erasures.see(entry)
            last[:] = [entry.hash, entry.index + 1]

    try:
        with progress("Recomputing the chain"):
            result = verify(watched())
    except _Unreadable as error:
        result = _broken(last, error.problem)
    if result.ok and (missing := erasures.end()):
        result = msgspec.structs.replace(result, ok=False, broken_at=missing[0], problem=missing[1])
    if result.ok and not walk.seen:
        result = _broken([result.head, result.entries], f"the log ends before it comes to {head}")
    return dict(msgspec.to_builtins(result))


def _broken(last: list[Any], problem: str) -> Verification:
    head, count = last
    return Verification(ok=False, entries=count, head=head, broken_at=count, problem=problem)


def _lines_of(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            yield from opened
    except FileNotFoundError:
        raise Failure(
            Exit.NOT_FOUND, f"There is no file `{file}`", "", "export one with `twokey audit export`"
        ) from None
    except OSError as error:
        raise usage(f"`{file}` cannot be read", "give a file that can be read", error.strerror or "") from None


def _entries(lines: Iterable[bytes]) -> Iterator[Entry]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _entry(line, number)


def _entry(line: bytes, number: int) -> Entry:
    shape: type[_Line] | type[_Nested] = _Nested if b'"happening"' in line else _Line
    try:
        return msgspec.json.decode(line, type=shape).entry()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _Unreadable(number, f"line {number} is no entry: {plain(error)}") from None


def _harmless(line: str) -> str:
    """JSON with everything a terminal might obey written as JSON's own escapes."""
    if line.isascii() and line.isprintable():
        return line
    shown = line.encode("utf-16-be", "surrogatepass")
    units = (int.from_bytes(shown[at : at + 2], "big") for at in range(0, len(shown), 2))
    return "".join(chr(unit) if 32 <= unit < 127 else f"\\u{unit:04x}" for unit in units)
