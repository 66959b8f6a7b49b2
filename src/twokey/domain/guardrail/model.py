"""What a guardrail is, what was measured for it, and what was judged.

Rules kept here:
- a unit counts once per metric, in the stage of its first exposure, in the arm that its rule *assigned*;
- figures are kept per rule and stage; nothing here adds stages together;
- a verdict carries everything it rests on: counts, e-value, interval, alpha, margin, stages, method version.
"""

from __future__ import annotations

import math
from enum import StrEnum

import msgspec

from twokey.domain.guardrail.pairs import Pair, ratio_of
from twokey.engine.errors import Invalid

METHOD_VERSION = "twokey-evidence-4"
"""Changes whenever the same figures could give another verdict."""

DEFAULT_ALPHA = 0.05
"""False-alarm probability over a whole rollout, all guardrails of a flag together, however often they are looked at."""

MOST_LIMITS = 5
"""Thresholds of one tail, its own `limit` among them."""

MOST_QUERY = 4_000
"""Characters of a query."""

FALLBACK_LIMIT = 0.02
"""Share of candidate units that may be served something else before no verdict of that candidate may be `holding`."""


class GuardrailKind(StrEnum):
    """How a guardrail's figure is made: from one number per unit, or (`query`) by a query to the metrics system."""

    RATE = "rate"
    MEAN = "mean"
    RATIO = "ratio"
    TAIL = "tail"
    FALLBACK = "fallback"
    QUERY = "query"

    @property
    def is_averaged(self) -> bool:
        """Whether its figure is an average, judged by a mean and how it varies; the others count units."""
        return self in (GuardrailKind.MEAN, GuardrailKind.RATIO)


class Worse(StrEnum):
    """The direction that harms."""

    HIGHER = "higher"
    LOWER = "lower"


class Guardrail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A watched limit on one metric.

    `limit` is what people agreed on (the SLO). For a tail it is the threshold past which a unit counts as failing; for
    a rate, a mean, a ratio and the fallback share it is the figure itself. While both arms live a breach is harm
    *against the baseline* beyond `margin`; without a control arm the figure is held against `limit`.

    `margin` is relative: 0.25 tolerates a candidate figure a quarter worse than the baseline's. `quantile` names the
    figure a tail displays (0.95 reads "p95"), and 1 - quantile is the share of units that may pass the limit.

    `other_limits` are further thresholds of a tail, so that a change anywhere in the distribution is seen and not only
    around `limit`: harm is judged over all of them together, and excluded only where it is excluded at each.

    `denominator` is the metric that a ratio divides by: cost (`metric`) per answer, errors per call. A unit has the sum
    of its events of each; without one of the denominator's it tells nothing.

    `query` is what a guardrail of that kind asks the metrics system, in its own language; `$project`,
    `$environment` and `$flag` stand for where it is asked.
    """

    key: str
    metric: str
    kind: GuardrailKind
    limit: float
    title: str = ""
    unit_label: str = ""
    margin: float = 0.25
    quantile: float = 0.95
    weight: float = 1.0
    coverage_floor: float = 0.8
    minimum_units: int = 100
    worse: Worse = Worse.HIGHER
    denominator: str = ""
    query: str = ""
    other_limits: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    @property
    def name(self) -> str:
        """What people call it."""
        return self.title or self.key

    @property
    def joined_by(self) -> str:
        """The metric that a unit must have to count: a ratio's denominator, otherwise the metric itself."""
        return self.denominator or self.metric

    @property
    def allowed_share(self) -> float:
        """Share of units that may fail while the limit is kept; a tail's quantile says how many may pass it."""
        if self.kind is GuardrailKind.TAIL:
            return 1 - self.quantile
        return 1 - self.limit if self.worse is Worse.LOWER else self.limit


def _check(guardrail: Guardrail) -> None:
    share = guardrail.kind in (GuardrailKind.RATE, GuardrailKind.FALLBACK)
    ratio = guardrail.kind is GuardrailKind.RATIO
    tail, all_limits = guardrail.kind is GuardrailKind.TAIL, (guardrail.limit, *guardrail.other_limits)
    falling_mean = guardrail.kind.is_averaged and guardrail.worse is Worse.LOWER
    for field, good, accepted in (
        ("key", bool(guardrail.key), "a name"),
        ("metric", bool(guardrail.metric), "the name of a metric"),
        ("limit", -float("inf") < guardrail.limit < float("inf"), "a finite number"),
        ("limit", not share or 0 < guardrail.limit < 1, "a share between 0 and 1, such as 0.05 for 5 %"),
        ("other_limits", not guardrail.other_limits or tail, "empty, unless the kind is `tail`"),
        ("other_limits", all(map(math.isfinite, guardrail.other_limits)), "finite numbers"),
        ("other_limits", len(set(all_limits)) == len(all_limits), "each once, and none of them the `limit` itself"),
        ("other_limits", len(all_limits) <= MOST_LIMITS, f"{MOST_LIMITS - 1} beside `limit` at most"),
        ("margin", 0 < guardrail.margin <= 10, "a relative tolerance above 0, such as 0.25"),
        ("margin", guardrail.margin < 1 or not falling_mean, "below 1, where a mean or a ratio must not fall"),
        ("quantile", 0.5 <= guardrail.quantile < 1, "0.5 up to, not including, 1"),
        ("weight", 0 < guardrail.weight < float("inf"), "a number above 0"),
        ("coverage_floor", 0 <= guardrail.coverage_floor <= 1, "a share from 0 to 1"),
        ("minimum_units", guardrail.minimum_units >= 1, "1 or more"),
        ("denominator", bool(guardrail.denominator) or not ratio, "the name of the metric that is divided by"),
        ("denominator", not guardrail.denominator or ratio, "empty, unless the kind is `ratio`"),
        ("denominator", guardrail.denominator != guardrail.metric, "another metric than the one it divides"),
        ("query", bool(guardrail.query) or guardrail.kind is not GuardrailKind.QUERY, "a query that gives one figure"),
        ("query", not guardrail.query or guardrail.kind is GuardrailKind.QUERY, "empty, unless the kind is `query`"),
        ("query", len(guardrail.query) <= MOST_QUERY, f"at most {MOST_QUERY:,} characters"),
    ):
        if not good:
            raise Invalid(f"guardrail {guardrail.key}: {field}", f"is `{getattr(guardrail, field)}`", accepted)


