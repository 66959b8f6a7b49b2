"""Shapes on the wire: strict about names and kinds, generous in nothing."""

import json
from typing import Any

import msgspec
import pytest

from twokey.engine import Invalid
from twokey.engine.wire import PatchMessage, SnapshotMessage, StreamMessage, TelemetryBatch

EXPOSURE: dict[str, Any] = {
    "flag": "f",
    "rule": "r",
    "revision": 3,
    "assigned": "new",
    "served": "old",
    "unit": "u-1",
    "unit_name": "targetingKey",
    "at": "2026-01-01T00:00:00Z",
    "reason": "SPLIT",
    "context": {"plan": "pro", "seats": 5, "beta": True},
}
METRIC: dict[str, Any] = {"metric": "ms", "value": 1, "unit": "u-1", "unit_name": "targetingKey", "at": EXPOSURE["at"]}
CHANGE: dict[str, Any] = {"kind": "deploy", "title": "v2", "service": "api", "at": EXPOSURE["at"]}


def batch(**parts: Any) -> TelemetryBatch:
    return msgspec.json.decode(json.dumps({"batch_id": "b", **parts}), type=TelemetryBatch)


def test_a_batch_survives_the_wire() -> None:
    read = batch(exposures=[EXPOSURE], metrics=[METRIC], changes=[CHANGE])
    assert msgspec.json.decode(msgspec.json.encode(read), type=TelemetryBatch) == read
    assert read.exposures[0].at.tzinfo is not None
    assert type(read.metrics[0].value) is float


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"exposures": [{**EXPOSURE, "variant": "x"}]}, "unknown field `variant`"),
        ({"exposures": [{**EXPOSURE, "at": "2026-01-01T00:00:00"}]}, "timezone"),
        ({"exposures": [{**EXPOSURE, "context": {"a": {"b": 1}}}]}, "context"),
        ({"exposures": [{**EXPOSURE, "revision": -1}]}, "revision"),
        ({"exposures": [{**EXPOSURE, "unit": 7}]}, "unit"),
        ({"metrics": [{**METRIC, "value": "1"}]}, "value"),
        ({"changes": [{**CHANGE, "kind": "magic"}]}, "kind"),
        ({"batch_id": ""}, "batch_id"),
    ],
)
def test_a_malformed_record_is_refused(parts: dict[str, Any], words: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=words):
        batch(**parts)


def test_stream_messages_carry_the_bytes_as_they_are() -> None:
    for message in (
        SnapshotMessage(revision=1, digest="d", snapshot=msgspec.Raw(b'{"b":1,"a":2}')),
        PatchMessage(from_revision=1, to_revision=2, digest="d", patch=msgspec.Raw(b'{"b":1,"a":2}')),
    ):
        again = msgspec.json.decode(msgspec.json.encode(message), type=StreamMessage)
        assert type(again) is type(message)
        assert bytes(again.snapshot if isinstance(again, SnapshotMessage) else again.patch) == b'{"b":1,"a":2}'


def test_an_error_survives_being_pickled() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(Invalid("flag f: key", "`x`", "y")))
    assert (error.field, error.problem, error.accepted) == ("flag f: key", "`x`", "y")
