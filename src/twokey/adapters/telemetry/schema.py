"""Tables of the embedded telemetry store.

Rules kept here:
- times are whole microseconds since 1970 UTC (`happened`), so that no time zone can enter a comparison;
- `who` is a 64-bit hash of unit name and id: units are joined and counted by it, ten times as fast as by their texts
  (two of ten million units share one with a chance of 3 in a million);
- `arrival` grows with every transaction: what came after a look is told by it;
- context and attributes are JSON text with sorted keys;
- records are never changed, only added and, past their retention, deleted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

TABLES = """
CREATE TABLE IF NOT EXISTS batches (
    project VARCHAR NOT NULL, environment VARCHAR NOT NULL, source VARCHAR NOT NULL, batch_id VARCHAR NOT NULL,
    received BIGINT NOT NULL,
    PRIMARY KEY (project, environment, source, batch_id)
);
CREATE TABLE IF NOT EXISTS exposures (
    project VARCHAR NOT NULL, environment VARCHAR NOT NULL, flag VARCHAR NOT NULL, rule VARCHAR,
    revision BIGINT NOT NULL, assigned VARCHAR NOT NULL, served VARCHAR NOT NULL,
    unit VARCHAR NOT NULL, unit_name VARCHAR NOT NULL, who BIGINT NOT NULL, happened BIGINT NOT NULL,
    reason VARCHAR NOT NULL, context VARCHAR NOT NULL, arrival BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS metrics (
    project VARCHAR NOT NULL, environment VARCHAR NOT NULL, metric VARCHAR NOT NULL, value DOUBLE NOT NULL,
    unit VARCHAR NOT NULL, unit_name VARCHAR NOT NULL, who BIGINT NOT NULL, happened BIGINT NOT NULL,
    flag VARCHAR, variation VARCHAR, rule VARCHAR, revision BIGINT, attributes VARCHAR NOT NULL, arrival BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS changes (
    project VARCHAR NOT NULL, environment VARCHAR NOT NULL, id VARCHAR NOT NULL, source VARCHAR NOT NULL,
    kind VARCHAR NOT NULL, title VARCHAR NOT NULL, service VARCHAR NOT NULL, happened BIGINT NOT NULL,
    url VARCHAR, attributes VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS accounts (key BLOB NOT NULL, body BLOB NOT NULL);
"""

LATER_COLUMNS = """
ALTER TABLE exposures ADD COLUMN IF NOT EXISTS arrival BIGINT DEFAULT 0;
ALTER TABLE metrics ADD COLUMN IF NOT EXISTS arrival BIGINT DEFAULT 0;
"""
"""For files that were made before `arrival` was."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

FIRST, LAST = -(2**62), 2**62
"""Open ends of a window, far outside any moment that can be written."""


def micros(at: datetime) -> int:
    """Whole microseconds since 1970 UTC."""
    return (at - EPOCH) // _MICROSECOND


def moment(happened: int) -> datetime:
    """The UTC moment of that many microseconds."""
    return EPOCH + timedelta(microseconds=happened)
