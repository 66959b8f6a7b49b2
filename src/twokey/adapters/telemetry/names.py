"""Which metrics have ever arrived: that one never did is known without looking through all that arrived.

Rules kept here:
- a name is noted before its rows can be read, and is never forgotten: it says *may have*, and the rows say whether;
- where more names arrive than are worth keeping, every metric may have arrived.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb

from twokey.adapters.telemetry.rows import Row
from twokey.domain.telemetry import Scope

MOST = 100_000
"""Names that are kept in memory."""
_KNOWN = "SELECT DISTINCT project, environment, metric FROM metrics LIMIT $most"


class Names:
    """The metrics of one store, by project and environment."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._known: set[Sequence[object]] = set(connection.execute(_KNOWN, {"most": MOST + 1}).fetchall())

    def note(self, batches: Iterable[Sequence[Row]]) -> None:
        """Note the metrics of rows that are about to be written."""
        for rows in batches:
            self._known.update({row[:3] for row in rows})
        if len(self._known) > MOST:
            self._known = set(list(self._known)[: MOST + 1])

    def may_have(self, scope: Scope, metric: str) -> bool:
        """Whether rows of this metric may be there."""
        known = self._known
        return len(known) > MOST or (scope.project, scope.environment, metric) in known
