"""Both arms at a glance, for display and for the checks that come before a test.

Rules kept here:
- only stages in which both arms are planned count; a stage with one arm cannot compare anything;
- displayed values weight each stage alike in both arms (by its information, n1 n0 / (n1 + n0)), so that a ramp cannot
  make two equal arms look different.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from twokey.domain.guardrail.model import ArmFigures, Guardrail, GuardrailKind, StageArms, Worse

_Value = Callable[[ArmFigures], float | None]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Totals and displayed values over the stages in which both arms were planned.

    The failing shares are those past each limit of the guardrail, its own `limit` first.
    """

    stages: tuple[StageArms, ...]
    candidate_units: int
    baseline_units: int
    candidate_joined: int
    baseline_joined: int
    candidate_value: float | None
    baseline_value: float | None
    candidate_failing: tuple[float, ...]
    baseline_failing: tuple[float, ...]
    fallback_share: float

    @property
    def least_told(self) -> int:
        """Units of the smaller arm over the stages that tell something."""
        return told_units(self.stages)

    @property
    def candidate_coverage(self) -> float:
        """Share of exposed candidate units that have the metric."""
        return self.candidate_joined / self.candidate_units if self.candidate_units else 0.0

    @property
    def baseline_coverage(self) -> float:
        """Share of exposed baseline units that have the metric."""
        return self.baseline_joined / self.baseline_units if self.baseline_units else 0.0


def summarise(guardrail: Guardrail, stages: Sequence[StageArms]) -> Summary:
    """The arms of the stages that can be compared."""
    live = tuple(each for each in stages if 0 < each.share < 1)
    ours, theirs = [each.candidate for each in live], [each.baseline for each in live]
    weights = _weights(live)
    candidate_units = sum(arm.units for arm in ours)
    return Summary(
        stages=live,
        candidate_units=candidate_units,
        baseline_units=sum(arm.units for arm in theirs),
        candidate_joined=sum(arm.joined_units for arm in ours),
        baseline_joined=sum(arm.joined_units for arm in theirs),
        candidate_value=_weighted(ours, weights, lambda arm: value(guardrail, arm)),
        baseline_value=_weighted(theirs, weights, lambda arm: value(guardrail, arm)),
        candidate_failing=tuple(_weighted(ours, weights, share) or 0.0 for share in _failing(guardrail)),
        baseline_failing=tuple(_weighted(theirs, weights, share) or 0.0 for share in _failing(guardrail)),
        fallback_share=sum(arm.served_other for arm in ours) / candidate_units if candidate_units else 0.0,
    )


def told_units(stages: Sequence[StageArms]) -> int:
    """Units of the smaller arm, over the stages in which both arms have a figure."""
    told = [each for each in stages if each.candidate.tells and each.baseline.tells]
    return min(sum(each.candidate.joined_units for each in told), sum(each.baseline.joined_units for each in told))


def failures_by_limit(guardrail: Guardrail) -> list[Callable[[ArmFigures], int]]:
    """What counts an arm's failures past each limit of the guardrail, its own `limit` first.

    Raises ValueError for an arm whose failures past the others were not measured.
    """

    def past(number: int) -> Callable[[ArmFigures], int]:
        def counted(arm: ArmFigures) -> int:
            if arm.joined_units and len(arm.failures_at) != len(guardrail.other_limits):
                raise ValueError(f"{guardrail.key}: measured at {len(arm.failures_at)} other limits of its own")
            return arm.failures_at[number] if arm.failures_at else 0

        return counted

    return [lambda arm: arm.failures, *(past(number) for number in range(len(guardrail.other_limits)))]


def _failing(guardrail: Guardrail) -> list[_Value]:
    """Shares of joined units that failed, by limit."""

    def share(count: Callable[[ArmFigures], int]) -> _Value:
        return lambda arm: count(arm) / arm.joined_units if arm.joined_units else None

    return [share(count) for count in failures_by_limit(guardrail)]


def value(guardrail: Guardrail, arm: ArmFigures) -> float | None:
    """The figure that people see: a share for a rate, the mean or ratio, or the tail's quantile."""
    if not arm.joined_units:
        return None
    if guardrail.kind.is_averaged:
        return arm.mean if arm.tells else None
    if guardrail.kind is GuardrailKind.TAIL:
        return arm.quantile_value
    share = arm.failures / arm.joined_units
    return 1 - share if guardrail.worse is Worse.LOWER else share


def _weights(stages: Sequence[StageArms]) -> list[float]:
    pairs = [(each.candidate.joined_units, each.baseline.joined_units) for each in stages]
    shared = [a * b / (a + b) if a and b else 0.0 for a, b in pairs]
    return shared if any(shared) else [float(a + b) for a, b in pairs]


def _weighted(arms: Sequence[ArmFigures], weights: Sequence[float], figure: _Value) -> float | None:
    known = [(shown, weight) for arm, weight in zip(arms, weights, strict=True) if (shown := figure(arm)) is not None]
    total = sum(weight for _, weight in known)
    return sum(shown * weight for shown, weight in known) / total if total else None
