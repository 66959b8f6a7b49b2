"""Sequential tests: valid however often, and by whomever, the figures are looked at.

Rules kept here:
- every test returns the logarithm of an e-value: under its null the chance that it *ever* reaches 1/alpha is at most
  alpha (Ville's inequality), over all looks together; for means this holds asymptotically;
- nothing is pooled over stages: every argument has one entry per stage on its last axis (leading axes broadcast), and a
  stage brings its own share;
- grids and tuning are constants, fixed before any data is seen;
- a stage with one arm only says nothing and changes nothing.

Label test: Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, arXiv 2011.03567, and
Lindon et al., KDD 2022, arXiv 2205.14762. Means: Waudby-Smith et al., "Time-uniform central limit theory and asymptotic
confidence sequences", Annals of Statistics 2024, arXiv 2103.06476, with the one-sided normal mixture of Howard et al.,
"Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021, arXiv 1810.08240.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

STEPS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""How many times beyond the null's ratio the alternatives of a mixture lie."""

TUNING = 74.0
"""Precision of the mean test's mixture: sharpest near an information n1 n0 / (n1 + n0) of 500 (two arms of 1,000)."""


@dataclass(frozen=True, kw_only=True)
class Means:
    """One arm's units, mean and sample variance by stage."""

    units: ArrayLike
    mean: ArrayLike
    variance: ArrayLike


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """One arm's units by stage, and of two numbers a unit the means, sample variances and covariance."""

    units: ArrayLike
    numerator: ArrayLike
    denominator: ArrayLike
    numerator_variance: ArrayLike
    denominator_variance: ArrayLike
    covariance: ArrayLike


# ---------------------------------------------------------------- labels: counts of failing units


def harm_in_counts(candidate: ArrayLike, baseline: ArrayLike, share: ArrayLike, ratio: float = 1.0) -> Array:
    """Log e-value against "the candidate fails at most `ratio` times as often as the baseline".

    `candidate` and `baseline` count failing units by stage, `share` is the candidate's planned share of units. Exact at
    any size, also where the baseline never fails; drift that both arms share cancels.
    """
    return label_mixture(candidate, baseline, share, ratio, ratio * np.array(STEPS))


def no_harm_in_counts(candidate: ArrayLike, baseline: ArrayLike, share: ArrayLike, ratio: float = 1.0) -> Array:
    """Log e-value against "the candidate fails at least `ratio` times as often": large excludes harm beyond it."""
    return label_mixture(candidate, baseline, share, ratio, ratio / np.array(STEPS))


def sample_ratio_mismatch(candidate: ArrayLike, baseline: ArrayLike, share: ArrayLike, tolerance: float = 0.0) -> Array:
    """Log e-value against "units arrive in the planned shares", in either direction.

    With a tolerance, against "the ratio of the arms is off by a factor of 1 + tolerance at most".
    """
    above = harm_in_counts(candidate, baseline, share, 1 + tolerance)
    below = no_harm_in_counts(candidate, baseline, share, 1 / (1 + tolerance))
    mixed: Array = np.logaddexp(above, below) - math.log(2)
    return mixed


def label_mixture(
    candidate: ArrayLike,
    baseline: ArrayLike,
    share: ArrayLike,
    null: float,
    alternatives: Array,
    weights: Array | None = None,
) -> Array:
    """Log of the averaged likelihood ratios of `alternatives` over `null`, all ratios of the arms' rates.

    A failing unit carries the candidate's label with probability p r / (p r + 1 - p) when the rates' ratio is r and the
    planned share p; stages multiply.
    """
    ours, theirs, planned = (np.asarray(each, dtype=float) for each in (candidate, baseline, share))
    ours, theirs = _both_arms(ours, theirs, planned)
    gain = np.log(alternatives / null)
    scale = np.log1p(planned[..., None] * (alternatives - 1)) - np.log1p(planned[..., None] * (null - 1))
    logs = (ours[..., None] * gain - (ours + theirs)[..., None] * scale).sum(axis=-2)
    return _average(logs, weights)


