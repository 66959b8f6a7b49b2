"""Flag state: environments, what stands in them now, and every version that was ever published.

Rules kept here:
- an environment's revision moves by compare-and-set, one at a time, so no publish overwrites another;
- a publish touches the rows of what differs and no other; each is stamped with the environment's new revision, which
  so rises with every edit of that object and leads straight to the publish that made it;
- each publish leaves a version of each object it touched (a tombstone for one that is gone), so that the state at any
  earlier revision can be built again;
- what this process has read before is not read again: the next state is the last one and the versions since. A
  database that is put back to an earlier day is for processes that start afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, insert, select, update

from twokey.adapters.sql.objects import Publish, SqlObjects
from twokey.adapters.sql.stored import copy, parse_moment, read, write
from twokey.adapters.sql.tables import control_versions, controls, environments, segment_versions, segments
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.control import Control, State
from twokey.domain.errors import Conflict, NotFound
from twokey.domain.policy import Environment
from twokey.domain.stamps import CONTROL_STAMPS, SEGMENT_STAMPS
from twokey.engine.flag import Segment
from twokey.ports import FlagVersion

Known = dict[tuple[str, str], State]
"""The state of each environment as this process read it last. Values are replaced whole, never edited."""


class SqlFlags:
    """Environments and the flag state in them, inside one transaction."""

    def __init__(self, transaction: Transaction, known: Known) -> None:
        self._transaction, self._known, self._wrote = transaction, known, False
        self._controls = SqlObjects(transaction, Control, CONTROL_STAMPS, controls, control_versions)
        self._segments = SqlObjects(transaction, Segment, SEGMENT_STAMPS, segments, segment_versions)

    def environments(self) -> tuple[Environment, ...]:
        """All environments, by project and key."""
        query = select(environments.c.document).order_by(environments.c.project, environments.c.key)
        return tuple(read(row.document, Environment) for row in self._transaction.rows(query))

    def environment(self, project: str, key: str) -> Environment:
        """How one environment is governed; raises NotFound."""
        row = self._transaction.first(select(environments.c.document).where(_of(project, key)))
        if row is None:
            raise NotFound("environment", f"{project}/{key}")
        return read(row.document, Environment)

    def put_environment(self, environment: Environment) -> None:
        """Create (at revision 0) or replace."""
        document = write(environment)
        found = _of(environment.project, environment.key)
        if self._transaction.write(update(environments).where(found).values(document=document)) == 0:
            row = {"project": environment.project, "key": environment.key, "revision": 0, "document": document}
            self._transaction.write(insert(environments).values(**row))

    def revision(self, project: str, environment: str) -> int:
        """The revision that is published now; raises NotFound."""
        row = self._transaction.first(select(environments.c.revision).where(_of(project, environment)))
        if row is None:
            raise NotFound("environment", f"{project}/{environment}")
        return int(row.revision)

    def state(self, project: str, environment: str) -> State:
        """The state now; raises NotFound. Inside a writing transaction it cannot move until that ends."""
        revision = self.revision(project, environment)
        known = self._known.get((project, environment))
        if known is not None and known.revision == revision and not self._wrote:
            return known
        state = self._read_state(project, environment, revision, known)
        if not self._wrote:  # what this transaction wrote may yet be rolled back
            self._known[project, environment] = state
        return state

    def _read_state(self, project: str, environment: str, revision: int, known: State | None) -> State:
        here = (project, environment)
        if known is None or known.revision > revision or self._wrote:
            found, segments = self._controls.now(*here), self._segments.now(*here)
        else:
            found = self._controls.since(known.controls, *here, known.revision)
            segments = self._segments.since(known.segments, *here, known.revision)
        return State(project=project, environment=environment, revision=revision, controls=found, segments=segments)

    def state_at(self, project: str, environment: str, revision: int) -> State:
        """The state as an earlier revision published it; raises NotFound for one that was never published."""
        if not 0 <= revision <= self.revision(project, environment):
            raise NotFound("revision", f"{revision} of {project}/{environment}")
        return State(
            project=project,
            environment=environment,
            revision=revision,
            controls=self._controls.at(project, environment, revision),
            segments=self._segments.at(project, environment, revision),
        )

    def write(self, before: State, after: State, change: str, at: datetime) -> State:
        """Store what differs as revision `before.revision + 1`; stamps the revisions and digests of what differs.

        `before` is the state that this transaction read. Raises Conflict where its revision is not the published one.
        """
        self._wrote = True
        published = Publish(before.project, before.environment, self._advance(before), change, at)
        return State(
            project=before.project,
            environment=before.environment,
            revision=published.revision,
            controls=self._controls.publish(before.controls, after.controls, published),
            segments=self._segments.publish(before.segments, after.segments, published),
        )

    def versions(self, project: str, environment: str, flag: str, limit: int = 100) -> tuple[FlagVersion, ...]:
        """The versions of a flag, newest first; none where there never was such a flag."""
        return tuple(_version(row) for row in self._controls.history(project, environment, flag, limit))

    def histories(self, project: str, environment: str, flags: Sequence[str]) -> dict[str, tuple[FlagVersion, ...]]:
        """All versions of each of these flags, newest first."""
        found: dict[str, list[FlagVersion]] = {key: [] for key in flags}
        for row in self._controls.histories(project, environment, flags):
            found[row.key].append(_version(row))
        return {key: tuple(versions) for key, versions in found.items()}

    def edited(self, project: str, environment: str, since: datetime, until: datetime) -> dict[str, datetime]:
        """When each flag that was edited in that time was last edited in it."""
        found = self._controls.edited(project, environment, since, until)
        return {row.key: parse_moment(row.at) for row in found}

    def _advance(self, before: State) -> int:
        """Take the next revision, if the one before it is still the published one."""
        found = and_(_of(before.project, before.environment), environments.c.revision == before.revision)
        new = before.revision + 1
        if self._transaction.write(update(environments).where(found).values(revision=new)) == 0:
            now = self.revision(before.project, before.environment)
            raise Conflict(
                f"{before.project}/{before.environment} is at revision {now}, not {before.revision}",
                remedy="read the state again and draft on it",
            )
        return new


def _of(project: str, key: str) -> ColumnElement[bool]:
    return and_(environments.c.project == copy(project), environments.c.key == copy(key))


def _version(row: Row[Any]) -> FlagVersion:
    return FlagVersion(
        flag=row.key,
        revision=row.revision,
        environment_revision=row.revision,
        at=parse_moment(row.at),
        change=row.change,
        control=None if row.document is None else read(row.document, Control),
    )
