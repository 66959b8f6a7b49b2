"""What a finding says beside its suspects: warnings about experiments, and steps of the team's own runbooks.

Rules kept here:
- a metric or guardrail that was changed in the middle of an experiment is warned of, and nothing is drafted about it;
- runbook steps are those of runbooks that name the case; they are repeated with file and line, as foreign text.
"""

from __future__ import annotations

from twokey.domain.finding import RunbookStep
from twokey.domain.runbook import Chosen, Topic, choose
from twokey.domain.triage import facts
from twokey.domain.triage.collected import Collected
from twokey.domain.triage.notebook import Notebook
from twokey.domain.triage.suspicion import Suspicion
from twokey.domain.triage.telling import clock
from twokey.domain.trial import Trial, trials

MOST_WARNINGS = 10
_JUDGED = ("it was judged by", "its guardrails")
"""How the edits begin that change what an experiment is judged by."""


def warnings(collected: Collected, notebook: Notebook) -> tuple[str, ...]:
    """What was changed of running experiments that should have stayed until their end."""
    found = [
        _warning(notebook, observed.flag, trial, index)
        for observed in collected.controls
        for trial in trials(observed.versions)
        if trial.ended_at is None
        for index, edit in enumerate(trial.edits)
        if edit.what.startswith(_JUDGED)
    ]
    return tuple(found[:MOST_WARNINGS])


def _warning(notebook: Notebook, flag: str, trial: Trial, index: int) -> str:
    sheet = facts.experiment(notebook, flag, trial)
    at = sheet.figure(f"edits.{index}.at", f"{flag}: changed in the middle of an experiment", clock)
    what = trial.edits[index].what
    return (
        f"The experiment `{trial.experiment.key}` on `{flag}` runs, and at {at} UTC {what}. Its result is marked; "
        "to change it back, or to keep the change, is for people to decide."
    )


def steps(collected: Collected, notebook: Notebook, top: Suspicion | None) -> tuple[RunbookStep, ...]:
    """The steps of runbooks that speak of the case; of a suspected control where there is one."""
    found = choose(collected.runbooks, _topic(collected, top))
    return tuple(step for each in found for step in _cited(notebook, each))


def _cited(notebook: Notebook, chosen: Chosen) -> list[RunbookStep]:
    sheet, path, made = facts.runbook(notebook, chosen), chosen.runbook.path, []
    for index, (heading, step) in enumerate(chosen.steps):
        sheet.figure(f"steps.{index}.line", f"a step of runbook {path} stands at line")
        made.append(RunbookStep(evidence=sheet.made.id, runbook=path, heading=heading, line=step.line, text=step.text))
    return made


def _topic(collected: Collected, top: Suspicion | None) -> Topic:
    labels = [each.alert.labels for each in collected.signals]
    names = {
        "alert": {each.alert.name for each in collected.signals},
        "workflow": {each["workflow"] for each in labels if "workflow" in each},
    }
    known = frozenset(collected.state.controls)
    if top is None:
        return Topic(names=names, other_flags=known)
    breached = [each.guardrail for each in top.breached]
    names |= {
        "flag": {top.control.key},
        "metric": {name for each in breached for name in (each.key, each.metric)},
        "workflow": names["workflow"] | {top.control.workflow},
    }
    return Topic(names=names, surface=str(top.control.surface), other_flags=known - {top.control.key})
