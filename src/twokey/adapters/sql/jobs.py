"""The jobs table: work left behind by a transaction, done by whoever holds its lease.

Rules kept here:
- a job is claimed in one statement and its attempt counted with it; what another claimant has locked is passed over;
- `complete` and `postpone` are fenced by owner and attempt: who lost the lease to somebody else gets a Conflict, and
  the transaction that holds the effect falls with it, so each effect stands once;
- among jobs that are not done, kind and key are unique. Asked for again while it *runs*, a job is put in line once more
  when it completes: the run under way may have looked too early. So asking is never lost;
- a job of a kind that this version does not know is left for the version that does; it holds nobody up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, insert, or_, select, update

from twokey.adapters.sql.stored import copy, moment, parse_moment
from twokey.adapters.sql.tables import jobs
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.errors import Conflict
from twokey.domain.job import Job, JobKind
from twokey.ports import Ids

_UNDONE = jobs.c.done_at.is_(None)
_KNOWN = jobs.c.kind.in_([str(each) for each in JobKind])
_FREE: dict[str, Any] = {"owner": None, "lease_until": None, "again_at": None}


class SqlJobs:
    """The jobs, inside one transaction."""

    def __init__(self, transaction: Transaction, ids: Ids) -> None:
        self._transaction, self._ids = transaction, ids

    def enqueue(self, kind: JobKind, subject: str, run_at: datetime, key: str = "") -> None:
        """Ask for work once: a job of the same kind and key (default: the subject) that waits is left as it is."""
        key = key or subject
        same = and_(_UNDONE, jobs.c.kind == str(kind), jobs.c.key == copy(key))
        row = self._transaction.first(select(jobs).where(same))
        if row is None:
            self._insert(str(kind), str(copy(subject)), str(copy(key)), moment(run_at))
        elif row.owner is not None:
            again_at = min(moment(run_at), row.again_at or moment(run_at))
            self._transaction.write(update(jobs).where(jobs.c.seq == row.seq).values(again_at=again_at))

    def claim(self, owner: str, now: datetime, lease: timedelta) -> Job | None:
        """The next job that is due, leased to `owner`; also one whose lease ran out. Its attempt has been counted."""
        free = or_(jobs.c.lease_until.is_(None), jobs.c.lease_until <= moment(now))
        due = select(jobs.c.seq).where(_UNDONE, _KNOWN, jobs.c.run_at <= moment(now), free)
        chosen = due.order_by(jobs.c.run_at, jobs.c.seq).limit(1).with_for_update(skip_locked=True).scalar_subquery()
        taken = {"owner": copy(owner), "lease_until": moment(now + lease), "attempt": jobs.c.attempt + 1}
        row = self._transaction.write_returning(
            update(jobs).where(jobs.c.seq == chosen).values(**taken).returning(*jobs.c)
        )
        return None if row is None else _job(row)

    def complete(self, job: Job) -> None:
        """Mark done; raises Conflict where the lease went to somebody else (then the transaction must not commit)."""
        row = self._transaction.first(select(jobs).where(_held(job)))
        self._fenced(job, {"done_at": moment(self._transaction.now)} | _FREE)
        if row is not None and row.again_at is not None:
            self._insert(row.kind, row.subject, row.key, row.again_at)

    def postpone(self, job: Job, run_at: datetime, problem: str) -> None:
        """Give a job back after a failure, to be tried again later; fenced like `complete`."""
        self._fenced(job, {"run_at": moment(run_at), "problem": copy(problem)} | _FREE)

    def waiting(self) -> tuple[Job, ...]:
        """Jobs that are not done, in the order they are due."""
        query = select(jobs).where(_UNDONE, _KNOWN).order_by(jobs.c.run_at, jobs.c.seq)
        return tuple(_job(row) for row in self._transaction.rows(query))

    def _insert(self, kind: str, subject: str, key: str, run_at: str) -> None:
        row = {"id": self._ids("job"), "kind": kind, "subject": subject, "key": key, "run_at": run_at}
        self._transaction.write(insert(jobs).values(**row, attempt=0, problem=""))

    def _fenced(self, job: Job, values: dict[str, Any]) -> None:
        if self._transaction.write(update(jobs).where(_held(job)).values(**values)) == 0:
            raise Conflict(
                f"job `{job.id}` is no longer leased to `{job.owner}` (attempt {job.attempt})",
                remedy="what this attempt did must not stand; whoever holds the job now does it",
            )


def _held(job: Job) -> ColumnElement[bool]:
    """Still undone, and held by this very attempt."""
    return and_(jobs.c.id == job.id, _UNDONE, jobs.c.owner == copy(job.owner), jobs.c.attempt == job.attempt)


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=JobKind(row.kind),
        subject=row.subject,
        key=row.key,
        run_at=parse_moment(row.run_at),
        attempt=row.attempt,
        owner=row.owner,
        lease_until=None if row.lease_until is None else parse_moment(row.lease_until),
        problem=row.problem,
    )
