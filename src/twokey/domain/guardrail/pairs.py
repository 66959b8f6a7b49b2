"""Two numbers a unit: what a ratio is made of.

Rules kept here:
- a ratio is the mean of the numerator by the mean of the denominator, never a mean of quotients: a unit with one event
  would count as much as one with a hundred;
- where the denominator's mean is not clearly above zero there is no ratio, and nothing stands in for one.
"""

from __future__ import annotations

import msgspec

from twokey.domain.statistics import Pairs, one_ratio


class Pair(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A numerator and a denominator: means, sample variances and covariance over units."""

    numerator: float = 0.0
    denominator: float = 0.0
    numerator_variance: float = 0.0
    denominator_variance: float = 0.0
    covariance: float = 0.0


def ratio_of(units: int, pair: Pair) -> tuple[float, float] | None:
    """The ratio of a pair and its variance a unit, nothing where it cannot be told."""
    return one_ratio(
        Pairs(
            units=units,
            numerator=pair.numerator,
            denominator=pair.denominator,
            numerator_variance=pair.numerator_variance,
            denominator_variance=pair.denominator_variance,
            covariance=pair.covariance,
        )
    )


def without(units: int, whole: Pair, cut: int, part: Pair) -> Pair:
    """The pair of the units of `whole` that are not in `part`; all 0 where none are left."""
    left = units - cut
    if left <= 0:
        return Pair()

    def rest(of_all: float, of_part: float) -> float:
        return (of_all * units - of_part * cut) / left

    over, under = rest(whole.numerator, part.numerator), rest(whole.denominator, part.denominator)
    tops = (whole.numerator, part.numerator, over)
    bottoms = (whole.denominator, part.denominator, under)

    def spread(of_all: float, of_part: float, one: tuple[float, ...], other: tuple[float, ...]) -> float:
        """The products about the means of what is left: all, less those of the part and those between the two."""
        between = cut * (one[1] - one[0]) * (other[1] - other[0]) + left * (one[2] - one[0]) * (other[2] - other[0])
        return (of_all * (units - 1) - of_part * max(0, cut - 1) - between) / (left - 1) if left > 1 else 0.0

    return Pair(
        numerator=over,
        denominator=under,
        numerator_variance=max(0.0, spread(whole.numerator_variance, part.numerator_variance, tops, tops)),
        denominator_variance=max(0.0, spread(whole.denominator_variance, part.denominator_variance, bottoms, bottoms)),
        covariance=spread(whole.covariance, part.covariance, tops, bottoms),
    )
