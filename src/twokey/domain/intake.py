"""What a telemetry batch must be before it is kept.

Rules kept here:
- a record that cannot be used is refused by itself, named by kind and position, with the reason; the rest is kept;
- a batch without a readable shape or id is refused as a whole (`Invalid`): a repeat of it could not be recognised;
- an event from the future (beyond a small difference of clocks) is refused: it would join before it happened.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from twokey.domain.telemetry import Refusal
from twokey.engine.errors import Invalid
from twokey.engine.wire import MAX_BATCH, ChangeEvent, Exposure, MetricEvent, Name, TelemetryBatch

AHEAD = timedelta(minutes=5)
"""How far a sender's clock may run ahead of ours."""

MAX_FACTS = 16_384
"""Bytes of JSON that one record's context or attributes may take."""

MAX_REVISION = 2**63 - 1

MAX_VALUE = 1e18
"""A metric's largest value either way: squares of larger ones, summed up, are no numbers any more."""

T = TypeVar("T", Exposure, MetricEvent, ChangeEvent)


class _Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A batch whose records are not read yet."""

    batch_id: Name
    exposures: tuple[msgspec.Raw, ...] = ()
    metrics: tuple[msgspec.Raw, ...] = ()
    changes: tuple[msgspec.Raw, ...] = ()


_whole = msgspec.json.Decoder(TelemetryBatch)
_envelope = msgspec.json.Decoder(_Envelope)
_exposure = msgspec.json.Decoder(Exposure)
_metric = msgspec.json.Decoder(MetricEvent)
_change = msgspec.json.Decoder(ChangeEvent)


def read_batch(body: bytes) -> tuple[TelemetryBatch, tuple[Refusal, ...]]:
    """A batch from its JSON, with the records that have a wrong shape left out and named.

    Raises Invalid where the batch as a whole cannot be read.
    """
    try:
        return _whole.decode(body), ()
    except msgspec.ValidationError:
        return _read_one_by_one(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Invalid("batch", f"is not JSON: {problem}", "a JSON object with `batch_id`") from problem
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> Invalid:
    return Invalid("batch", "is nested too deeply", "records with flat facts")


def _read_one_by_one(body: bytes) -> tuple[TelemetryBatch, tuple[Refusal, ...]]:
    try:
        envelope = _envelope.decode(body)
    except msgspec.ValidationError as problem:
        raise Invalid("batch", str(problem), "`batch_id` with `exposures`, `metrics`, `changes`") from problem
    except RecursionError:
        raise _too_deep() from None
    for kind in ("exposures", "metrics", "changes"):
        if (size := len(getattr(envelope, kind))) > MAX_BATCH:
            raise Invalid(f"batch: {kind}", f"has {size:,} records", f"at most {MAX_BATCH:,}; send several batches")
    exposures, bad_exposures = _read("exposures", envelope.exposures, _exposure)
    metrics, bad_metrics = _read("metrics", envelope.metrics, _metric)
    changes, bad_changes = _read("changes", envelope.changes, _change)
    batch = TelemetryBatch(batch_id=envelope.batch_id, exposures=exposures, metrics=metrics, changes=changes)
    return batch, bad_exposures + bad_metrics + bad_changes


def _read(
    kind: str, raws: Iterable[msgspec.Raw], decoder: msgspec.json.Decoder[T]
) -> tuple[tuple[T, ...], tuple[Refusal, ...]]:
    kept: list[T] = []
    refused: list[Refusal] = []
    for index, raw in enumerate(raws):
        try:
            kept.append(decoder.decode(raw))
        except (msgspec.MsgspecError, RecursionError) as problem:
            refused.append(Refusal(kind=kind, index=index, reason=str(problem)))
    return tuple(kept), tuple(refused)


def check_exposure(record: Exposure, latest: datetime) -> Exposure:
    """The exposure, if it can be used; raises Invalid. `latest` is the last moment that is not the future."""
    _check_unit(record.unit, "an exposure belongs to a unit")
    _check_revision(record.revision)
    _check_time(record.at, latest)
    return record


def check_metric(record: MetricEvent, latest: datetime) -> MetricEvent:
    """The metric event, if it can be used; raises Invalid."""
    _check_unit(record.unit, "a metric without a unit joins to nothing")
    if not math.isfinite(record.value) or abs(record.value) > MAX_VALUE:
        raise Invalid("value", f"is `{record.value}`", f"a finite number of at most {MAX_VALUE:.0e} either way")
    _check_revision(record.revision or 0)
    _check_time(record.at, latest)
    return record


def check_change(record: ChangeEvent, latest: datetime) -> ChangeEvent:
    """The change event, if it can be used; raises Invalid."""
    _check_time(record.at, latest)
    return record


def check_facts(encoded: bytes) -> bytes:
    """Encoded context or attributes, if they are small enough to keep; raises Invalid."""
    if len(encoded) > MAX_FACTS:
        raise Invalid("facts", f"take {len(encoded):,} bytes of JSON", f"at most {MAX_FACTS:,}")
    return encoded


def _check_unit(unit: str, why: str) -> None:
    if not unit:
        raise Invalid("unit", f"is empty ({why})", "the id that was bucketed")


def _check_revision(revision: int) -> None:
    if revision > MAX_REVISION:
        raise Invalid("revision", f"is `{revision}`", "a revision that the control plane has published")


def _check_time(at: datetime, latest: datetime) -> None:
    if at > latest:
        raise Invalid(
            "at", f"`{at.isoformat()}` lies in the future", "a moment that has been; check the sender's clock"
        )
