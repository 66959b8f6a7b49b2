"""Reading a telemetry batch from JSON: bad records cost themselves, an unreadable batch is refused whole."""

from __future__ import annotations

import msgspec
import pytest

from twokey.domain.intake import MAX_FACTS, check_facts, read_batch
from twokey.engine.errors import Invalid
from twokey.engine.wire import MAX_BATCH

EXPOSURE = {
    "flag": "profile",
    "revision": 18,
    "assigned": "baseline",
    "served": "baseline",
    "unit": "c-1",
    "unit_name": "conversation",
    "at": "2026-07-01T12:00:00Z",
    "reason": "SPLIT",
}
METRIC = {"metric": "latency", "value": 9.5, "unit": "c-1", "unit_name": "conversation", "at": "2026-07-01T12:00:00Z"}


def body(**fields: object) -> bytes:
    return msgspec.json.encode({"batch_id": "b-1", **fields})


def test_a_good_batch_is_read_whole() -> None:
    batch, refused = read_batch(body(exposures=[EXPOSURE], metrics=[METRIC]))
    assert (len(batch.exposures), len(batch.metrics), refused) == (1, 1, ())


def test_records_of_a_wrong_shape_are_named_and_the_rest_is_read() -> None:
    bad = [
        {**EXPOSURE, "revision": -1},
        EXPOSURE,
        {**EXPOSURE, "variant": "x"},
        {**EXPOSURE, "context": {"nested": {"a": 1}}},
        "no object",
    ]
    batch, refused = read_batch(body(exposures=bad, metrics=[{**METRIC, "value": "fast"}], changes=[{}]))
    assert len(batch.exposures) == 1
    assert [(each.kind, each.index) for each in refused] == [
        ("exposures", 0),
        ("exposures", 2),
        ("exposures", 3),
        ("exposures", 4),
        ("metrics", 0),
        ("changes", 0),
    ]
    assert "variant" in refused[1].reason
    assert all(each.reason for each in refused)


@pytest.mark.parametrize(
    "raw",
    [b"", b"nonsense", b"[]", b"\xff\xfe", b'{"exposures": []}', b'{"batch_id": ""}', b'{"batch_id": "b", "extra": 1}'],
)
def test_a_batch_that_cannot_be_read_or_recognised_is_refused_whole(raw: bytes) -> None:
    with pytest.raises(Invalid, match="batch"):
        read_batch(raw)


def test_a_batch_with_too_many_records_is_refused_with_the_limit() -> None:
    with pytest.raises(Invalid, match="10,000"):
        read_batch(body(metrics=[METRIC] * (MAX_BATCH + 1)))


def test_facts_have_a_size() -> None:
    assert check_facts(b"x" * MAX_FACTS)
    with pytest.raises(Invalid, match="at most"):
        check_facts(b"x" * (MAX_FACTS + 1))
