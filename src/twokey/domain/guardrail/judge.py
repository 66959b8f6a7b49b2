"""From figures to a verdict, while both arms live.

Rules kept here:
- what cannot be judged never passes: no data, no control arm, shares that do not fit the plan, coverage under its floor
  or uneven between the arms, too few units; each says why;
- `breached` needs harm beyond the margin, `holding` needs such harm excluded, each at `alpha` over all looks together;
- counts may show a breach before `minimum_units` (their test is exact at any size), a mean or a ratio may not;
- a ratio whose denominator is zero or too near to it, in any stage with enough units, is judged by nobody;
- a tail of several limits is breached by the mean of their e-values, and holds where it holds at each of them;
- a candidate that is often assigned and not served is never `holding`.

Methods and their limits: `twokey.domain.statistics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from twokey.domain.guardrail import sentences
from twokey.domain.guardrail.model import (
    DEFAULT_ALPHA,
    FALLBACK_LIMIT,
    ArmFigures,
    Guardrail,
    GuardrailKind,
    StageArms,
    Verdict,
    VerdictReason,
    VerdictStatus,
    Worse,
)
from twokey.domain.guardrail.summary import Summary, failures_by_limit, summarise, told_units
from twokey.domain.statistics import (
    Means,
    average,
    harm_in_counts,
    harm_in_means,
    interval,
    no_harm_in_counts,
    no_harm_in_means,
    sample_ratio_mismatch,
    share_above,
    share_below,
    since_any_stage,
    split_alpha,
)

MISMATCH_ALPHA = 0.01
"""False-alarm probability, over all looks, of each check that makes a comparison unjudgeable."""

MEAN_UNITS = 100
"""Units the smaller arm needs before a mean is near enough to normal."""

RATIOS = (1e-3, 1e3)
"""Range in which a ratio's interval is sought."""

METHODS = {
    GuardrailKind.RATE: "label test",
    GuardrailKind.TAIL: "label test on units past the limit",
    GuardrailKind.MEAN: "stage-stratified mean test",
    GuardrailKind.RATIO: "stage-stratified mean test of ratios (delta method)",
    GuardrailKind.FALLBACK: "share test",
}

STATUS = {
    VerdictReason.HARM: VerdictStatus.BREACHED,
    VerdictReason.HARM_EXCLUDED: VerdictStatus.HOLDING,
    VerdictReason.TOO_EARLY: VerdictStatus.INCONCLUSIVE,
}
"""Every other reason means that it cannot be judged."""


_Count = Callable[[ArmFigures], int]


class Evidence(msgspec.Struct, frozen=True):
    """Log e-values for harm and against it, the ratio's interval, and the number of the limit that shows most harm."""

    harm: float
    no_harm: float
    interval: tuple[float | None, float | None] | None = None
    worst: int = 0


def judge(
    guardrail: Guardrail,
    stages: Sequence[StageArms],
    alpha: float = DEFAULT_ALPHA,
    *,
    fallback_limit: float = FALLBACK_LIMIT,
) -> Verdict:
    """The verdict on a guardrail from both arms by stage; `alpha` is its part, as `alpha_by_guardrail` gives it."""
    if guardrail.kind is GuardrailKind.FALLBACK:
        return _judge_fallback(guardrail, stages, alpha)
    summary = summarise(guardrail, stages)
    evidence = _weigh(guardrail, summary, alpha) if _comparable(summary) else None
    reason = _reason(guardrail, summary, evidence, alpha, fallback_limit)
    return Verdict(
        guardrail=guardrail.key,
        metric=guardrail.metric,
        denominator=guardrail.denominator,
        kind=guardrail.kind,
        status=STATUS.get(reason, VerdictStatus.CANNOT_JUDGE),
        reason=reason,
        sentence=_sentence(guardrail, reason, summary, evidence, fallback_limit),
        e_value=None if evidence is None else e_value(evidence.harm),
        interval=None if evidence is None else evidence.interval,
        alpha=alpha,
        margin=guardrail.margin,
        limit=guardrail.limit,
        other_limits=guardrail.other_limits,
        stages=tuple(stages),
        candidate_value=summary.candidate_value,
        baseline_value=summary.baseline_value,
        candidate_units=summary.candidate_units,
        baseline_units=summary.baseline_units,
        fallback_share=summary.fallback_share,
        method=METHODS[guardrail.kind] + (", averaged over several limits" if guardrail.other_limits else ""),
    )