def _both_arms(ours: Array, theirs: Array, planned: Array) -> tuple[Array, Array]:
    """Counts with those of one-armed stages set to zero."""
    live = (planned > 0) & (planned < 1)
    return np.where(live, ours, 0.0), np.where(live, theirs, 0.0)


def _average(logs: Array, weights: Array | None) -> Array:
    prior = np.full(logs.shape[-1], 1 / logs.shape[-1]) if weights is None else weights / weights.sum()
    top = logs.max(axis=-1)
    mixed: Array = top + np.log((np.exp(logs - top[..., None]) * prior).sum(axis=-1))
    return mixed


# ---------------------------------------------------------------- one share against a limit


def share_above(failures: ArrayLike, units: ArrayLike, limit: float) -> Array:
    """Log e-value against "a unit fails with probability `limit` at most"; counts are totals, not by stage."""
    return _share_mixture(failures, units, limit, np.array(STEPS))


def share_below(failures: ArrayLike, units: ArrayLike, limit: float) -> Array:
    """Log e-value against "a unit fails with probability `limit` at least"."""
    return _share_mixture(failures, units, limit, 1 / np.array(STEPS))


def _share_mixture(failures: ArrayLike, units: ArrayLike, limit: float, odds: Array) -> Array:
    failed, all_units = (np.asarray(each, dtype=float)[..., None] for each in (failures, units))
    # With odds multiplied by o, the share moves from q to q o / (q o + 1 - q): the label test's own arithmetic.
    logs = failed * np.log(odds) - all_units * np.log1p(limit * (odds - 1))
    return _average(logs, None)


# ---------------------------------------------------------------- means


def harm_in_means(candidate: Means, baseline: Means, ratio: float = 1.0) -> Array:
    """Log e-value against "the candidate's mean is at most `ratio` times the baseline's" (asymptotic).

    Stages are weighted by their information; one with fewer than two units in an arm says nothing.
    """
    score, information = standardised(candidate, baseline, ratio)
    return one_sided_mixture(score, information)


def no_harm_in_means(candidate: Means, baseline: Means, ratio: float = 1.0) -> Array:
    """Log e-value against "the candidate's mean is at least `ratio` times the baseline's" (asymptotic)."""
    score, information = standardised(candidate, baseline, ratio)
    return one_sided_mixture(-score, information)


def standardised(candidate: Means, baseline: Means, ratio: float) -> tuple[Array, Array]:
    """The summed difference of means over the stages in standard deviations, and its information (its variance).

    S = sum h d and V = sum h^2 se^2 with h = n1 n0 / (n1 + n0), both divided by the mean variance of a unit, so that
    the tuning does not depend on the metric's unit. In each stage the smaller arm is given the larger of the two
    variances: with skewed values a small arm that has missed its tail has too low a mean *and* too low a variance, and
    with its own variance it excluded harm falsely in 5 to 12 % of runs instead of 5 % at most.
    """
    n1, m1, v1 = _arrays(candidate)
    n0, m0, v0 = _arrays(baseline)
    live = (n1 >= 2) & (n0 >= 2)
    safe1, safe0 = np.where(live, n1, 1.0), np.where(live, n0, 1.0)
    h = np.where(live, safe1 * safe0 / (safe1 + safe0), 0.0)
    difference = (h * (m1 - ratio * m0)).sum(axis=-1)
    spread1, spread0 = _spreads(n1, v1, n0, ratio * ratio * v0)
    variance = (h * h * (spread1 / safe1 + spread0 / safe0)).sum(axis=-1)
    information = h.sum(axis=-1)
    known = (information > 0) & (variance > 0)
    deviation = np.sqrt(np.where(known, variance, 1.0) / np.where(known, information, 1.0))
    return np.where(known, difference / deviation, 0.0), np.where(known, information, 0.0)


def _spreads(n1: Array, v1: Array, n0: Array, v0: Array) -> tuple[Array, Array]:
    """Both arms' variances, the smaller arm's never below the larger one's."""
    larger = np.maximum(v1, v0)
    return np.where(n1 < n0, larger, v1), np.where(n0 < n1, larger, v0)


