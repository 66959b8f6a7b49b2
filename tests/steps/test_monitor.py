"""A guardrail that is breached raises a signal of our own: a case opens without an alert. Nothing moves by itself."""

from __future__ import annotations

import pytest
from duckdb import DuckDBPyConnection

from tests.support.world import ENVIRONMENT, FLAG, PRESENT, PROJECT, World
from twokey.adapters.telemetry import accounts
from twokey.adapters.telemetry.ledger import Account, Question
from twokey.domain.case import Case, CaseStatus
from twokey.domain.drafting import Draft
from twokey.domain.job import JobKind
from twokey.domain.operation import SetEnabled
from twokey.domain.signal import Signal, SignalStatus
from twokey.domain.telemetry import Window
from twokey.steps.check_evidence import check
from twokey.steps.draft_proposal import draft
from twokey.steps.monitor_guardrails import look
from twokey.steps.review_proposal import approve
from twokey.wiring import jobs_of


def watch(world: World) -> None:
    """One look of the clock's, and whatever the workers do then."""
    jobs_of(world.store, world.telemetry, monitor=60.0)[JobKind.MONITOR_GUARDRAILS]("timer")
    world.work()


def signals(world: World) -> tuple[Signal, ...]:
    with world.store.read() as uow:
        return uow.signals.where(limit=10)


def cases(world: World) -> tuple[Case, ...]:
    with world.store.read() as uow:
        return uow.cases.where(limit=10)


def harmed(world: World) -> None:
    world.clock.forward(minutes=31)
    world.traffic(3000, slow=0.04, slow_candidate=0.35)


def test_a_breach_opens_a_case_that_is_triaged_and_drafted_for_and_nothing_moves(any_world: World) -> None:
    harmed(any_world)
    watch(any_world)
    names = {each.alert.fingerprint for each in signals(any_world)}
    assert names == {f"{FLAG}/p95_latency", f"{FLAG}/manual_correction_rate"}
    (case,) = cases(any_world)
    assert case.status is CaseStatus.ACTING
    with any_world.store.read() as uow:
        (proposal,) = uow.proposals.where(limit=5)
        assert uow.jobs.waiting(), "the clock looks again"
    assert proposal.case == case.id
    assert any_world.revision == 1


def test_however_often_it_looks_there_is_one_signal_of_a_breach(world: World) -> None:
    harmed(world)
    for _ in range(3):
        watch(world)
        world.clock.forward(minutes=1)
    assert len(signals(world)) == 2
    assert len(cases(world)) == 1
    assert len(world.audit("signal.receive")) == 2


def test_it_ends_when_nothing_is_split_any_more_and_another_breach_is_another_signal(world: World) -> None:
    harmed(world)
    watch(world)
    off = Draft(
        project=PROJECT, environment=ENVIRONMENT, operations=(SetEnabled(flag=FLAG, enabled=False),), reason="stop it"
    )
    proposal = draft(world.store, world.telemetry, world.viewer, off)
    for person in (world.ines, world.mara):
        approve(world.store, person, proposal.id, proposal.digest, PRESENT)
    world.clock.forward(minutes=1)
    watch(world)
    assert all(each.resolved_at is not None for each in signals(world))
    assert {each.alert.status for each in signals(world)} == {SignalStatus.RESOLVED}
    assert look(world.store, world.telemetry) == ()


def test_where_nothing_is_harmed_or_measured_it_says_nothing(world: World) -> None:
    assert look(world.store, world.telemetry) == ()
    world.clock.forward(minutes=31)
    world.traffic(3000)
    watch(world)
    assert signals(world) == ()


def test_who_looks_after_the_monitor_waits_for_no_reading_of_everything(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look ever reads everything: it is the monitor's, and people ask the same question."""
    read: list[Question] = []
    whole = accounts.whole

    def counted(cursor: DuckDBPyConnection, question: Question, window: Window, arrival: int) -> Account:
        read.append(question)
        return whole(cursor, question, window, arrival)

    monkeypatch.setattr(accounts, "whole", counted)
    harmed(world)
    look(world.store, world.telemetry)
    assert len(read) == 1
    watch(world)
    (case,) = cases(world)
    assert check(world.store, world.telemetry, case.id).verdicts
    assert [each for each in read[1:] if each.line == read[0].line] == []


def test_without_a_monitor_the_clock_looks_no_further(world: World) -> None:
    harmed(world)
    jobs_of(world.store, world.telemetry)[JobKind.MONITOR_GUARDRAILS]("timer")
    assert signals(world) == ()
    with world.store.read() as uow:
        assert not [each for each in uow.jobs.waiting() if each.kind is JobKind.MONITOR_GUARDRAILS]