def alpha_by_guardrail(guardrails: Sequence[Guardrail], alpha: float = DEFAULT_ALPHA) -> dict[str, float]:
    """Each guardrail's part of a flag's error probability, by its weight; those by query make no test and take none."""
    tested = {each.key: each.weight for each in guardrails if each.kind is not GuardrailKind.QUERY}
    return split_alpha(tested, alpha) if tested else {}


def e_value(log: float) -> float:
    """An e-value from its logarithm, kept finite so that it can be written as JSON."""
    return math.exp(min(log, 700.0))


def _comparable(summary: Summary) -> bool:
    """Both arms have figures, and these are numbers: what overflowed proves nothing."""
    figures = [
        each
        for stage in summary.stages
        for arm in (stage.candidate, stage.baseline)
        for each in (arm.mean, arm.variance)
    ]
    return summary.candidate_joined > 0 and summary.baseline_joined > 0 and all(map(math.isfinite, figures))


def _sentence(
    guardrail: Guardrail, reason: VerdictReason, summary: Summary, evidence: Evidence | None, fallback_limit: float
) -> str:
    if reason in STATUS:
        return sentences.compared(guardrail, reason, summary, evidence.worst if evidence else 0)
    return sentences.unjudged(guardrail, reason, summary, fallback_limit)


# ---------------------------------------------------------------- the order in which reasons win


def _reason(
    guardrail: Guardrail, summary: Summary, evidence: Evidence | None, alpha: float, fallback_limit: float
) -> VerdictReason:
    if (flaw := _flaw(guardrail, summary)) is not None:
        return flaw
    few = summary.least_told < _least_units(guardrail)
    if evidence is None:
        return VerdictReason.TOO_FEW_UNITS
    bar = -math.log(alpha)
    if evidence.harm >= bar and not (few and guardrail.kind.is_averaged):
        return VerdictReason.HARM
    if few:
        return VerdictReason.TOO_FEW_UNITS
    if evidence.no_harm < bar:
        return VerdictReason.TOO_EARLY
    return VerdictReason.FALLBACK if summary.fallback_share > fallback_limit else VerdictReason.HARM_EXCLUDED


def _least_units(guardrail: Guardrail) -> int:
    floor = MEAN_UNITS if guardrail.kind.is_averaged else 1
    return max(floor, guardrail.minimum_units)


def _flaw(guardrail: Guardrail, summary: Summary) -> VerdictReason | None:
    """Why the figures cannot be trusted at all, None if they can."""
    if not summary.stages:
        return VerdictReason.NO_CONTROL
    if not summary.candidate_joined + summary.baseline_joined:
        return VerdictReason.NO_DATA
    if _mismatch(summary, lambda arm: arm.units, 0.0):
        return VerdictReason.SAMPLE_RATIO
    small = min(summary.candidate_units, summary.baseline_units) < guardrail.minimum_units
    if min(summary.candidate_coverage, summary.baseline_coverage) < guardrail.coverage_floor:
        return VerdictReason.TOO_FEW_UNITS if small else VerdictReason.COVERAGE
    if _mismatch(summary, lambda arm: arm.joined_units, guardrail.margin / 2):
        return VerdictReason.UNEVEN_COVERAGE
    if any(without_denominator(arm) for each in summary.stages for arm in (each.candidate, each.baseline)):
        return VerdictReason.NO_DENOMINATOR
    return None


def without_denominator(arm: ArmFigures) -> bool:
    """Whether an arm has no ratio though it has units enough for one; one with few units says nothing yet."""
    return arm.joined_units >= MEAN_UNITS and not arm.tells


def _mismatch(summary: Summary, count: _Count, tolerance: float) -> bool:
    ours, theirs, shares = _counts(summary, count)
    return float(sample_ratio_mismatch(ours, theirs, shares, tolerance)) >= -math.log(MISMATCH_ALPHA)


# ---------------------------------------------------------------- the tests


def _weigh(guardrail: Guardrail, summary: Summary, alpha: float) -> Evidence:
    if guardrail.kind.is_averaged:
        return _weigh_means(guardrail, summary, alpha)
    found = [_weigh_counts(guardrail, summary, count, alpha) for count in failures_by_limit(guardrail)]
    worst = max(range(len(found)), key=lambda number: found[number].harm)
    # Each is an e-process, so their mean is one too; harm is excluded where it is excluded at every limit.
    harm = average([each.harm for each in found])
    return Evidence(harm, min(each.no_harm for each in found), found[0].interval, worst)


