"""See what the guardrails of one flag say, stage by stage: the figures are read once, verdicts given over any stages.

Rules kept here:
- arms are compared by assignment within rule and stage; a guardrail by query is asked where it is measured;
- a query is judged from the moment on that the asker names, with a quarter of an hour before it for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from twokey.domain.control import Control
from twokey.domain.guardrail import (
    Guardrail,
    GuardrailKind,
    StageArms,
    Verdict,
    alpha_by_guardrail,
    judge,
    judge_query,
)
from twokey.domain.stages import with_fallback
from twokey.domain.telemetry import Scope, StagePlan, Telemetry, Window

BEFORE = timedelta(minutes=15)
FURTHEST = timedelta(hours=1)
"""How far back the judged readings of a query reach."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was read of a flag's guardrails, the built-in one on fallbacks included."""

    guardrails: tuple[Guardrail, ...]
    figures: dict[str, tuple[StageArms, ...]]
    asked: dict[str, Verdict]

    def verdicts(self, stages: Sequence[int]) -> tuple[Verdict, ...]:
        """One verdict a guardrail over these stages, by their number among the plans; over none, those by query."""
        alphas = alpha_by_guardrail(self.guardrails)
        found: list[Verdict] = []
        for each in self.guardrails:
            if each.key in self.asked:
                found.append(self.asked[each.key])
            elif stages:
                arms = self.figures[each.key]
                found.append(judge(each, [arms[number] for number in stages], alpha=alphas[each.key]))
        return tuple(found)

    def arms(self, stage: int) -> StageArms | None:
        """Both arms of one stage, as exposed; nothing where no guardrail compares them."""
        return next((arms[stage] for arms in self.figures.values()), None)


def see(
    telemetry: Telemetry,
    scope: Scope,
    control: Control,
    plans: Sequence[StagePlan],
    *,
    since: datetime,
    now: datetime,
    candidate: str | None = None,
) -> Seen:
    """Read a flag's guardrails as they are at `now`; queries are judged from `since` on."""
    watched = with_fallback(control.guardrails)
    compared = [each for each in watched if each.kind is not GuardrailKind.QUERY]
    baseline, window = control.flag.baseline, Window(until=now)
    figures = (
        telemetry.arms_of_all(scope, compared, plans, baseline=baseline, candidate=candidate, window=window)
        if plans and compared
        else [() for _ in compared]
    )
    return Seen(
        guardrails=watched,
        figures={each.key: arms for each, arms in zip(compared, figures, strict=True)},
        asked={
            each.key: ask(telemetry, scope, each, since, now) for each in watched if each.kind is GuardrailKind.QUERY
        },
    )


def ask(telemetry: Telemetry, scope: Scope, guardrail: Guardrail, since: datetime, now: datetime) -> Verdict:
    """The verdict of a guardrail by query."""
    start = max(since, now - FURTHEST)
    readings = telemetry.readings(scope, guardrail, window=Window(since=start - BEFORE, until=now))
    return judge_query(guardrail, readings, start, now)