def fallback_guardrail(limit: float = FALLBACK_LIMIT) -> Guardrail:
    """The built-in guardrail on units that were assigned the candidate and served something else."""
    return Guardrail(
        key="fallback_rate",
        metric="twokey.fallback",
        kind=GuardrailKind.FALLBACK,
        limit=limit,
        title="fallback rate",
        unit_label="%",
    )


class ArmFigures(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one arm showed in one stage. `units` were exposed, `joined_units` of them have the metric.

    `failures` counts joined units that failed, `failures_at` the same for each other limit of a tail. `mean` and
    `variance` (sample) are over one number per joined unit; of a ratio they are what `paired` makes of its `pair`.
    `quantile_value` is for display, `served_other` counts units that were assigned here and served something else.
    """

    units: int = 0
    joined_units: int = 0
    failures: int = 0
    mean: float = 0.0
    variance: float = 0.0
    quantile_value: float | None = None
    served_other: int = 0
    pair: Pair | None = None
    failures_at: tuple[int, ...] = ()

    @property
    def tells(self) -> bool:
        """Whether it has a figure: a ratio has none where its denominator is zero, or too near to it to divide by."""
        return self.pair is None or ratio_of(self.joined_units, self.pair) is not None


def paired(arm: ArmFigures, pair: Pair) -> ArmFigures:
    """An arm with the ratio of a pair as its mean, and how far that varies as its variance; 0 where there is none."""
    mean, variance = ratio_of(arm.joined_units, pair) or (0.0, 0.0)
    return msgspec.structs.replace(arm, mean=mean, variance=variance, pair=pair)


class StageArms(msgspec.Struct, frozen=True, kw_only=True):
    """Both arms of one rule during one stage. `stage` is the flag revision since which the shares are constant.

    `share` is the candidate's planned share among the two arms: weight of candidate / (candidate + baseline).
    """

    rule: str | None
    stage: int
    share: float
    candidate: ArmFigures
    baseline: ArmFigures


class VerdictStatus(StrEnum):
    """What can be said. Only `holding` may let a rollout expand."""

    HOLDING = "holding"
    BREACHED = "breached"
    INCONCLUSIVE = "inconclusive"
    CANNOT_JUDGE = "cannot_judge"


class VerdictReason(StrEnum):
    """Why that was said."""

    HARM = "harm"
    HARM_EXCLUDED = "harm_excluded"
    TOO_EARLY = "too_early"
    NO_DATA = "no_data"
    NO_CONTROL = "no_control"
    NO_DENOMINATOR = "no_denominator"
    COVERAGE = "coverage"
    UNEVEN_COVERAGE = "uneven_coverage"
    SAMPLE_RATIO = "sample_ratio"
    TOO_FEW_UNITS = "too_few_units"
    FALLBACK = "fallback"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence says about one guardrail, and all that it rests on.

    `e_value` is the evidence for harm: it reaches 1/alpha under no harm with probability alpha at most, over all looks
    together. `interval` is the candidate's figure relative to the baseline's (1.0: equal) at that confidence, for an
    observational verdict the figure itself. `observational` says that no control arm was left to compare with.
    Values are in the metric's own unit; shares are fractions.
    """

    guardrail: str
    metric: str
    denominator: str = ""
    kind: GuardrailKind
    status: VerdictStatus
    reason: VerdictReason
    sentence: str
    observational: bool = False
    e_value: float | None = None
    interval: tuple[float | None, float | None] | None = None
    alpha: float
    margin: float
    limit: float
    other_limits: tuple[float, ...] = ()
    stages: tuple[StageArms, ...] = ()
    candidate_value: float | None = None
    baseline_value: float | None = None
    candidate_units: int = 0
    baseline_units: int = 0
    fallback_share: float = 0.0
    method: str
    version: str = METHOD_VERSION

    @property
    def passes(self) -> bool:
        """Whether this verdict may let a rollout expand."""
        return self.status is VerdictStatus.HOLDING
