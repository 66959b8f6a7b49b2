"""When nothing separates: say so, say why, and recommend no action.

Rules kept here:
- an outage that the baseline meets as well is no flag's doing, and is told with both figures;
- changes elsewhere near the signal are named, never judged;
- confidence says how sure it is that no flag is at fault. The e-values of the guardrails are taken as the odds of harm:
  one says nothing, and with all of them at one it is a half, less what nothing is known of. With nothing measured it is
  zero.
"""

from __future__ import annotations

from collections.abc import Sequence

from twokey.domain.guardrail import Guardrail, GuardrailKind, VerdictReason, VerdictStatus, Worse
from twokey.domain.triage import suspicion
from twokey.domain.triage.collected import Collected, Measurement, Observed
from twokey.domain.triage.telling import NAMED, Teller, listed

CERTAINTY = 0.9
"""The most that an abstention claims: there may be causes that no guardrail watches."""


def why(collected: Collected, teller: Teller) -> str:
    """Why no control is suspected."""
    measured = [(each.flag, one) for each in collected.controls for one in each.measurements]
    doubtful = "" if suspicion.by_chance(collected) else "No candidate does worse than its baseline by assignment."
    if not any(_joins(one) for _, one in measured):
        return "No exposure of any flag that joins a guardrail metric has arrived, so nothing can be compared."
    parts = (
        _chance(collected),
        _alike(measured, teller),
        _observational(measured),
        _early(measured),
        _unjudged(measured),
        teller.cleared(collected.controls),
    )
    told = " ".join(part for part in parts if part)
    return f"{doubtful} {told}".strip()


def confidence(collected: Collected) -> float:
    """How sure it is that no flag is at fault, when before any look one may be as likely as none."""
    measured = [each for each in collected.controls if any(_joins(one) for one in each.measurements)]
    if not measured:
        return 0.0
    weights = [collected.shortlist.weight(each.flag) for each in measured]
    odds = sum(weight * _odds(each) for weight, each in zip(weights, measured, strict=True)) / sum(weights)
    unknown = 1 - len(measured) / len(collected.controls)
    return round(CERTAINTY * (1 - unknown / 2) / (1 + odds), 2)


def _odds(observed: Observed) -> float:
    """How much the guardrails of one control speak for harm, each by its part of the error probability."""
    total = sum(one.verdict.alpha for one in observed.measurements)
    return sum(one.verdict.alpha * _for_harm(one) for one in observed.measurements) / total


def _for_harm(measurement: Measurement) -> float:
    verdict = measurement.verdict
    if verdict.status is VerdictStatus.HOLDING:
        return 0.0
    unjudged = verdict.status is VerdictStatus.CANNOT_JUDGE or verdict.observational or verdict.e_value is None
    return 1.0 if unjudged or verdict.e_value is None else verdict.e_value


def past_limit(guardrail: Guardrail, figure: float | None) -> bool:
    """Whether a displayed figure is past the agreed limit."""
    if figure is None:
        return False
    falls = guardrail.worse is Worse.LOWER and guardrail.kind is not GuardrailKind.RATE
    return figure < guardrail.limit if falls else figure > guardrail.limit


def _joins(measurement: Measurement) -> bool:
    verdict, seen = measurement.verdict, measurement.presence
    return seen is None or seen.joined_events > 0 or verdict.candidate_units + verdict.baseline_units > 0


def _chance(collected: Collected) -> str:
    """Breaches that are to be expected among so many controls."""
    found = suspicion.by_chance(collected)
    if not found:
        return ""
    told = listed([f"`{flag}`" for flag in found[:NAMED]])
    return f"{told} went past its bar by no more than one of {collected.shortlist.compared:,} does by chance."


def _alike(measured: Sequence[tuple[str, Measurement]], teller: Teller) -> str:
    """Guardrails whose baseline is past the limit as well: the trouble reaches both arms."""
    told = [
        f"{teller.figures(flag, one)} on the baseline of `{flag}`"
        for flag, one in measured
        if one.verdict.status in (VerdictStatus.HOLDING, VerdictStatus.INCONCLUSIVE)
        and one.verdict.candidate_value is not None
        and past_limit(one.guardrail, one.verdict.baseline_value)
        and not one.verdict.observational
    ]
    return f"The trouble reaches the baseline as well: {listed(told[:NAMED])}." if told else ""


def _observational(measured: Sequence[tuple[str, Measurement]]) -> str:
    found = [
        f"{one.guardrail.name} of `{flag}`"
        for flag, one in measured
        if one.verdict.observational and one.verdict.status is VerdictStatus.BREACHED
    ]
    if not found:
        return ""
    return f"{listed(found[:NAMED])}: past the limit, but no control arm is left to tell the flag's part in it."


def _early(measured: Sequence[tuple[str, Measurement]]) -> str:
    found = [
        f"{one.guardrail.name} of `{flag}`"
        for flag, one in measured
        if one.verdict.reason is VerdictReason.TOO_EARLY and not one.verdict.observational
    ]
    return f"Too early to tell: {listed(found[:NAMED])}." if found else ""


def _unjudged(measured: Sequence[tuple[str, Measurement]]) -> str:
    found = [
        f"{one.guardrail.name} of `{flag}`"
        for flag, one in measured
        if one.verdict.status is VerdictStatus.CANNOT_JUDGE
    ]
    return f"Cannot be judged: {listed(found[:NAMED])}." if found else ""
