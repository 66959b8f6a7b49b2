"""Shapes that travel between applications and the control plane.

Rules this module keeps:

* An exposure joins by its own attributes (flag, rule, revision, unit), never by time or by guess.
* `assigned` is what the rollout or rule gave, `served` what the application really used; they differ when a candidate
  failed and the baseline stood in.
* Times are aware and UTC; context and attributes are flat scalars. Unknown fields are refused by name.
* A batch has an id, so that sending it twice counts once.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

MAX_BATCH = 10_000
"""Records of one kind in one batch."""

Text = Annotated[str, msgspec.Meta(max_length=1024)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Facts = Annotated[dict[Name, str | int | float | bool], msgspec.Meta(max_length=128)]
"""Flat facts: attribute name to scalar."""
Count = Annotated[int, msgspec.Meta(ge=0)]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every shape on the wire."""


class Exposure(Message, frozen=True, kw_only=True):
    """A unit met a variation.

    `rule` is the id of the rule that decided, or nothing for targets, `otherwise` and disabled flags; `revision` is the
    flag's. `unit` is the id that was bucketed and `unit_name` the context attribute it came from.
    `context` carries the attributes that the application chose to send, for cohorts and replay.
    """

    flag: Name
    rule: Name | None = None
    revision: Count
    assigned: Name
    served: Name
    unit: Text
    unit_name: Name
    at: Moment
    reason: Name
    context: Facts = {}


class MetricEvent(Message, frozen=True, kw_only=True):
    """One measured value of one unit: a latency in the metric's own unit, 1 or 0 for yes or no, a count.

    With `flag`, `rule`, `revision` and `variation` it joins by its own attributes; without them it joins through
    the exposures of the same unit.
    """

    metric: Name
    value: float
    unit: Text
    unit_name: Name
    at: Moment
    flag: Name | None = None
    variation: Name | None = None
    rule: Name | None = None
    revision: Count | None = None
    attributes: Facts = {}


class ChangeKind(StrEnum):
    """What kind of change outside the control plane is reported."""

    DEPLOY = "deploy"
    CONFIGURATION = "configuration"
    MIGRATION = "migration"
    OTHER = "other"


class ChangeEvent(Message, frozen=True, kw_only=True):
    """Something else changed: a deploy, a configuration edit, a migration. It competes with flags as an explanation."""

    kind: ChangeKind
    title: Text
    service: Text
    at: Moment
    url: Text | None = None
    attributes: Facts = {}


class TelemetryBatch(Message, frozen=True, kw_only=True):
    """What a client sends at once. `batch_id` is made by the sender and makes a repeat harmless."""

    batch_id: Name
    exposures: Annotated[tuple[Exposure, ...], msgspec.Meta(max_length=MAX_BATCH)] = ()
    metrics: Annotated[tuple[MetricEvent, ...], msgspec.Meta(max_length=MAX_BATCH)] = ()
    changes: Annotated[tuple[ChangeEvent, ...], msgspec.Meta(max_length=MAX_BATCH)] = ()


class SnapshotMessage(Message, frozen=True, kw_only=True, tag_field="type", tag="snapshot"):
    """The whole snapshot, as its canonical bytes: `Snapshot.from_json(bytes(message.snapshot))`."""

    revision: Count
    digest: str
    snapshot: msgspec.Raw


class PatchMessage(Message, frozen=True, kw_only=True, tag_field="type", tag="patch"):
    """What leads from one revision to the next: `Patch.from_json(bytes(message.patch))`."""

    from_revision: Count
    to_revision: Count
    digest: str
    patch: msgspec.Raw


StreamMessage = SnapshotMessage | PatchMessage
"""What the snapshot stream carries: a snapshot first, then patches; a client that misses one asks for a snapshot."""
