"""A batch on its way into the store."""

from __future__ import annotations

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
