"""A batch on its way into the store, and whether it was there before."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from twokey.adapters.telemetry import rows
from twokey.domain.telemetry import Accepted


class Waiting:
    """A batch that waits to be written, and what became of it."""

    def __init__(self, key: tuple[str, str, str, str], received: int, made: rows.Rows) -> None:
        self.key, self.received, self.made = key, received, made
        self.accepted: Accepted | None = None
        self.problem: Exception | None = None

    def answer(self, *, duplicate: bool) -> Accepted:
        """What its sender is told."""
        batch_id = self.key[-1]
        if duplicate:
            return Accepted(batch_id=batch_id, duplicate=True)
        made = self.made
        return Accepted(
            batch_id=batch_id,
            exposures=len(made.exposures),
            metrics=len(made.metrics),
            changes=len(made.changes),
            refused=made.refused,
        )


_CLAIM = """
INSERT INTO batches
SELECT unnest($project::VARCHAR[]), unnest($environment::VARCHAR[]), unnest($source::VARCHAR[]),
       unnest($batch_id::VARCHAR[]), unnest($received::BIGINT[])
ON CONFLICT DO NOTHING RETURNING project, environment, source, batch_id"""


def claim(connection: duckdb.DuckDBPyConnection, group: Sequence[Waiting]) -> list[Waiting]:
    """Note the batches' ids, by one statement; those that were not known, each once."""
    first = {each.key: each for each in reversed(group)}
    project, environment, source, batch_id = map(list, zip(*first, strict=True))
    values = {"project": project, "environment": environment, "source": source, "batch_id": batch_id}
    received = [each.received for each in first.values()]
    found = set(connection.execute(_CLAIM, {**values, "received": received}).fetchall())
    return [each for each in group if first[each.key] is each and each.key in found]
