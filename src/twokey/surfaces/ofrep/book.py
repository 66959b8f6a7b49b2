"""What one snapshot answers, with the parts that do not depend on who asks written once.

Rules kept here:
- an evaluation is the engine's own; what is kept is only how its answer is written;
- numbers have the flag's declared type; `variant`, `reason` and `metadata` are always there;
- `version` is the newest revision of the environment that touched the flag or anything it leans on (prerequisites,
  segments), so that a change elsewhere moves neither a flag's answer nor the tag of all answers;
- a client key is told of flags that are `client_visible` alone, and nothing of rules, prerequisites and units.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from twokey.engine import Clause, Flag, FlagType, Operator, Resolution, Snapshot, evaluate
from twokey.surfaces.hub import Edition, Place
from twokey.surfaces.ofrep.answers import Answer, encode, failed, failure, unknown_flag

Context = dict[str, Any]
_SPARE = 1_000
_OF_SEGMENTS = (Operator.IN_SEGMENT, Operator.NOT_IN_SEGMENT)


class Part(NamedTuple):
    """A resolution of one flag, its answer as far as it is the same for everybody, and what it was bucketed by."""

    resolution: Resolution
    key: str
    written: bytes
    unit_name: str


class Notice(NamedTuple):
    """The state of what is told, as a short text, and the event that tells of it."""

    state: str
    frame: bytes

    @classmethod
    def of(cls, revision: int, state: str) -> Notice:
        """The notice of a state that was first seen at that revision."""
        tag = f"{revision}-{state}"
        data = encode({"type": "refetchEvaluation", "etag": f'"{tag}"'})
        return cls(state, b"id: %b\nevent: message\ndata: %b\n\n" % (tag.encode(), data))


class Books:
    """The book of each environment as it is published, for either kind of key."""

    def __init__(self) -> None:
        self._held: tuple[dict[Place, tuple[Edition, Book]], ...] = ({}, {})

    def of(self, place: Place, edition: Edition, *, full: bool) -> Book:
        """What a server key (`full`) or a client key is answered from there."""
        held = self._held[full].get(place)
        if held is None or held[0] is not edition:
            held = self._held[full][place] = (edition, Book(edition.snapshot, full=full))
        return held[1]


class Book:
    """The answers of one snapshot, for server keys (`full`) or for client keys."""

    def __init__(self, snapshot: Snapshot, *, full: bool) -> None:
        self.snapshot, self._full = snapshot, full
        shown = [key for key, flag in snapshot.flags.items() if full or flag.client_visible]
        self.keys = tuple(shown)
        self._shown = frozenset(shown)
        self._parts: dict[int, Part] = {}
        self._most = 4 * len(shown) + _SPARE
        self._versions = Versions(snapshot)
        self._notice: Notice | None = None
        self.name = f"{snapshot.project}/{snapshot.environment}"
        self.metadata = encode({"flagSetId": self.name, "version": str(snapshot.revision)})

    def single(self, key: str, context: Context) -> tuple[Answer, Part | None]:
        """The answer for one flag, and the part of it that was served, if anything was."""
        if key not in self._shown:
            return unknown_flag(key), None
        resolution = evaluate(self.snapshot, key, context)
        part = self._parts.get(id(resolution))
        if part is None or part.resolution is not resolution or part.key != key:
            if resolution.error is not None:
                return failure(400, key, str(resolution.error.code), resolution.error.message), None
            part = self._write(key, resolution)
        return Answer(200, part.written + _end(context)), part

    def bulk(self, context: Context) -> bytes:
        """The answers for all flags, as the content of a JSON array."""
        snapshot, known, end = self.snapshot, self._parts.get, _end(context)
        written: list[bytes] = []
        failures: list[bytes] = []
        for key in self.keys:
            resolution = evaluate(snapshot, key, context)
            part = known(id(resolution))
            if part is not None and part[0] is resolution and part[1] == key:
                written.append(part[2])
            elif resolution.error is None:
                written.append(self._write(key, resolution).written)
            else:
                failures.append(encode(failed(key, str(resolution.error.code), resolution.error.message)))
        flags = (end + b",").join(written) + end if written else b""
        return b",".join([flags, *failures] if flags else failures)

    @property
    def notice(self) -> Notice:
        """What clients are told of this state: the same as long as nothing that their evaluation leans on changes."""
        if self._notice is None:
            versions = encode([(key, self._versions.of(key)) for key in self.keys])
            self._notice = Notice.of(self.snapshot.revision, hashlib.sha256(versions).hexdigest()[:16])
        return self._notice

    def _write(self, key: str, resolution: Resolution) -> Part:
        flag = self.snapshot.flags[key]
        value = float(resolution.value) if flag.type is FlagType.NUMBER else resolution.value
        answer = {
            "key": key,
            "value": value,
            "variant": resolution.variation,
            "reason": str(resolution.reason),
            "metadata": self._metadata(flag, resolution),
        }
        # The answer ends with its metadata, and what is still to come goes in there: the two braces are left open.
        part = Part(resolution, key, encode(answer)[:-2], flag.unit_for(resolution.rule))
        if len(self._parts) >= self._most:
            self._parts.clear()
        self._parts[id(resolution)] = part
        return part

    def _metadata(self, flag: Flag, resolution: Resolution) -> dict[str, str | int]:
        told: dict[str, str | int] = {"flagSetId": self.name, "version": str(self._versions.of(flag.key))}
        if self._full:
            told |= {"revision": flag.revision, "unit": flag.unit_for(resolution.rule)}
            told |= resolution.metadata
            if resolution.rule is not None:
                told["rule"] = resolution.rule
        return told


def _end(context: Context) -> bytes:
    """The end of every answer to this context, and the one thing in it that depends on who asks."""
    target = context.get("targetingKey")
    return b',"contextId":' + encode(target) + b"}}" if type(target) is str else b"}}"


class Versions:
    """By flag: the newest revision that touched it or anything it leans on. A snapshot has no cycles."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._flags: dict[str, int] = {}
        self._segments: dict[str, int] = {}

    def of(self, key: str) -> int:
        """The version of one flag."""
        known = self._flags.get(key)
        if known is None:
            flag = self._snapshot.flags[key]
            clauses = (clause for rule in flag.rules for clause in rule.clauses)
            before = (self.of(each.flag) for each in flag.prerequisites)
            known = self._flags[key] = max(flag.revision, *self._leaning(clauses), *before, 0)
        return known

    def _segment(self, key: str) -> int:
        known = self._segments.get(key)
        if known is None:
            segment = self._snapshot.segments[key]
            clauses = (clause for rule in segment.rules for clause in rule.clauses)
            known = self._segments[key] = max(segment.revision, *self._leaning(clauses), 0)
        return known

    def _leaning(self, clauses: Iterable[Clause]) -> Iterator[int]:
        for clause in clauses:
            if clause.operator in _OF_SEGMENTS:
                yield from (self._segment(str(key)) for key in clause.values)
