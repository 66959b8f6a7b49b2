"""The digests of a snapshot's parts, as they stand in the bytes that the snapshot's own digest covers.

Rules this module keeps:

* The bytes are canonical JSON: `[["key","sha256:..."],...]` in key order.
* Keys and digests are ASCII without quotes, and a digest has one length. So a part's place is found by its key, and
  what changed is written over in place: a patch of one flag in 10,000 copies these bytes and encodes nothing else.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from twokey.engine.flag import Flag, Segment


class Contents(NamedTuple):
    """The lists of keys with digests, of the flags and of the segments."""

    flags: bytes
    segments: bytes


def contents_of(flags: Mapping[str, Flag], segments: Mapping[str, Segment]) -> Contents:
    """The contents of these parts, which are in key order and have digests."""
    return Contents(_listed(flags), _listed(segments))


def changed_contents(old: Contents, flags: Mapping[str, Flag], segments: Mapping[str, Segment]) -> Contents:
    """The contents with these parts, which the old ones list, in place of theirs."""
    return Contents(_written_over(old.flags, flags), _written_over(old.segments, segments))


def _listed(parts: Mapping[str, Flag] | Mapping[str, Segment]) -> bytes:
    return msgspec.json.encode([(part.key, part.digest) for part in parts.values()])


def _written_over(listed: bytes, parts: Mapping[str, Flag] | Mapping[str, Segment]) -> bytes:
    if not parts:
        return listed
    written = bytearray(listed)
    for key, part in parts.items():
        before, digest = f'["{key}","'.encode(), str(part.digest).encode()
        place = written.index(before) + len(before)
        written[place : place + len(digest)] = digest
    return bytes(written)
