"""From bytes to the next snapshot, or a named refusal. Pure: no network, no file, no clock.

Rules this module keeps:

* A document must carry its digest, be of a known format, and be sound as a whole; one bad flag refuses all of it.
* From a server, revisions only rise. A patch must start at the revision held and end at the digest it promises.
"""

import msgspec

from twokey.client.troubles import (
    MissedRevision,
    OlderRevision,
    OtherEnvironment,
    UnknownFormat,
    UnsoundSnapshot,
    WrongDigest,
)
from twokey.engine import Invalid, Patch, Snapshot, apply_patch
from twokey.engine.flag import FORMAT
from twokey.engine.wire import PatchMessage, SnapshotMessage, StreamMessage


class _Head(msgspec.Struct):
    """What is looked at before anything else, whatever the rest of a document looks like."""

    format: str = ""
    digest: str | None = None


class _Kind(msgspec.Struct):
    type: str = ""


_head = msgspec.json.Decoder(_Head)
_kind = msgspec.json.Decoder(_Kind)
_message = msgspec.json.Decoder(StreamMessage)
KINDS = ("snapshot", "patch")


def read_snapshot(document: bytes) -> Snapshot:
    """The snapshot that a server or this client wrote; raises UnknownFormat, WrongDigest or UnsoundSnapshot."""
    try:
        head = _head.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnsoundSnapshot(f"the snapshot is not readable: {error}") from None
    if head.format != FORMAT:
        raise UnknownFormat(f"the snapshot is of format `{head.format[:40]}`; this version reads `{FORMAT}`")
    if not head.digest:
        raise WrongDigest("the snapshot carries no digest")
    return sound(document)


def sound(document: bytes) -> Snapshot:
    """The snapshot in a document that may lack its digest, such as a file written by hand."""
    try:
        return Snapshot.from_json(document)
    except Invalid as error:
        raise refusal(error) from None


def refusal(error: Invalid) -> UnsoundSnapshot | UnknownFormat | WrongDigest:
    """The client's name for why the engine refused a document."""
    if error.field.endswith("digest"):
        return WrongDigest(str(error))
    if error.field == "snapshot: format":
        return UnknownFormat(str(error))
    return UnsoundSnapshot(str(error))


def read_message(data: bytes) -> StreamMessage | None:
    """A message of the snapshot stream; None for a kind that this version does not know."""
    try:
        return _message.decode(data) if _kind.decode(data).type in KINDS else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnsoundSnapshot(f"a message of the stream is not readable: {error}") from None


def snapshot_of(message: StreamMessage, held: Snapshot | None) -> Snapshot:
    """What the message leads to from the snapshot held."""
    return _whole(message) if isinstance(message, SnapshotMessage) else _patched(message, held)


def _whole(message: SnapshotMessage) -> Snapshot:
    snapshot = read_snapshot(bytes(message.snapshot))
    if (message.digest, message.revision) != (snapshot.digest, snapshot.revision):
        raise WrongDigest(f"the message promises revision {message.revision}, {message.digest[:80]}, and holds another")
    return snapshot


def _patched(message: PatchMessage, held: Snapshot | None) -> Snapshot:
    if held is None:
        raise MissedRevision(f"a patch from revision {message.from_revision} came before any snapshot")
    if message.to_revision < held.revision:
        raise OlderRevision(f"the patch leads to revision {message.to_revision}; {held.revision} is held")
    if message.to_revision == held.revision and message.digest == held.digest:
        return held
    if message.from_revision != held.revision:
        raise MissedRevision(f"the patch starts at revision {message.from_revision}; {held.revision} is held")
    try:
        result = apply_patch(held, Patch.from_json(bytes(message.patch)))
    except Invalid as error:
        raise refusal(error) from None
    if (message.digest, message.to_revision) != (result.digest, result.revision):
        raise WrongDigest(f"the message promises revision {message.to_revision}, and its patch leads elsewhere")
    return result


def check_next(held: Snapshot, offered: Snapshot) -> None:
    """Refuse what may not follow the snapshot held: another environment, an older revision, a second truth."""
    if place(held) != place(offered):
        raise OtherEnvironment(f"the server now offers `{place(offered)}`; `{place(held)}` is held")
    if offered.revision < held.revision:
        raise OlderRevision(f"revision {offered.revision} is offered; {held.revision} is held")
    if offered.revision == held.revision and offered.digest != held.digest:
        raise OlderRevision(f"revision {offered.revision} is offered with other content than the one held")


def place(snapshot: Snapshot) -> str:
    """Project and environment as one name, which is also the id of the flag set."""
    return f"{snapshot.project}/{snapshot.environment}"