def _weigh_counts(guardrail: Guardrail, summary: Summary, count: _Count, alpha: float) -> Evidence:
    ours, theirs, shares = _counts(summary, count)

    def above(ratio: float, since: int = 0) -> float:
        return float(harm_in_counts(ours[since:], theirs[since:], shares[since:], ratio))

    def below(ratio: float) -> float:
        return float(no_harm_in_counts(ours, theirs, shares, ratio))

    bound = 1 + guardrail.margin
    harm = float(since_any_stage([above(bound, since) for since in range(len(shares))]))
    return Evidence(harm, below(bound), interval(above, below, alpha, *RATIOS))


def _weigh_means(guardrail: Guardrail, summary: Summary, alpha: float) -> Evidence:
    ours, theirs = [each.candidate for each in summary.stages], [each.baseline for each in summary.stages]

    def above(ratio: float, since: int = 0) -> float:
        return float(harm_in_means(_means(ours[since:]), _means(theirs[since:]), ratio))

    def below(ratio: float, since: int = 0) -> float:
        return float(no_harm_in_means(_means(ours[since:]), _means(theirs[since:]), ratio))

    # Harm moves away from the baseline's mean by the margin: upwards or downwards, also where that mean is negative.
    positive = (summary.baseline_value or 0.0) >= 0
    rises = guardrail.worse is Worse.HIGHER
    bound = 1 + guardrail.margin if rises == positive else 1 - guardrail.margin
    found = interval(above, below, alpha, *RATIOS) if positive else None
    harm, no_harm = (above, below) if rises else (below, above)

    def enough(since: int) -> bool:  # a later stage alone is no nearer to normal than the whole
        return not since or told_units(summary.stages[since:]) >= MEAN_UNITS

    since_each = [harm(bound, since) if enough(since) else 0.0 for since in range(len(ours))]
    return Evidence(float(since_any_stage(since_each)), no_harm(bound), found)


def _counts(summary: Summary, count: _Count) -> tuple[list[int], list[int], list[float]]:
    ours = [count(each.candidate) for each in summary.stages]
    theirs = [count(each.baseline) for each in summary.stages]
    return ours, theirs, [each.share for each in summary.stages]


def _means(arms: Sequence[ArmFigures]) -> Means:
    return Means(
        units=[arm.joined_units if arm.tells else 0 for arm in arms],
        mean=[arm.mean for arm in arms],
        variance=[arm.variance for arm in arms],
    )


# ---------------------------------------------------------------- assigned, and served something else


def _judge_fallback(guardrail: Guardrail, stages: Sequence[StageArms], alpha: float) -> Verdict:
    units = sum(each.candidate.units for each in stages)
    fallen = sum(each.candidate.served_other for each in stages)
    baseline_units = sum(each.baseline.units for each in stages)
    baseline_fallen = sum(each.baseline.served_other for each in stages)

    def above(share: float) -> float:
        return float(share_above(fallen, units, share))

    def below(share: float) -> float:
        return float(share_below(fallen, units, share))

    reason = single_reason(guardrail, above(guardrail.limit), below(guardrail.limit), units, alpha)
    share = fallen / units if units else 0.0
    return Verdict(
        guardrail=guardrail.key,
        metric=guardrail.metric,
        kind=guardrail.kind,
        status=STATUS.get(reason, VerdictStatus.CANNOT_JUDGE),
        reason=reason,
        sentence=sentences.fallback(guardrail, reason, share, units),
        e_value=e_value(above(guardrail.limit)) if units else None,
        interval=interval(above, below, alpha, 1e-6, 1 - 1e-6) if units else None,
        alpha=alpha,
        margin=guardrail.margin,
        limit=guardrail.limit,
        stages=tuple(stages),
        candidate_value=share if units else None,
        baseline_value=baseline_fallen / baseline_units if baseline_units else None,
        candidate_units=units,
        baseline_units=baseline_units,
        fallback_share=share,
        method=METHODS[guardrail.kind],
    )


def single_reason(guardrail: Guardrail, harm: float, no_harm: float, units: int, alpha: float) -> VerdictReason:
    """What one arm's log e-values against a limit say."""
    bar = -math.log(alpha)
    if not units:
        return VerdictReason.NO_DATA
    if harm >= bar and (not guardrail.kind.is_averaged or units >= _least_units(guardrail)):
        return VerdictReason.HARM
    if units < _least_units(guardrail):
        return VerdictReason.TOO_FEW_UNITS
    return VerdictReason.HARM_EXCLUDED if no_harm >= bar else VerdictReason.TOO_EARLY
