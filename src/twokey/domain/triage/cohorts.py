"""Is the harm everywhere, or in one cohort only?

Rules kept here:
- a cohort is one value of one context attribute; its arms are compared as the whole is: by assignment, rule and stage;
- many values are looked at, so each gets its part of the error probability;
- harm is confined to a cohort only where every breached guardrail is quiet outside it: harm there is excluded, or does
  not separate while the figures speak for harm inside alone rather than everywhere (`odds`);
- that something does not separate is by itself no sign that it is not there; and where another cohort by the same
  attribute is harmed by itself, be it a small one that is lost among the rest, harm is not of the one alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest

import msgspec

from twokey.domain.guardrail import (
    ArmFigures,
    GuardrailKind,
    Pair,
    StageArms,
    Verdict,
    VerdictStatus,
    Worse,
    judge,
    paired,
    without,
)
from twokey.domain.telemetry import CohortContrast
from twokey.domain.triage.collected import Measurement

ODDS = 10
"""How much likelier harm in one cohort alone must be than harm everywhere, times the number of cohorts looked at."""


class CohortVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One cohort's verdict on one guardrail, and the verdict on everybody else.

    `odds` is the logarithm of by how much the figures speak for harm inside alone against the same harm everywhere: of
    the evidence for harm inside and none beyond the margin outside, divided by that for harm among all. It must reach
    `bar`, which carries the number of cohorts that were looked at.
    """

    measurement: Measurement
    attribute: str
    value: str
    inside: Verdict
    outside: Verdict
    odds: float = 0.0
    bar: float = 0.0


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
        and not any(_elsewhere(each, attribute, value) for each in judged)
    ]
    return max(found, key=_clarity, default=None)


def _elsewhere(judged: Mapping[tuple[str, str], CohortVerdict], attribute: str, value: str) -> bool:
    """Whether another value of the attribute is harmed by itself, however few it is among the rest."""
    return any(
        found.inside.status is VerdictStatus.BREACHED
        for (name, other), found in judged.items()
        if name == attribute and other != value
    )


def attributes(breached: Sequence[Measurement]) -> tuple[str, ...]:
    """The attributes that cohorts were cut by, with at least two values."""
    cuts = {(cut.attribute, cut.value) for each in breached for cut in each.cohorts}
    names = sorted({attribute for attribute, _ in cuts})
    return tuple(name for name in names if sum(attribute == name for attribute, _ in cuts) > 1)


def _judge_all(measurement: Measurement, rules: Sequence[str | None]) -> dict[tuple[str, str], CohortVerdict]:
    names = attributes((measurement,))
    return judge_cuts(measurement, [cut for cut in measurement.cohorts if cut.attribute in names], rules)


def judge_cuts(
    measurement: Measurement, cuts: Sequence[CohortContrast], rules: Sequence[str | None]
) -> dict[tuple[str, str], CohortVerdict]:
    """The verdict inside each of these cohorts, at its part of the error probability, and on everybody else."""
    guardrail, alpha = measurement.guardrail, measurement.verdict.alpha
    whole = [each for each in measurement.verdict.stages if each.rule in rules]
    everywhere = _evidence(judge(guardrail, whole, alpha)) if cuts else 0.0
    found = {}
    for cut in cuts:
        stages = [each for each in cut.stages if each.rule in rules]
        inside = judge(guardrail, stages, alpha / len(cuts))
        found[cut.attribute, cut.value] = CohortVerdict(
            measurement=measurement,
            attribute=cut.attribute,
            value=cut.value,
            inside=inside,
            outside=judge(guardrail, outside(whole, stages), alpha),
            odds=_evidence(inside) - everywhere,
            bar=math.log(ODDS * len(cuts)),
        )
    return found


def _evidence(found: Verdict) -> float:
    """The logarithm of the evidence for harm."""
    return math.log(found.e_value) if found.e_value else 0.0


def is_confined(found: CohortVerdict) -> bool:
    """Whether harm shows inside and is quiet outside."""
    inside, rest = found.inside, found.outside
    if inside.status is not VerdictStatus.BREACHED:
        return False
    if rest.status is VerdictStatus.HOLDING:
        return True
    if rest.status is not VerdictStatus.INCONCLUSIVE or min(rest.candidate_units, rest.baseline_units) == 0:
        return False
    return not _worse(found) and found.odds >= found.bar


def _worse(found: CohortVerdict) -> bool:
    """Whether the rest is shown to be worse than its baseline at all, even if not beyond the margin."""
    low, high = found.outside.interval or (None, None)
    guardrail = found.measurement.guardrail
    if guardrail.kind.is_averaged and guardrail.worse is Worse.LOWER:
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
    rest = ArmFigures(
        units=max(0, whole.units - part.units),
        joined_units=max(0, units),
        failures=max(0, whole.failures - part.failures),
        failures_at=tuple(
            max(0, all_of - some) for all_of, some in zip_longest(whole.failures_at, part.failures_at, fillvalue=0)
        ),
        mean=mean,
        variance=variance,
        served_other=max(0, whole.served_other - part.served_other),
    )
    if whole.pair is None:
        return rest
    return paired(rest, without(whole.joined_units, whole.pair, part.joined_units, part.pair or Pair()))


def _squares(arm: ArmFigures) -> float:
    """The sum of squared distances of the arm's units from their mean."""
    return arm.variance * max(0, arm.joined_units - 1)
