"""Work left behind is done, each effect once, whoever dies on the way."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.adapters.sql import samples
from tests.support import processes
from tests.support.stores import Stopwatch
from tests.support.threads import in_threads
from twokey.adapters.sql import SqlStore
from twokey.adapters.system import new_id
from twokey.domain.errors import Conflict
from twokey.domain.job import Job, JobKind

LEASE = timedelta(seconds=30)
CHECK = JobKind.CHECK_EVIDENCE


def enqueue(store: SqlStore, subject: str, after: timedelta = timedelta(), key: str = "") -> None:
    with store.begin() as uow:
        uow.jobs.enqueue(CHECK, subject, uow.now + after, key)


def claim(store: SqlStore, owner: str = "worker-1") -> Job | None:
    with store.begin() as uow:
        return uow.jobs.claim(owner, uow.now, LEASE)


def claimed(store: SqlStore, owner: str = "worker-1") -> Job:
    job = claim(store, owner)
    assert job is not None
    return job


def complete(store: SqlStore, job: Job) -> None:
    """The effect of a job and its completion, in one transaction."""
    with store.begin() as uow:
        uow.audit.append(samples.happening(job.subject))
        uow.jobs.complete(job)


def effects(store: SqlStore) -> Counter[str]:
    with store.read() as uow:
        return Counter(each.happening.subject for each in uow.audit.entries())


def waiting(store: SqlStore) -> tuple[Job, ...]:
    with store.read() as uow:
        return uow.jobs.waiting()


def test_a_job_is_claimed_done_and_gone(store: SqlStore, clock: Stopwatch) -> None:
    enqueue(store, "case-1")
    job = claimed(store)
    expected = Job(id=job.id, kind=CHECK, subject="case-1", key="case-1", run_at=clock.now, attempt=1, owner="worker-1")
    assert (job, job.lease_until) == (_leased(expected, clock.now + LEASE), clock.now + LEASE)
    assert claim(store) is None
    complete(store, job)
    clock.forward(days=1)
    assert claim(store) is None
    assert waiting(store) == ()


def _leased(job: Job, until: datetime) -> Job:
    return Job(**{name: getattr(job, name) for name in job.__struct_fields__} | {"lease_until": until})


def test_jobs_come_when_they_are_due_and_the_longest_due_first(store: SqlStore, clock: Stopwatch) -> None:
    enqueue(store, "later", timedelta(minutes=2))
    enqueue(store, "sooner", timedelta(minutes=1))
    enqueue(store, "at the same time", timedelta(minutes=1))
    assert claim(store) is None
    assert [each.subject for each in waiting(store)] == ["sooner", "at the same time", "later"]
    clock.forward(minutes=5)
    assert [claimed(store).subject for _ in range(3)] == ["sooner", "at the same time", "later"]


def test_a_job_that_was_asked_for_in_a_transaction_that_failed_was_never_asked_for(store: SqlStore) -> None:
    def fail() -> None:
        with store.begin() as uow:
            uow.jobs.enqueue(CHECK, "case-1", uow.now)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert claim(store) is None


def test_asked_for_twice_it_stands_once_as_first_asked(store: SqlStore, clock: Stopwatch) -> None:
    enqueue(store, "case-1", timedelta(minutes=1))
    enqueue(store, "case-1", timedelta(minutes=9))
    assert [each.run_at for each in waiting(store)] == [clock.now + timedelta(minutes=1)]


def test_other_kinds_and_keys_are_other_jobs(store: SqlStore) -> None:
    with store.begin() as uow:
        uow.jobs.enqueue(CHECK, "case-1", uow.now)
        uow.jobs.enqueue(CHECK, "case-1", uow.now, key="case-1/answers")
        uow.jobs.enqueue(JobKind.TRIAGE_CASE, "case-1", uow.now)
    assert len(waiting(store)) == 3


def test_what_is_done_can_be_asked_for_again(store: SqlStore) -> None:
    enqueue(store, "case-1")
    first = claimed(store)
    complete(store, first)
    enqueue(store, "case-1")
    assert claimed(store).id != first.id


def test_asked_for_while_it_runs_it_runs_once_more(store: SqlStore, clock: Stopwatch) -> None:
    """The run under way may have looked too early, so the asking is not lost; and the job cannot hold itself up."""
    enqueue(store, "case-1")
    job = claimed(store)
    enqueue(store, "case-1", timedelta(minutes=9))
    enqueue(store, "case-1", timedelta(minutes=5))
    enqueue(store, "case-1", timedelta(minutes=7))
    assert claim(store) is None
    complete(store, job)
    assert [(each.run_at, each.attempt) for each in waiting(store)] == [(clock.now + timedelta(minutes=5), 0)]
    clock.forward(minutes=5)
    complete(store, claimed(store))
    assert waiting(store) == ()


def test_a_job_may_ask_for_itself_before_or_after_it_completes(store: SqlStore) -> None:
    enqueue(store, "case-1")
    for first in ("enqueue", "complete"):
        job = claimed(store)
        with store.begin() as uow:
            if first == "enqueue":
                uow.jobs.enqueue(CHECK, "case-1", uow.now)
            uow.jobs.complete(job)
            if first == "complete":
                uow.jobs.enqueue(CHECK, "case-1", uow.now)
        assert len(waiting(store)) == 1


def test_a_lease_that_ran_out_goes_to_the_next_and_its_attempt_is_counted(store: SqlStore, clock: Stopwatch) -> None:
    enqueue(store, "case-1")
    claimed(store, "worker-1")
    clock.forward(seconds=29)
    assert claim(store, "worker-2") is None
    clock.forward(seconds=1)
    job = claimed(store, "worker-2")
    assert (job.owner, job.attempt) == ("worker-2", 2)


@pytest.mark.parametrize("other", ["worker-2", "worker-1"])
def test_who_lost_the_lease_cannot_complete_and_leaves_no_effect(store: SqlStore, clock: Stopwatch, other: str) -> None:
    """Also when it lost the lease to itself: the attempt tells the runs apart."""
    enqueue(store, "case-1")
    lost = claimed(store, "worker-1")
    clock.forward(seconds=31)
    held = claimed(store, other)
    with pytest.raises(Conflict, match=r"is no longer leased to `worker-1` \(attempt 1\)"):
        complete(store, lost)
    with pytest.raises(Conflict, match="is no longer leased"), store.begin() as uow:
        uow.jobs.postpone(lost, uow.now, "too late")
    assert effects(store) == {}
    complete(store, held)
    with pytest.raises(Conflict):
        complete(store, held)
    assert effects(store) == {"case-1": 1}


def test_a_late_worker_still_completes_what_nobody_took(store: SqlStore, clock: Stopwatch) -> None:
    enqueue(store, "case-1")
    job = claimed(store)
    clock.forward(hours=1)
    complete(store, job)
    assert effects(store) == {"case-1": 1}


def test_a_failed_job_comes_back_later_with_its_reason(store: SqlStore, clock: Stopwatch) -> None:
    enqueue(store, "case-1")
    job = claimed(store)
    with store.begin() as uow:
        uow.jobs.postpone(job, uow.now + timedelta(minutes=1), "ZeroDivisionError: \0")
    assert claim(store) is None
    assert [each.problem for each in waiting(store)] == ["ZeroDivisionError: \N{REPLACEMENT CHARACTER}"]
    clock.forward(minutes=1)
    assert claimed(store).attempt == 2


def test_a_locked_job_is_passed_over(postgresql_url: str, open_store: Callable[[str], SqlStore]) -> None:
    """On PostgreSQL somebody may hold a row outside of the writers' turns: nobody waits for them."""
    store = open_store(postgresql_url)
    enqueue(store, "case-1")
    enqueue(store, "case-2")
    with store.engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM jobs WHERE subject = 'case-1' FOR UPDATE")
        assert claimed(store).subject == "case-2"
    assert claimed(store).subject == "case-1"


