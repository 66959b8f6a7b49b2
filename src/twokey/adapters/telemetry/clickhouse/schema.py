"""Tables of the ClickHouse telemetry store.

Rules kept here:
- what the embedded store's tables hold, with nothing for what is unknown: no text is `''`, no revision is -1;
- rows lie by month and by what questions ask for first; past their retention they leave by TTL;
- an insert that is repeated (same token) is dropped by the engine, as long as it is among the latest ten thousand.
"""

from __future__ import annotations

_ONCE = "non_replicated_deduplication_window = 10000"
_MONTH = "toYYYYMM(fromUnixTimestamp64Micro(happened))"
UNKNOWN = -1
"""A revision that was not told."""


def tables(keep_days: int) -> tuple[str, ...]:
    """The statements that make the tables; 0 days keep everything."""
    end = f"TTL toDateTime(intDiv(happened, 1000000)) + INTERVAL {keep_days:d} DAY DELETE" if keep_days else ""
    received = f"TTL toDateTime(intDiv(received, 1000000)) + INTERVAL {keep_days:d} DAY DELETE" if keep_days else ""
    return (
        f"""
CREATE TABLE IF NOT EXISTS batches (
    project LowCardinality(String), environment LowCardinality(String), source String, batch_id String, received Int64
) ENGINE = MergeTree ORDER BY (project, environment, source, batch_id) {received} SETTINGS {_ONCE}""",
        f"""
CREATE TABLE IF NOT EXISTS exposures (
    project LowCardinality(String), environment LowCardinality(String), flag LowCardinality(String),
    rule LowCardinality(String), revision Int64, assigned LowCardinality(String), served LowCardinality(String),
    unit String, unit_name LowCardinality(String), who Int64, happened Int64, reason LowCardinality(String),
    context String
) ENGINE = MergeTree PARTITION BY {_MONTH} ORDER BY (project, environment, flag, who, happened) {end}
SETTINGS {_ONCE}""",
        f"""
CREATE TABLE IF NOT EXISTS metrics (
    project LowCardinality(String), environment LowCardinality(String), metric LowCardinality(String), value Float64,
    unit String, unit_name LowCardinality(String), who Int64, happened Int64, flag LowCardinality(String),
    variation LowCardinality(String), rule LowCardinality(String), revision Int64, attributes String
) ENGINE = MergeTree PARTITION BY {_MONTH} ORDER BY (project, environment, metric, who, happened) {end}
SETTINGS {_ONCE}""",
        f"""
CREATE TABLE IF NOT EXISTS changes (
    project LowCardinality(String), environment LowCardinality(String), id String, source String,
    kind LowCardinality(String), title String, service String, happened Int64, url Nullable(String), attributes String
) ENGINE = MergeTree PARTITION BY {_MONTH} ORDER BY (project, environment, happened, id) {end}
SETTINGS {_ONCE}""",
    )


COLUMNS = {
    "batches": ("project", "environment", "source", "batch_id", "received"),
    "exposures": (
        "project", "environment", "flag", "rule", "revision", "assigned", "served", "unit", "unit_name", "who",
        "happened", "reason", "context",
    ),
    "metrics": (
        "project", "environment", "metric", "value", "unit", "unit_name", "who", "happened", "flag", "variation",
        "rule", "revision", "attributes",
    ),
    "changes": (
        "project", "environment", "id", "source", "kind", "title", "service", "happened", "url", "attributes",
    ),
}  # fmt: skip
"""As rows are made by `rows`, in that order."""
