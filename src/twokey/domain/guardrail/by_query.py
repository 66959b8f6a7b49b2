"""A guardrail that another system measures: its query's readings over time, held against the agreed limit.

Rules kept here:
- readings are aggregates: no unit can be told from another, so there is no test and no error probability; such a
  verdict always says `observational`;
- harm is a figure past its limit for two minutes on end; no harm is none past it for five, with enough readings;
- silence, a refusal and an answer that is no single figure cannot be judged, and never pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from twokey.domain.guardrail.judge import STATUS
from twokey.domain.guardrail.model import Guardrail, Verdict, VerdictReason, VerdictStatus, Worse
from twokey.domain.guardrail.sentences import shown

SUSTAINED = timedelta(minutes=2)
"""A figure past its limit for so long is a breach."""
SETTLED = timedelta(minutes=5)
"""A figure within its limit for so long holds."""
STALE = timedelta(minutes=2)
"""An older last reading says nothing about now."""
FEWEST = 3
"""Readings without which nothing is said."""
NO_TEST = 0.0
"""The error probability of what is no test."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One figure at one moment."""

    at: datetime
    value: float


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """What a query gave, oldest first, a reading every `step`; or the `problem` that kept it from an answer."""

    values: tuple[Reading, ...] = ()
    step: timedelta = timedelta(seconds=15)
    problem: str = ""


def judge_query(guardrail: Guardrail, readings: Readings, since: datetime, now: datetime) -> Verdict:
    """The observational verdict on what a query said from `since` on; readings before it are told for comparison."""
    known = [each for each in readings.values if math.isfinite(each.value)]
    before = [each.value for each in known if each.at < since]
    after = [each for each in known if each.at >= since]
    reason, why = _reason(guardrail, readings, after, since, now)
    latest, was = after[-1].value if after else None, sum(before) / len(before) if before else None
    return Verdict(
        guardrail=guardrail.key,
        metric=guardrail.metric,
        kind=guardrail.kind,
        status=STATUS.get(reason, VerdictStatus.CANNOT_JUDGE),
        reason=reason,
        sentence=_sentence(guardrail, reason, why, latest, was),
        observational=True,
        alpha=NO_TEST,
        margin=guardrail.margin,
        limit=guardrail.limit,
        candidate_value=latest,
        baseline_value=was,
        method="query against the limit",
    )


def _reason(
    guardrail: Guardrail, readings: Readings, after: Sequence[Reading], since: datetime, now: datetime
) -> tuple[VerdictReason, str]:
    if readings.problem:
        return VerdictReason.NO_DATA, readings.problem
    if not after:
        return VerdictReason.NO_DATA, "its query gave no reading in this time"
    if now - after[-1].at > STALE:
        return VerdictReason.NO_DATA, f"its last reading is of {after[-1].at:%H:%M:%S} UTC"
    if _lasts(guardrail, readings, after, now):
        return VerdictReason.HARM, f"past its limit for {_minutes(SUSTAINED)} minutes on end"
    lately = [each for each in after if each.at >= now - SETTLED]
    if now - since < SETTLED or any(_past(guardrail, each) for each in lately):
        return VerdictReason.TOO_EARLY, f"it must keep its limit for {_minutes(SETTLED)} minutes on end"
    if len(lately) < max(FEWEST, guardrail.coverage_floor * (SETTLED / readings.step)):
        return VerdictReason.COVERAGE, f"its query gave {len(lately)} readings in {_minutes(SETTLED)} minutes"
    return VerdictReason.HARM_EXCLUDED, f"within its limit for {_minutes(SETTLED)} minutes on end"


def _lasts(guardrail: Guardrail, readings: Readings, after: Sequence[Reading], now: datetime) -> bool:
    """Whether the newest readings, over the time that makes a breach, are all past the limit."""
    streak: list[Reading] = []
    for each in reversed(after):
        if not _past(guardrail, each):
            break
        streak.append(each)
    return len(streak) >= FEWEST and now - streak[-1].at >= SUSTAINED - readings.step


def _past(guardrail: Guardrail, reading: Reading) -> bool:
    return reading.value < guardrail.limit if guardrail.worse is Worse.LOWER else reading.value > guardrail.limit


def _minutes(time: timedelta) -> int:
    return round(time.total_seconds() / 60)


def _sentence(guardrail: Guardrail, reason: VerdictReason, why: str, latest: float | None, was: float | None) -> str:
    if reason not in STATUS:
        return f"{guardrail.name} cannot be judged: {why}"
    compared = f", {shown(guardrail, was)} before" if was is not None else ""
    head = f"{guardrail.name}: {shown(guardrail, latest)} now{compared} (limit {shown(guardrail, guardrail.limit)})"
    return f"{head}; {why}. Observational: a query sees everybody, other changes may explain it"
