"""One environment's flags and segments at one revision.

Rules this module keeps:

* A snapshot is checked as a whole when it is made, and nothing in it can be changed; so evaluation checks nothing.
* Its digest covers the header and the key-ordered digests of its flags and segments, so that a patch of one flag in
  10,000 re-hashes one flag and a list of digests.
* `to_json` gives canonical bytes (RFC 8785, keys in order); reading them gives an equal snapshot.
* A digest that is given, of the snapshot or of a part, must fit.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

import msgspec

from twokey.engine.admission import admit_flag, admit_segment, admitted_flag, admitted_segment, bytes_of
from twokey.engine.canonical import digest_of_bytes
from twokey.engine.checks import check_graph, check_key, check_references
from twokey.engine.compiler import CompileFailure, Programs
from twokey.engine.contents import Contents, contents_of
from twokey.engine.errors import Invalid
from twokey.engine.flag import FORMAT, Flag, Segment, Shape
from twokey.engine.operators import shown
from twokey.engine.parsing import Document, decode, refuse_repeated_names

Kept = TypeVar("Kept", Flag, Segment)


class SnapshotDocument(Shape, frozen=True, kw_only=True):
    """The JSON shape of a snapshot. The digest is optional on input and always written."""

    format: str
    project: str
    environment: str
    revision: int
    flags: tuple[Flag, ...] = ()
    segments: tuple[Segment, ...] = ()
    digest: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, weakref=True, eq=False):
    """An immutable snapshot. Make one with `from_json`, `build` or `apply_patch`.

    `flags` and `segments` are read-only mappings in the order of their keys; every flag and segment carries its digest.
    `contents` (the digests as they are hashed) and `programs` (what has been compiled so far) are the engine's own.
    """

    project: str
    environment: str
    revision: int
    flags: Mapping[str, Flag]
    segments: Mapping[str, Segment]
    digest: str
    contents: Contents
    programs: Programs

    @classmethod
    def from_json(cls, data: Document) -> "Snapshot":
        """The snapshot in a `twokey/1` document; `Invalid` names what is wrong with it."""
        document = decode(data, SnapshotDocument, "snapshot")
        if document.format != FORMAT:
            raise Invalid("snapshot: format", f"{shown(document.format)} is not known", f"`{FORMAT}`")
        colons = 4 + bool(document.flags) + bool(document.segments) + (2 if document.digest else 0)
        flags, segments = [], []
        for flag in document.flags:
            kept_flag, written = admitted_flag(flag)
            flags.append(kept_flag)
            colons += written
        for segment in document.segments:
            kept_segment, written = admitted_segment(segment)
            segments.append(kept_segment)
            colons += written
        snapshot = _built(document.project, document.environment, document.revision, flags, segments)
        _check_digest("snapshot", document.digest, snapshot.digest)
        refuse_repeated_names(data, "snapshot", colons)
        return snapshot

    @classmethod
    def build(
        cls,
        project: str,
        environment: str,
        revision: int,
        flags: Iterable[Flag] = (),
        segments: Iterable[Segment] = (),
    ) -> "Snapshot":
        """The checked snapshot of these flags and segments; `Invalid` when they do not fit together."""
        return _built(project, environment, revision, map(admit_flag, flags), map(admit_segment, segments))

    def flag(self, key: str) -> Flag | None:
        """The flag with this key."""
        return self.flags.get(key)

    @property
    def compile_failures(self) -> tuple[CompileFailure, ...]:
        """The flags that could not be compiled when they were due; the reference goes on answering them."""
        return self.programs.failures()

    def compile(self) -> tuple[CompileFailure, ...]:
        """Compile every flag now, and not as they are used; for servers that start, and for measurements."""
        self.programs.prepare(self.flags)
        return self.compile_failures

    def to_json(self) -> bytes:
        """The canonical bytes, with every digest."""
        flags = b",".join(map(bytes_of, self.flags.values()))
        segments = b",".join(map(bytes_of, self.segments.values()))
        # Keys in order; header words and digests are ASCII without anything to escape.
        start = f'{{"digest":"{self.digest}","environment":"{self.environment}","flags":['.encode()
        middle = f'],"format":"{FORMAT}","project":"{self.project}","revision":{self.revision},"segments":['.encode()
        return b"".join((start, flags, middle, segments, b"]}"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def read_flag(data: Document) -> Flag:
    """One flag from JSON, sound by itself and with its digest; `Invalid` names what is wrong with it."""
    flag = admit_flag(decode(data, Flag, "flag"))
    refuse_repeated_names(data, "flag")
    return flag


def read_segment(data: Document) -> Segment:
    """One segment from JSON, sound by itself and with its digest; `Invalid` names what is wrong with it."""
    segment = admit_segment(decode(data, Segment, "segment"))
    refuse_repeated_names(data, "segment")
    return segment


def _built(
    project: str, environment: str, revision: int, flags: Iterable[Flag], segments: Iterable[Segment]
) -> Snapshot:
    """A snapshot of parts that are sound by themselves."""
    _check_header(project, environment, revision)
    kept_flags, kept_segments = _by_key("flags", flags), _by_key("segments", segments)
    check_references(kept_flags.values(), kept_segments)
    check_graph(kept_flags, kept_segments)
    return assembled(project, environment, revision, kept_flags, kept_segments)


def assembled(
    project: str,
    environment: str,
    revision: int,
    flags: Mapping[str, Flag],
    segments: Mapping[str, Segment],
    contents: Contents | None = None,
) -> Snapshot:
    """A snapshot of parts that are known to be sound and in key order; only its digest is computed.

    `contents` are those of the same parts, where the caller has them.
    """
    kept_flags, kept_segments = MappingProxyType(dict(flags)), MappingProxyType(dict(segments))
    contents = contents or contents_of(flags, segments)
    # In key order, and all of it ASCII without anything to escape: these bytes are canonical.
    start = f'{{"environment":"{environment}","flags":'.encode()
    middle = f',"format":"{FORMAT}","project":"{project}","revision":{revision},"segments":'.encode()
    return Snapshot(
        project=project,
        environment=environment,
        revision=revision,
        flags=kept_flags,
        segments=kept_segments,
        digest=digest_of_bytes(b"".join((start, contents.flags, middle, contents.segments, b"}"))),
        contents=contents,
        programs=Programs(kept_flags, kept_segments),
    )


def _check_header(project: str, environment: str, revision: int) -> None:
    check_key("snapshot: project", project)
    check_key("snapshot: environment", environment)
    if revision < 0:
        raise Invalid("snapshot: revision", f"`{revision}` is negative", "0 or a positive integer")


def _check_digest(root: str, given: str | None, computed: str) -> None:
    if given is not None and given != computed:
        raise Invalid(f"{root}: digest", f"{shown(given)} does not fit the content", f"`{computed}`, or none")


def _by_key(field: str, items: Iterable[Kept]) -> dict[str, Kept]:
    listed = list(items)
    kept = {item.key: item for item in listed}
    if len(kept) != len(listed):
        keys = [item.key for item in listed]
        twice = next(key for key in kept if keys.count(key) > 1)
        raise Invalid(f"snapshot: {field}", f"`{twice}` is listed twice", "each key once")
    return {key: kept[key] for key in sorted(kept)}