def test_workers_that_wander_off_at_random_do_each_effect_once(store: SqlStore, clock: Stopwatch) -> None:
    """Four threads; a third of the claims are abandoned, and some of the abandoned are completed late."""
    jobs = [f"case-{number}" for number in range(60)]
    for each in jobs:
        enqueue(store, each)
    refused = threading.Semaphore(0)

    def work(owner: str) -> None:
        chance, abandoned = random.Random(owner), list[Job]()
        while waiting(store):
            job = claim(store, owner)
            if job is None:
                clock.forward(seconds=10)
            elif chance.random() < 0.35:
                abandoned.append(job)
            else:
                _try(job)
            for late in [abandoned.pop(0)] if abandoned and chance.random() < 0.3 else []:
                _try(late)

    def _try(job: Job) -> None:
        try:
            complete(store, job)
        except Conflict:
            refused.release()

    in_threads(work, "worker-1", "worker-2", "worker-3", "worker-4")
    assert effects(store) == dict.fromkeys(jobs, 1)
    assert refused.acquire(blocking=False), "nobody ever lost a lease: the test shows nothing"


def test_killed_workers_do_each_effect_once(store_url: str, open_store: Callable[[str], SqlStore]) -> None:
    """Two processes at a time, each killed at some point between claim and commit, until all is done."""
    look = open_store(store_url)
    jobs = [f"case-{number}" for number in range(30)]
    for each in jobs:
        enqueue(look, each)

    def work(name: str) -> None:
        started = datetime.now(UTC)
        mine = SqlStore(store_url, lambda: samples.AT + 100 * (datetime.now(UTC) - started), new_id)
        steps = iter(range(random.Random(name).randint(1, 12)))
        while waiting(mine):
            job = claim(mine, name)
            if job is None:
                continue
            _next_or_die(steps)
            with mine.begin() as uow:
                uow.audit.append(samples.happening(job.subject))
                _next_or_die(steps)
                uow.jobs.complete(job)
                _next_or_die(steps)
            _next_or_die(steps)

    ends: list[int] = []
    for round_ in range(100):
        children = [processes.start(work, f"{side}-{round_}") for side in "ab"]
        ends += [processes.wait(child) for child in children]
        if not waiting(look):
            break
    assert effects(look) == dict.fromkeys(jobs, 1)
    assert ends.count(processes.KILLED) > 5


def _next_or_die(steps: Iterator[int]) -> None:
    if next(steps, None) is None:
        processes.die()
