"""When no control arm is left: figures before and after, held against the agreed limit.

Rules kept here:
- such a verdict always says `observational`: something else may have changed at the same time;
- it uses the same error probability and the same minimum of units; what cannot be judged does not pass;
- the figure before is told for comparison, the verdict rests on the figure after and the limit.
"""

from __future__ import annotations

from twokey.domain.guardrail import sentences
from twokey.domain.guardrail.judge import STATUS, e_value, single_reason, without_denominator
from twokey.domain.guardrail.model import (
    DEFAULT_ALPHA,
    ArmFigures,
    Guardrail,
    Verdict,
    VerdictReason,
    VerdictStatus,
    Worse,
)
from twokey.domain.guardrail.summary import value
from twokey.domain.statistics import Means, Test, interval, mean_above, mean_below, share_above, share_below


def judge_before_after(
    guardrail: Guardrail, before: ArmFigures | None, after: ArmFigures, alpha: float = DEFAULT_ALPHA
) -> Verdict:
    """The observational verdict: `holding` reads "no harm after", `breached` that the limit is still passed.

    The candidate's columns of the verdict carry the figures after, the baseline's those before.
    """
    harm_at, no_harm_at = _tests(guardrail, after)
    bound = guardrail.limit if guardrail.kind.is_averaged else guardrail.allowed_share
    reason = _reason(guardrail, after, harm_at(bound), no_harm_at(bound), alpha)
    shown, was = value(guardrail, after), None if before is None else value(guardrail, before)
    return Verdict(
        guardrail=guardrail.key,
        metric=guardrail.metric,
        denominator=guardrail.denominator,
        kind=guardrail.kind,
        status=STATUS.get(reason, VerdictStatus.CANNOT_JUDGE),
        reason=reason,
        sentence=_sentence(guardrail, reason, after, shown, was),
        observational=True,
        e_value=e_value(harm_at(bound)) if after.joined_units and after.tells else None,
        interval=_interval(guardrail, after, alpha),
        alpha=alpha,
        margin=guardrail.margin,
        limit=guardrail.limit,
        candidate_value=shown,
        baseline_value=was,
        candidate_units=after.units,
        baseline_units=0 if before is None else before.units,
        fallback_share=after.served_other / after.units if after.units else 0.0,
        method="before and after, against the limit",
    )


def _reason(guardrail: Guardrail, after: ArmFigures, harm: float, no_harm: float, alpha: float) -> VerdictReason:
    enough = after.units >= guardrail.minimum_units
    if enough and 0 < after.joined_units < guardrail.coverage_floor * after.units:
        return VerdictReason.COVERAGE
    if without_denominator(after):
        return VerdictReason.NO_DENOMINATOR
    units = after.joined_units
    if units and not after.tells:
        return VerdictReason.TOO_FEW_UNITS
    return single_reason(guardrail, harm, no_harm, units, alpha)


def _sentence(
    guardrail: Guardrail, reason: VerdictReason, after: ArmFigures, shown: float | None, was: float | None
) -> str:
    if reason in STATUS:
        return sentences.single(guardrail, reason, shown, was, after.joined_units)
    return sentences.single_unjudged(guardrail, reason, after.units, after.joined_units)


def _tests(guardrail: Guardrail, after: ArmFigures) -> tuple[Test, Test]:
    """Log e-values for harm and against it, as functions of the limit; an average that must not fall swaps them."""
    above, below = _sides(guardrail, after)
    falls = guardrail.kind.is_averaged and guardrail.worse is Worse.LOWER
    return (below, above) if falls else (above, below)


def _sides(guardrail: Guardrail, after: ArmFigures) -> tuple[Test, Test]:
    if guardrail.kind.is_averaged:
        arm = Means(units=after.joined_units if after.tells else 0, mean=after.mean, variance=after.variance)
        return (lambda limit: float(mean_above(arm, limit))), (lambda limit: float(mean_below(arm, limit)))
    failures, units = after.failures, after.joined_units
    return (lambda share: float(share_above(failures, units, share))), (
        lambda share: float(share_below(failures, units, share))
    )


def _interval(guardrail: Guardrail, after: ArmFigures, alpha: float) -> tuple[float | None, float | None] | None:
    if not after.joined_units or not after.tells:
        return None
    above, below = _sides(guardrail, after)
    if not guardrail.kind.is_averaged:
        return interval(above, below, alpha, 1e-6, 1 - 1e-6)
    reach = 1e3 * (after.variance**0.5 + abs(after.mean)) + 1e-9
    return interval(above, below, alpha, after.mean - reach, after.mean + reach)
