"""What leads from one revision of a snapshot to another.

Rules this module keeps:

* A patch carries whole flags and segments, each with its digest, and the keys of those that are gone; and the digest
  of the snapshot that must result. A patch that leads elsewhere is refused, so a client can trust what it has put
  together.
* What the patch touches is checked, and what others name in it; the rest is shared with the old snapshot, untouched,
  and what was compiled of it stays compiled.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from msgspec import field

from twokey.engine.admission import admit_flag, admit_segment
from twokey.engine.canonical import canonical
from twokey.engine.checks import check_graph, check_references
from twokey.engine.contents import Contents, changed_contents
from twokey.engine.errors import Invalid
from twokey.engine.flag import Flag, Segment, Shape
from twokey.engine.operators import shown
from twokey.engine.parsing import Document, decode, refuse_repeated_names
from twokey.engine.snapshot import Snapshot, assembled

Kept = TypeVar("Kept", Flag, Segment)
_FEW = 100
"""Parts that are written over one by one."""


class FlagChanges(Shape, frozen=True, kw_only=True):
    """Flags that are new or different, and keys of those that are gone."""

    set: tuple[Flag, ...] = ()
    removed: tuple[str, ...] = ()


class SegmentChanges(Shape, frozen=True, kw_only=True):
    """Segments that are new or different, and keys of those that are gone."""

    set: tuple[Segment, ...] = ()
    removed: tuple[str, ...] = ()


class Patch(Shape, frozen=True, kw_only=True):
    """The step from `from_revision` to `to_revision`; `digest` is that of the snapshot which results."""

    from_revision: int
    to_revision: int
    digest: str
    flags: FlagChanges = field(default_factory=FlagChanges)
    segments: SegmentChanges = field(default_factory=SegmentChanges)

    @classmethod
    def from_json(cls, data: Document) -> "Patch":
        """The patch in a JSON document; its flags are checked when it is applied."""
        patch = decode(data, cls, "patch")
        refuse_repeated_names(data, "patch")
        return patch

    def to_json(self) -> bytes:
        """The canonical bytes."""
        return canonical(self)


def diff(old: Snapshot, new: Snapshot) -> Patch:
    """The patch with `apply_patch(old, diff(old, new)) == new`; `Invalid` between different environments."""
    if (old.project, old.environment) != (new.project, new.environment):
        problem = f"`{old.project}/{old.environment}` and `{new.project}/{new.environment}` are two environments"
        raise Invalid("patch", problem, "two snapshots of one environment")
    flags_set, flags_removed = _difference(old.flags, new.flags)
    segments_set, segments_removed = _difference(old.segments, new.segments)
    return Patch(
        from_revision=old.revision,
        to_revision=new.revision,
        digest=new.digest,
        flags=FlagChanges(set=flags_set, removed=flags_removed),
        segments=SegmentChanges(set=segments_set, removed=segments_removed),
    )


def apply_patch(snapshot: Snapshot, patch: Patch) -> Snapshot:
    """The snapshot that the patch leads to; `Invalid` when it starts elsewhere, is unsound, or ends elsewhere."""
    if patch.from_revision != snapshot.revision:
        raise Invalid("patch: from_revision", f"`{patch.from_revision}` is not the base", f"`{snapshot.revision}`")
    changes = _Changes(
        {flag.key: admit_flag(flag) for flag in patch.flags.set},
        {segment.key: admit_segment(segment) for segment in patch.segments.set},
        patch.flags.removed,
        patch.segments.removed,
    )
    result = _changed(snapshot, patch.to_revision, changes)
    if result.digest != patch.digest:
        problem = f"{shown(patch.digest)} does not fit the snapshot that results"
        raise Invalid("patch: digest", problem, f"`{result.digest}`; ask for the whole snapshot")
    return result


def successor(snapshot: Snapshot, revision: int, flags: Iterable[Flag], segments: Iterable[Segment]) -> Snapshot:
    """The snapshot of exactly these flags and segments, at another revision of the same environment.

    It equals the one that is built of them; but what carries the digest that it has in `snapshot` is shared with that
    one, and stays compiled. `Invalid` when the parts do not fit together.
    """
    kept_flags, kept_segments = {each.key: each for each in flags}, {each.key: each for each in segments}
    changes = _Changes(
        {key: admit_flag(flag) for key, flag in kept_flags.items() if _differs(snapshot.flags, flag)},
        {key: admit_segment(segment) for key, segment in kept_segments.items() if _differs(snapshot.segments, segment)},
        tuple(snapshot.flags.keys() - kept_flags.keys()),
        tuple(snapshot.segments.keys() - kept_segments.keys()),
    )
    return _changed(snapshot, revision, changes)


class _Changes(NamedTuple):
    """What is set, by key and sound by itself, and the keys of what is gone."""

    flags: dict[str, Flag]
    segments: dict[str, Segment]
    flags_removed: tuple[str, ...]
    segments_removed: tuple[str, ...]


def _changed(snapshot: Snapshot, revision: int, changes: _Changes) -> Snapshot:
    """The checked snapshot after these changes, which shares the rest."""
    flags = _merged("flag", snapshot.flags, changes.flags, changes.flags_removed)
    segments = _merged("segment", snapshot.segments, changes.segments, changes.segments_removed)
    # Only a segment that is gone can break a clause that nobody touched.
    check_references(flags.values() if changes.segments_removed else changes.flags.values(), segments)
    check_graph(flags, segments)
    contents = _contents(snapshot, changes)
    result = assembled(snapshot.project, snapshot.environment, revision, flags, segments, contents)
    result.programs.inherit(
        snapshot.programs,
        {*changes.flags, *changes.flags_removed},
        {*changes.segments, *changes.segments_removed},
    )
    return result


def _differs(old: Mapping[str, Kept], part: Kept) -> bool:
    held = old.get(part.key)
    # A digest that stayed on edited content must not hide the edit: what is not equal is checked, and refused there.
    return held is None or part.digest is None or part.digest != held.digest or part != held


def carry_over(old: Snapshot, new: Snapshot) -> Snapshot:
    """`new`, with what `old` has compiled of the parts that are the same in both.

    For who gets whole snapshots instead of patches, before the new one is evaluated.
    """
    flags, segments = _moved(old.flags, new.flags), _moved(old.segments, new.segments)
    new.programs.inherit(old.programs, flags, segments)
    return new


def _difference(old: Mapping[str, Kept], new: Mapping[str, Kept]) -> tuple[tuple[Kept, ...], tuple[str, ...]]:
    changed = tuple(item for key, item in new.items() if key not in old or old[key].digest != item.digest)
    return changed, tuple(key for key in old if key not in new)


def _moved(old: Mapping[str, Kept], new: Mapping[str, Kept]) -> set[str]:
    gone = {key for key in old if key not in new}
    return gone.union(key for key, part in new.items() if key not in old or old[key].digest != part.digest)


def _contents(snapshot: Snapshot, changes: _Changes) -> Contents | None:
    """The contents after a small patch that neither adds nor removes anything; else they are made anew."""
    flags, segments = changes.flags, changes.segments
    adds = not (flags.keys() <= snapshot.flags.keys() and segments.keys() <= snapshot.segments.keys())
    removes = changes.flags_removed or changes.segments_removed
    if removes or adds or len(flags) + len(segments) > _FEW:
        return None
    return changed_contents(snapshot.contents, flags, segments)


def _merged(noun: str, old: Mapping[str, Kept], changed: dict[str, Kept], removed: tuple[str, ...]) -> dict[str, Kept]:
    for key in removed:
        if key not in old or key in changed:
            problem = f"{shown(key)} cannot be removed"
            raise Invalid(f"patch: {noun}s", problem, f"a {noun} of the base that is not set as well")
    kept: dict[str, Kept] = old.copy()  # type: ignore[attr-defined] # a read-only view copies as its dictionary does
    kept.update(changed)
    for key in removed:
        del kept[key]
    return kept if changed.keys() <= old.keys() else {key: kept[key] for key in sorted(kept)}
