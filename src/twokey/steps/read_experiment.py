"""Read what experiments have shown: each run of a flag, with its figures, its marks and what to do. Reads only.

Rule: a run that has ended is judged by what was assigned in it, up to its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from twokey.domain.experiment import ALPHA, Mark, Outcome, conclude
from twokey.domain.guardrail import Verdict, judge
from twokey.domain.telemetry import Scope, StagePlan, Telemetry, Window
from twokey.domain.trial import Trial, trials
from twokey.ports import FlagVersion, Store, UnitOfWork
from twokey.steps.see_guardrails import see

VERSIONS = 1_000


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One run and what came of it so far."""

    flag: str
    trial: Trial
    outcome: Outcome


def of_flag(store: Store, telemetry: Telemetry, project: str, environment: str, flag: str) -> tuple[Read, ...]:
    """Every run of a flag's experiments, the newest first."""
    with store.read() as uow:
        uow.flags.state(project, environment).control(flag)
        versions = uow.flags.versions(project, environment, flag, limit=VERSIONS)
        found = [(each, _marks(uow, each)) for each in trials(versions)]
        now = uow.now
    scope = Scope(project=project, environment=environment, flag=flag)
    return tuple(_read(telemetry, scope, versions, trial, marks, now) for trial, marks in reversed(found))


def running(store: Store, telemetry: Telemetry, project: str, environment: str) -> tuple[Read, ...]:
    """Every experiment that runs in an environment, by flag."""
    with store.read() as uow:
        controls = uow.flags.state(project, environment).controls
        flags = sorted(key for key, each in controls.items() if each.experiment is not None and not each.archived)
    return tuple(of_flag(store, telemetry, project, environment, flag)[0] for flag in flags)


def _marks(uow: UnitOfWork, trial: Trial) -> tuple[Mark, ...]:
    return tuple(
        Mark(at=each.at, what=each.what, change=each.change, justification=_justification(uow, each.change))
        for each in trial.edits
    )


def _justification(uow: UnitOfWork, change_id: str) -> str:
    change = uow.changes.find(change_id)
    proposal = uow.proposals.find(change.proposal) if change is not None and change.proposal else None
    return proposal.justification if proposal else ""


def _read(
    telemetry: Telemetry,
    scope: Scope,
    versions: Sequence[FlagVersion],
    trial: Trial,
    marks: tuple[Mark, ...],
    now: datetime,
) -> Read:
    until, plans = trial.ended_at or now, trial.plans(versions)
    seen = see(
        telemetry,
        scope,
        trial.present,
        plans,
        since=trial.began_at,
        now=until,
        candidate=trial.experiment.candidate,
    )
    primary = _primary(telemetry, scope, trial, plans, until)
    outcome = conclude(trial.experiment, primary, seen.verdicts(range(len(plans))), marks, until)
    return Read(flag=trial.present.key, trial=trial, outcome=outcome)


def _primary(telemetry: Telemetry, scope: Scope, trial: Trial, plans: Sequence[StagePlan], until: datetime) -> Verdict:
    watched = trial.experiment.primary.watched()
    baseline, candidate = trial.begun.flag.baseline, trial.experiment.candidate
    arms = telemetry.arms(
        scope, watched, plans, baseline=baseline, candidate=candidate, window=Window(until=until)
    ) if plans else ()  # fmt: skip
    return judge(watched, arms, alpha=ALPHA / 2)
