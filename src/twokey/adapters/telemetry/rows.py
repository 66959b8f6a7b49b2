"""Records into rows. Rule: one bad record costs itself, never its batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import mmh3
import msgspec

from twokey.adapters.telemetry.schema import micros
from twokey.domain.intake import AHEAD, check_change, check_exposure, check_facts, check_metric
from twokey.domain.telemetry import Refusal, Scope
from twokey.engine.errors import Invalid
from twokey.engine.wire import ChangeEvent, Exposure, MetricEvent, TelemetryBatch

Row = tuple[str | int | float | None, ...]
T = TypeVar("T")

_encode = msgspec.json.Encoder(order="sorted").encode
NO_FACTS = "{}"


def facts(values: Mapping[str, str | int | float | bool]) -> str:
    """Flat facts as JSON text with sorted keys; raises Invalid where they are too large."""
    if not values:
        return NO_FACTS
    return check_facts(_encode(values)).decode()


def who(unit_name: str, unit: str) -> int:
    """The number that stands for a unit wherever units are joined or counted."""
    return int(mmh3.hash64(f"{unit_name}\0{unit}", signed=True)[0])


def exposure_row(scope: Scope, record: Exposure, attributes: frozenset[str] | None = None) -> Row:
    """One row of `exposures`; of its context these attributes alone, where they were chosen."""
    context = record.context
    if attributes is not None:
        context = {name: value for name, value in context.items() if name in attributes}
    return (
        scope.project,
        scope.environment,
        record.flag,
        record.rule,
        record.revision,
        record.assigned,
        record.served,
        record.unit,
        record.unit_name,
        who(record.unit_name, record.unit),
        micros(record.at),
        record.reason,
        facts(context),
    )


def metric_row(scope: Scope, record: MetricEvent) -> Row:
    """One row of `metrics`."""
    return (
        scope.project,
        scope.environment,
        record.metric,
        record.value,
        record.unit,
        record.unit_name,
        who(record.unit_name, record.unit),
        micros(record.at),
        record.flag,
        record.variation,
        record.rule,
        record.revision,
        facts(record.attributes),
    )


def change_row(scope: Scope, record: ChangeEvent, source: str) -> Row:
    """One row of `changes`."""
    return (
        scope.project,
        scope.environment,
        change_id(scope, record, source),
        source,
        str(record.kind),
        record.title,
        record.service,
        micros(record.at),
        record.url,
        facts(record.attributes),
    )


def change_id(scope: Scope, record: ChangeEvent, source: str) -> str:
    """An id made from the event itself, so that the same event from the same source keeps it."""
    body = _encode([scope.project, scope.environment, source, record])
    return f"event-{hashlib.sha256(body).hexdigest()[:12]}"


class Rows(msgspec.Struct, frozen=True):
    """A batch's rows by table, and the records that were not usable."""

    exposures: list[Row]
    metrics: list[Row]
    changes: list[Row]
    refused: tuple[Refusal, ...]


def of_batch(
    scope: Scope,
    batch: TelemetryBatch,
    source: str,
    received_at: datetime,
    *,
    every_text: bool = False,
    attributes: frozenset[str] | None = None,
) -> Rows:
    """The rows of all records that can be stored, and a refusal for each other one.

    Of contexts `attributes` alone are kept, where they were chosen.

    `every_text` looks at every text as well: worth its time only after the store has refused the batch.
    """
    latest = received_at + AHEAD
    check = _check_texts if every_text else _accept
    refused: list[Refusal] = []

    def rows(kind: str, records: Sequence[T], row: Callable[[T], Row]) -> list[Row]:
        made: list[Row] = []
        for index, record in enumerate(records):
            try:
                made.append(check(row(record)))
            except (Invalid, UnicodeEncodeError) as why:
                refused.append(Refusal(kind=kind, index=index, reason=str(why)))
        return made

    return Rows(
        rows("exposures", batch.exposures, lambda each: exposure_row(scope, check_exposure(each, latest), attributes)),
        rows("metrics", batch.metrics, lambda each: metric_row(scope, check_metric(each, latest))),
        rows("changes", batch.changes, lambda each: change_row(scope, check_change(each, latest), source)),
        tuple(refused),
    )


def _accept(row: Row) -> Row:
    return row


def _check_texts(row: Row) -> Row:
    for value in row:
        if isinstance(value, str):
            value.encode()
    return row
