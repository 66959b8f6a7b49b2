"""Experiments: those that run, and every run of a flag. They begin and end by proposals, like any other change."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends

from twokey.domain.identity import Actor, Scope
from twokey.domain.operation.words import clauses_text, serve_text
from twokey.domain.trial import Trial
from twokey.steps import read_experiment
from twokey.steps.read_experiment import Read
from twokey.surfaces.calls import Serves, StrictBodies, check_reach, reads
from twokey.surfaces.http_api.case_views import verdict_view
from twokey.surfaces.http_api.models import ExperimentView, MarkView, PrimaryView

router = APIRouter(
    prefix="/projects/{project}/environments/{environment}", tags=["experiments"], route_class=StrictBodies
)


def _reader(project: str, environment: str, actor: Annotated[Actor, reads(Scope.EVIDENCE_READ)]) -> None:
    check_reach(actor, project, environment)


@router.get("/experiments", dependencies=[Depends(_reader)])
def list_running(project: str, environment: str, services: Serves) -> list[ExperimentView]:
    """The experiments that run, by flag, with what each has shown so far."""
    found = read_experiment.running(services.store, services.telemetry, project, environment)
    return [_view(each) for each in found]


@router.get("/flags/{key}/experiments", dependencies=[Depends(_reader)])
def list_of_flag(project: str, environment: str, key: str, services: Serves) -> list[ExperimentView]:
    """Every run of a flag's experiments, the newest first."""
    found = read_experiment.of_flag(services.store, services.telemetry, project, environment, key)
    return [_view(each) for each in found]


def _view(read: Read) -> ExperimentView:
    trial, outcome = read.trial, read.outcome
    experiment = trial.experiment
    audience, split = _asked(trial)
    primary = experiment.primary
    return ExperimentView(
        key=experiment.key,
        flag=read.flag,
        hypothesis=experiment.hypothesis,
        candidate=experiment.candidate,
        baseline=trial.begun.flag.baseline,
        rule=experiment.rule,
        audience=audience,
        split=split,
        primary=PrimaryView(
            metric=primary.metric,
            kind=primary.kind.value,  # type: ignore[arg-type]
            better=primary.better.value,
            limit=primary.limit,
            title=primary.title,
            unit_label=primary.unit_label,
            denominator=primary.denominator,
        ),
        ends=experiment.ends,
        began_at=trial.began_at,
        began_by=trial.began_by,
        ended_at=trial.ended_at,
        finding=outcome.finding.value,
        advice=outcome.advice.value,
        sentence=outcome.sentence,
        because=outcome.because,
        interval=None if outcome.interval is None else list(outcome.interval),
        alpha=outcome.alpha,
        verdict=verdict_view(outcome.primary),
        guardrails=[verdict_view(each) for each in outcome.guardrails],
        marks=[MarkView.model_validate(msgspec.structs.asdict(each)) for each in outcome.marks],
    )


def _asked(trial: Trial) -> tuple[str, str]:
    """Who was asked and how they were split when it began, in words."""
    flag, rule = trial.begun.flag, trial.experiment.rule
    mine = flag.rule(rule) if rule is not None else None
    if mine is None:
        return "everybody whom no rule serves", serve_text(flag.otherwise)
    return clauses_text(mine.clauses), serve_text(mine.serve)