def mean_above(arm: Means, limit: float) -> Array:
    """Log e-value against "the mean is at most `limit`", one arm, totals (asymptotic)."""
    score, information = _one_arm(arm, limit)
    return one_sided_mixture(score, information)


def mean_below(arm: Means, limit: float) -> Array:
    """Log e-value against "the mean is at least `limit`", one arm, totals (asymptotic)."""
    score, information = _one_arm(arm, limit)
    return one_sided_mixture(-score, information)


def _one_arm(arm: Means, limit: float) -> tuple[Array, Array]:
    n, mean, variance = _arrays(arm)
    known = (n >= 2) & (variance > 0)
    # Half the units, so that TUNING means the same number of units an arm as between two arms.
    information = np.where(known, n / 2, 0.0)
    score = np.where(known, information * (mean - limit) / np.sqrt(np.where(known, variance / 2, 1.0)), 0.0)
    return score, information


FAR_FROM_ZERO = 5.0
"""Standard errors that a denominator's mean must lie above zero before it is divided by: nearer, the delta method's
line is no likeness of the quotient."""
DIGITS = 1e-7
"""Below such a part of what it is the difference of, a variance is rounding: it is taken for none."""


def ratios(arm: Pairs) -> Means:
    """Ratios of means as means, by the delta method; no units where a ratio cannot be told.

    R = m / k varies by a unit as (num - R den) / k does: (var num - 2 R cov + R^2 var den) / k^2.
    """
    n, m, k, var_m, var_k, cov = (
        np.asarray(each, dtype=float)
        for each in (
            arm.units, arm.numerator, arm.denominator, arm.numerator_variance, arm.denominator_variance, arm.covariance,
        )
    )  # fmt: skip
    with np.errstate(all="ignore"):
        told = (n >= 1) & (k > 0) & (k * k * n >= FAR_FROM_ZERO**2 * var_k)
        ratio = m / np.where(told, k, 1.0)
        apart = var_m + ratio * ratio * var_k
        rest = apart - 2 * ratio * cov
        variance = np.where(rest > DIGITS * apart, rest, 0.0) / np.where(told, k * k, 1.0)
        told &= np.isfinite(ratio) & np.isfinite(rest) & np.isfinite(variance)
    return Means(units=np.where(told, n, 0.0), mean=np.where(told, ratio, 0.0), variance=np.where(told, variance, 0.0))


def one_ratio(arm: Pairs) -> tuple[float, float] | None:
    """The ratio of one arm's totals and its variance a unit, nothing where it cannot be told."""
    found = ratios(arm)
    return (float(np.asarray(found.mean)), float(np.asarray(found.variance))) if np.any(found.units) else None


def _arrays(arm: Means) -> tuple[Array, Array, Array]:
    return (
        np.asarray(arm.units, dtype=float),
        np.asarray(arm.mean, dtype=float),
        np.asarray(arm.variance, dtype=float),
    )


def one_sided_mixture(score: ArrayLike, information: ArrayLike, tuning: float = TUNING) -> Array:
    """Log e-value of a sum with drift at most zero and the given variance, by a half-normal mixture over its drift.

    Exactly 2 sqrt(r / (v + r)) exp(z^2 / 2) Phi(z) with z = score / sqrt(v + r); returned is a lower bound of it, tight
    where it matters, which needs no special function (Chernoff's and Birnbaum's bounds on the normal tail).
    """
    s, v = np.asarray(score, dtype=float), np.asarray(information, dtype=float)
    z = s / np.sqrt(v + tuning)
    below = np.minimum(z, 0.0)
    mills = math.sqrt(2 / math.pi) / (np.sqrt(below * below + 4) - below)
    above = np.maximum(z, 0.0) ** 2 / 2
    # exp(above) - 1/2 in logarithms, safe for evidence far beyond what exp can hold.
    inner = np.where(z > 0, above + np.log1p(-0.5 * np.exp(-above)), np.log(mills))
    logs: Array = math.log(2) + 0.5 * np.log(tuning / (v + tuning)) + inner
    return logs


