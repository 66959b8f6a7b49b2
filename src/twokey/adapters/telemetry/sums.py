"""Sums over units that units can be taken out of again, and whether their digits are still there.

Rules kept here:
- squares and products are summed about middles of their own, fixed when the first units came;
- what is left is nothing beside what has been: then its digits are gone, and the sums have to be read anew.
"""

from __future__ import annotations

from typing import Self

import msgspec

from twokey.adapters.telemetry.ratios import Found

DIGITS = 1e-7
"""Below such a part of what they were, squares have lost too many digits to say how values vary."""


class Sums(msgspec.Struct):
    """Of one guardrail in one arm: units with the metric, failing ones, sum and squares about the `middle`.

    `peak` is the largest that the squares have been: where they are nothing beside it, their digits are gone.
    """

    middle: float
    units: int = 0
    failures: int = 0
    total: float = 0.0
    squares: float = 0.0
    peak: float = 0.0

    def take(self, found: tuple[int, int, float, float], sign: int) -> None:
        """Put units in (1) or take them out (-1): how many, failing ones, mean and sample variance."""
        units, failures, mean, variance = found
        off = mean - self.middle
        self.units += sign * units
        self.failures += sign * failures
        self.total += sign * units * off
        self.squares += sign * ((units - 1) * (variance or 0.0) + units * off * off)
        self.peak = max(self.peak, abs(self.squares))

    @property
    def mean(self) -> float:
        """The mean over the units, of which there must be some."""
        return self.middle + self.total / self.units

    @property
    def variance(self) -> float:
        """The sample variance over the units."""
        return max(0.0, self.spread) / (self.units - 1) if self.units > 1 else 0.0

    @property
    def spread(self) -> float:
        """The squares about the mean."""
        return self.squares - self.total * self.total / self.units if self.units else 0.0

    @property
    def sound(self) -> bool:
        """Whether the spread still has its digits."""
        return self.units < 2 or self.peak == 0.0 or self.spread > DIGITS * self.peak


class Products(msgspec.Struct):
    """Of one ratio in one arm: the sums of its numerator and denominator, and of their products about the middles."""

    over: Sums
    under: Sums
    product: float = 0.0

    @classmethod
    def about(cls, found: Found) -> Self:
        """None yet, about the means of the first that come."""
        return cls(over=Sums(middle=found[1]), under=Sums(middle=found[2]))

    def take(self, found: Found, sign: int) -> None:
        """Put units in (1) or take them out (-1)."""
        units, over, under, over_variance, under_variance, covariance = found
        about = (over - self.over.middle) * (under - self.under.middle)
        self.over.take((units, 0, over, over_variance), sign)
        self.under.take((units, 0, under, under_variance), sign)
        self.product += sign * ((units - 1) * covariance + units * about)

    @property
    def found(self) -> Found | None:
        """As one reading of all these units would have found it."""
        units = self.over.units
        if not units:
            return None
        covariance = self._together / (units - 1) if units > 1 else 0.0
        return units, self.over.mean, self.under.mean, self.over.variance, self.under.variance, covariance

    @property
    def _together(self) -> float:
        return self.product - self.over.total * self.under.total / self.over.units

    @property
    def sound(self) -> bool:
        """Whether both spreads have their digits, and what the ratio leaves of them.

        A ratio varies by the difference of what nearly cancels: that little is left of the sums as they are is taken
        for none by whoever judges, that little is left of what they were is lost.
        """
        if self.over.units < 2:
            return True
        if not (self.over.sound and self.under.sound):
            return False
        ratio = self.over.mean / self.under.mean if self.under.mean else 0.0
        apart = self.over.spread + ratio * ratio * self.under.spread
        rest = apart - 2 * ratio * self._together
        return rest <= DIGITS * apart or rest > DIGITS * (self.over.peak + ratio * ratio * self.under.peak)
