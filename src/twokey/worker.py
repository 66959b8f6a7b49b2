"""Does the jobs that steps leave behind: one after the other, under a lease, until it is stopped.

Rules kept here:
- a job's effect is its step's own transaction; completing it is fenced, so that work whose lease went is not counted;
- steps are safe to run twice, so a crash between effect and completion repeats the job harmlessly;
- what fails is tried again later, with the reason on the job. After `TRIES` that is on record, and tried once an hour
  from then on: nothing is dropped, and nothing fails in silence;
- what a step refuses will not be done by trying again: the refusal is on record, and the job is over.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from twokey.domain.audit import Happening, Outcome
from twokey.domain.errors import Conflict, Invalid, NotFound, Refused
from twokey.domain.identity import ANALYST, SCHEDULE, SYSTEM
from twokey.domain.job import Job, JobKind
from twokey.ports import Clock, Store, UnitOfWork
from twokey.steps.record_refusal import Attempt, case_of, record

LEASE = timedelta(seconds=60)
TRIES = 8
RARELY = timedelta(hours=1)
PAUSE = 0.2
"""Seconds between looks when nothing is due."""
log = logging.getLogger(__name__)
Work = Callable[[str], object]
_ACTORS = {JobKind.DRAFT_PROPOSAL: ANALYST, JobKind.APPLY_SCHEDULED: SCHEDULE}


class Worker:
    """Runs jobs on a thread of its own."""

    def __init__(self, store: Store, clock: Clock, work: Mapping[JobKind, Work], owner: str) -> None:
        self._store, self._clock, self._work, self._owner = store, clock, work, owner
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"worker-{owner}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the job at hand and end."""
        self._stop.set()
        if self._thread.ident is not None:  # it was begun
            self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                busy = self.step()
            except Exception:  # the database may be away for a while: go on looking
                log.exception("the worker could not look for jobs")
                busy = False
            if not busy:
                self._stop.wait(PAUSE)

    def step(self) -> bool:
        """Do one job that is due; whether there was one."""
        with self._store.begin() as uow:
            job = uow.jobs.claim(self._owner, self._clock(), LEASE)
        if job is None:
            return False
        try:
            self._work[job.kind](job.subject)
        except (Conflict, NotFound) as error:
            log.info("job %s on %s has nothing left to do: %s", job.kind, job.subject, error)
            self._complete(job)
        except (Refused, Invalid) as error:
            log.warning("job %s on %s was refused: %s", job.kind, job.subject, error)
            self._refused(job, error)
            self._complete(job)
        except Exception as error:
            log.exception("job %s on %s failed", job.kind, job.subject)
            self._postpone(job, error)
        else:
            self._complete(job)
        return True

    def _complete(self, job: Job) -> None:
        try:
            with self._store.begin() as uow:
                uow.jobs.complete(job)
        except Conflict:
            log.warning("the lease of job %s went to somebody else", job.id)

    def _refused(self, job: Job, error: Exception) -> None:
        attempt = Attempt(actor=_ACTORS.get(job.kind, SYSTEM), action=f"refused.{job.kind}", subject=job.subject)
        record(self._store, attempt, error)

    def _postpone(self, job: Job, error: Exception) -> None:
        problem = f"{type(error).__name__}: {error}"[:500]
        wait = timedelta(seconds=min(2.0**job.attempt, 300.0)) if job.attempt < TRIES else RARELY
        try:
            with self._store.begin() as uow:
                uow.jobs.postpone(job, self._clock() + wait, problem)
                if job.attempt == TRIES:
                    uow.audit.append(_failing(uow, job, problem))
        except Conflict:
            log.warning("the lease of job %s went to somebody else", job.id)


def _failing(uow: UnitOfWork, job: Job, problem: str) -> Happening:
    case = case_of(uow, job.subject)
    return Happening(
        action="job.fail",
        subject=job.subject,
        actor=SYSTEM.reference(),
        outcome=Outcome.REFUSED,
        project=case.project if case else "",
        environment=case.environment if case else "",
        case=case.id if case else None,
        detail={"job": str(job.kind), "attempts": job.attempt, "problem": problem},
    )
