"""Is the harm everywhere, or in one cohort only?

Rules kept here:
- a cohort is one value of one context attribute; its arms are compared as the whole is: by assignment, rule and stage;
- many values are looked at, so each gets its part of the error probability;
- harm is confined to a cohort only where every breached guardrail is quiet outside it: harm there is excluded, or does
  not separate on at least as many units, or what separates inside is more than could be outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from twokey.domain.guardrail import ArmFigures, GuardrailKind, StageArms, Verdict, VerdictStatus, Worse, judge
from twokey.domain.telemetry import CohortContrast
from twokey.domain.triage.collected import Measurement


class CohortVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One cohort's verdict on one guardrail, and the verdict on everybody else."""

    measurement: Measurement
    attribute: str
    value: str
    inside: Verdict
    outside: Verdict


class Confined(msgspec.Struct, frozen=True, kw_only=True):
    """Harm that shows in one cohort and not outside it, guardrail by guardrail."""

    attribute: str
    value: str
    verdicts: tuple[CohortVerdict, ...]


def confinement(breached: Sequence[Measurement], rules: Sequence[str | None]) -> Confined | None:
    """The one cohort that all the harm of these guardrails is confined to, the clearest where there are several."""
    compared = [each for each in breached if each.guardrail.kind is not GuardrailKind.FALLBACK]
    judged = [_judge_all(each, rules) for each in compared]
    if not judged or len(judged) != len(breached):
        return None
    found = [
        Confined(attribute=attribute, value=value, verdicts=tuple(each[attribute, value] for each in judged))
        for attribute, value in judged[0]
        if all((attribute, value) in each and is_confined(each[attribute, value]) for each in judged)
    ]
    return max(found, key=_clarity, default=None)


def attributes(breached: Sequence[Measurement]) -> tuple[str, ...]:
    """The attributes that cohorts were cut by, with at least two values."""
    cuts = {(cut.attribute, cut.value) for each in breached for cut in each.cohorts}
    names = sorted({attribute for attribute, _ in cuts})
    return tuple(name for name in names if sum(attribute == name for attribute, _ in cuts) > 1)


def _judge_all(measurement: Measurement, rules: Sequence[str | None]) -> dict[tuple[str, str], CohortVerdict]:
    names = attributes((measurement,))
    cuts = [cut for cut in measurement.cohorts if cut.attribute in names]
    alpha = measurement.verdict.alpha / max(1, len(cuts))
    return {(cut.attribute, cut.value): judge_cohort(measurement, cut, rules, alpha) for cut in cuts}


def judge_cohort(
    measurement: Measurement, cut: CohortContrast, rules: Sequence[str | None], alpha: float
) -> CohortVerdict:
    """The verdict inside one cohort, at its part of the error probability, and on everybody else."""
    inside = [each for each in cut.stages if each.rule in rules]
    whole = [each for each in measurement.verdict.stages if each.rule in rules]
    return CohortVerdict(
        measurement=measurement,
        attribute=cut.attribute,
        value=cut.value,
        inside=judge(measurement.guardrail, inside, alpha),
        outside=judge(measurement.guardrail, outside(whole, inside), measurement.verdict.alpha),
    )


def is_confined(found: CohortVerdict) -> bool:
    """Whether harm shows inside and is quiet outside."""
    inside, rest = found.inside, found.outside
    if inside.status is not VerdictStatus.BREACHED:
        return False
    if rest.status is VerdictStatus.HOLDING:
        return True
    if rest.status is not VerdictStatus.INCONCLUSIVE or min(rest.candidate_units, rest.baseline_units) == 0:
        return False
    return not _worse(found) and (rest.candidate_units >= inside.candidate_units or _apart(found))


def _apart(found: CohortVerdict) -> bool:
    """Whether the harm that shows inside is beyond all that is possible outside."""
    inside, rest = found.inside.interval or (None, None), found.outside.interval or (None, None)
    if None in inside or None in rest:
        return False
    low, high = inside
    middle = math.sqrt(low * high)  # type: ignore[operator]
    guardrail = found.measurement.guardrail
    if guardrail.kind is GuardrailKind.MEAN and guardrail.worse is Worse.LOWER:
        return rest[0] > middle  # type: ignore[operator]
    return rest[1] < middle  # type: ignore[operator]


def _worse(found: CohortVerdict) -> bool:
    """Whether the rest is shown to be worse than its baseline at all, even if not beyond the margin."""
    low, high = found.outside.interval or (None, None)
    guardrail = found.measurement.guardrail
    if guardrail.kind is GuardrailKind.MEAN and guardrail.worse is Worse.LOWER:
        return high is not None and high < 1.0
    return low is not None and low > 1.0


def _clarity(found: Confined) -> float:
    return sum(each.inside.e_value or 0.0 for each in found.verdicts)


def outside(whole: Sequence[StageArms], inside: Sequence[StageArms]) -> tuple[StageArms, ...]:
    """Everybody who is not in the cohort: the whole less the cohort, stage by stage and arm by arm."""
    cut = {(each.rule, each.stage): each for each in inside}
    return tuple(_less(each, cut.get((each.rule, each.stage))) for each in whole)


def _less(whole: StageArms, part: StageArms | None) -> StageArms:
    if part is None:
        return whole
    return msgspec.structs.replace(
        whole,
        candidate=subtract(whole.candidate, part.candidate),
        baseline=subtract(whole.baseline, part.baseline),
    )


def subtract(whole: ArmFigures, part: ArmFigures) -> ArmFigures:
    """The figures of the units of `whole` that are not in `part`. Quantiles cannot be subtracted and are left out."""
    units = whole.joined_units - part.joined_units
    mean = (whole.mean * whole.joined_units - part.mean * part.joined_units) / units if units > 0 else 0.0
    squares = _squares(whole) - _squares(part)
    between = part.joined_units * part.mean**2 + max(0, units) * mean**2 - whole.joined_units * whole.mean**2
    variance = max(0.0, squares - between) / (units - 1) if units > 1 else 0.0
    return ArmFigures(
        units=max(0, whole.units - part.units),
        joined_units=max(0, units),
        failures=max(0, whole.failures - part.failures),
        mean=mean,
        variance=variance,
        served_other=max(0, whole.served_other - part.served_other),
    )


def _squares(arm: ArmFigures) -> float:
    """The sum of squared distances of the arm's units from their mean."""
    return arm.variance * max(0, arm.joined_units - 1)