# ---------------------------------------------------------------- harm that begins with a later stage

FROM_THE_START = 0.9
"""The weight of harm that was there from the first stage on; what is left is shared by all that may begin later."""


def since_any_stage(logs: Sequence[ArrayLike]) -> Array:
    """Log e-value against harm that began with some stage: `logs[k]` is that of the data from stage k on.

    Each of them is an e-process that stands at 1 until its stage begins, so their weighted mean is one too, with
    weights that add up to 1 over all stages that may ever come: 0.9, then 0.1 / (k (k - 1)) for k = 2, 3, ... Without
    it, harm that a later stage brings would have to outweigh all the harmless evidence of the stages before.
    """
    later = 1 - FROM_THE_START
    weights = [FROM_THE_START, *(later / (k * (k - 1)) for k in range(2, len(logs) + 1))][: len(logs)]
    terms = [math.log(weight) + np.asarray(log, dtype=float) for weight, log in zip(weights, logs, strict=True)]
    to_come = np.asarray(math.log(later / len(logs)) if logs else 0.0)
    mixed: Array = np.logaddexp.reduce(np.broadcast_arrays(*terms, to_come))
    return mixed


def average(logs: Sequence[float]) -> float:
    """The logarithm of the mean of e-values, from their logarithms: their mean is an e-value too, unlike their product.

    Source: Vovk and Wang, E-values: calibration, combination and applications, Annals of Statistics 2021.
    """
    return float(np.logaddexp.reduce(logs) - math.log(len(logs)))


# ---------------------------------------------------------------- intervals and error budget

Test = Callable[[float], float]


def interval(above: Test, below: Test, alpha: float, low: float, high: float) -> tuple[float | None, float | None]:
    """The values that are not rejected between `low` and `high`; an open end is None.

    `above(x)` is the log e-value against "at most x" and falls as x rises; `below(x)` the one against "at least x".
    Each end alone errs with probability alpha.
    """
    bar = -math.log(alpha)
    return _crossing(lambda x: above(x) - bar, low, high), _crossing(lambda x: bar - below(x), low, high)


PRECISION = 1e-10
"""How far, relative to it, a bound of an interval may be from where it is."""


def _crossing(value: Test, low: float, high: float) -> float | None:
    """Where a value that is positive at `low` and falls reaches zero; None if it does not between them.

    Inverse quadratic steps where these are safe, halves otherwise: a fifth of the evaluations of halving alone.
    T. R. Chandrupatla, "A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear function without
    using derivatives", Advances in Engineering Software 28 (1997).
    """
    scale, back = (math.log, math.exp) if low > 0 else (float, float)
    a, b = scale(low), scale(high)
    at_a, at_b = value(low), value(high)
    if not (at_a >= 0 > at_b):
        return None
    part = 0.5
    for _ in range(100):
        x = a + part * (b - a)
        at_x = value(back(x))
        if (at_x >= 0) == (at_a >= 0):
            c, at_c = a, at_a
        else:
            c, at_c, b, at_b = b, at_b, a, at_a
        a, at_a = x, at_x
        least = PRECISION / abs(b - a)
        if least > 0.5 or at_a == 0:
            break
        part = min(1 - least, max(least, _step(a, b, c, at_a, at_b, at_c)))
    return back(a if at_a >= 0 else b)


def _step(a: float, b: float, c: float, at_a: float, at_b: float, at_c: float) -> float:
    """How far from `a` towards `b` the next look is: by inverse quadratic interpolation where it will not stray."""
    place, height = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
    if not (height * height < place and (1 - height) ** 2 < 1 - place):
        return 0.5
    return at_a / (at_b - at_a) * at_c / (at_b - at_c) + (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)


def split_alpha(weights: Mapping[str, float], alpha: float) -> dict[str, float]:
    """Each guardrail's part of the error probability, by weights fixed beforehand; the parts add up to `alpha`."""
    total = sum(weights.values())
    return {key: alpha * weight / total for key, weight in weights.items()}
