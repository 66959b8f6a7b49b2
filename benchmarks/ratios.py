"""Ratios by simulation: cost per answer and errors per call, where a unit has many events and habits of its own.

Rules kept here:
- a unit's habit moves both of its numbers: who asks more pays more for each answer, so that the two go together;
- beside the method runs what people do instead, and must fail: events as units, stages added together, the numerator
  alone;
- rows and bounds are those of `benchmarks.statistics`, which prints them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.statistics import ALARM, LOOKS, MEAN_UNITS, RAMP, Outcome
from twokey.domain.statistics import Array, Means, Pairs, harm_in_means, no_harm_in_means, ratios, since_any_stage

EVENTS = 3.0
"""Events of a unit, on average."""


@dataclass(frozen=True)
class RatioCell:
    """One situation: how values vary, how traffic is split over the stages, what drifts, what the null is."""

    name: str
    method: str = "ratio"
    shares: tuple[float, ...] = (0.5,)
    drift: float = 1.0
    per_look: int = 40
    ratio: float = 1.0
    effect: float = 1.0
    more_events: float = 1.0
    spread: float = 0.3
    errors: bool = False
    controls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arm:
    """Cumulative sums by run, look and stage: units, both numbers, their squares and product, squares by event."""

    units: Array
    over: Array
    under: Array
    overs: Array
    unders: Array
    product: Array
    by_event: Array

    def since(self, stage: int) -> Arm:
        """Without the stages before."""
        return Arm(*(getattr(self, name)[..., stage:] for name in self.__dataclass_fields__))

    def pooled(self) -> Arm:
        """Stages added together, as must not be done."""
        return Arm(*(getattr(self, name).sum(axis=-1, keepdims=True) for name in self.__dataclass_fields__))

    def means(self) -> Means:
        """Ratios as the guardrails have them."""
        n, above = np.maximum(self.units, 1), np.maximum(self.units - 1, 1)
        return ratios(
            Pairs(
                units=self.units,
                numerator=self.over / n,
                denominator=self.under / n,
                numerator_variance=np.maximum(self.overs - self.over**2 / n, 0) / above,
                denominator_variance=np.maximum(self.unders - self.under**2 / n, 0) / above,
                covariance=(self.product - self.over * self.under / n) / above,
            )
        )

    def events(self) -> Means:
        """Events taken for units."""
        return _mean(self.under, self.over, self.by_event)

    def numerators(self) -> Means:
        """The numerator by itself."""
        return _mean(self.units, self.over, self.overs)


def _mean(units: Array, total: Array, squares: Array) -> Means:
    n = np.maximum(units, 1)
    variance = np.maximum(squares - total * total / n, 0) / np.maximum(units - 1, 1)
    return Means(units=units, mean=total / n, variance=variance)


@dataclass(frozen=True)
class Sides:
    """Both arms."""

    ours: Arm
    theirs: Arm
    stages: int = field(default=1)


# ---------------------------------------------------------------- traffic


def simulate(cell: RatioCell, rng: np.random.Generator, runs: int, looks: int = LOOKS) -> Sides:
    """Cumulative figures of that many runs; looks are dealt to the stages in equal parts."""
    stages = len(cell.shares)
    stage = np.arange(looks) * stages // looks
    shape = (runs, looks, cell.per_look)
    candidate = rng.random(shape) < np.array(cell.shares)[stage][None, :, None]
    drift = (cell.drift ** (np.arange(looks) / max(looks - 1, 1)))[None, :, None] * np.where(candidate, cell.effect, 1)
    habit = rng.standard_normal(shape)
    events = rng.poisson(EVENTS * np.exp(0.6 * habit - 0.18) * np.where(candidate, cell.more_events, 1.0))
    if cell.errors:
        over = rng.binomial(events, np.minimum(0.05 * np.exp(0.6 * habit - 0.18) * drift, 1.0)).astype(float)
        by_event = over
    else:
        each = np.exp(0.4 * habit + cell.spread * rng.standard_normal(shape)) * drift
        over, by_event = events * each, events * each * each
    mine = (stage[:, None] == np.arange(stages)[None, :]).astype(float)

    def arm(on: Array) -> Arm:
        def totals(values: Array) -> Array:
            by_look: Array = (values * on).sum(axis=-1)[..., None] * mine
            return by_look.cumsum(axis=1)

        under = events.astype(float)
        return Arm(
            totals((events > 0).astype(float)),
            totals(over),
            totals(under),
            totals(over * over),
            totals(under * under),
            totals(over * under),
            totals(by_event),
        )

    return Sides(arm(candidate.astype(float)), arm((~candidate).astype(float)), stages)


# ---------------------------------------------------------------- methods: log e-value by run and look

Of = Callable[[Arm], Means]


def _harm(sides: Sides, ratio: float, of: Of) -> Array:
    since = []
    for stage in range(sides.stages):
        ours, theirs = sides.ours.since(stage), sides.theirs.since(stage)
        least = np.minimum(ours.units.sum(axis=-1), theirs.units.sum(axis=-1))
        since.append(np.where(least >= MEAN_UNITS, harm_in_means(of(ours), of(theirs), ratio), 0.0))
    return np.where(_enough(sides), since_any_stage(since), 0.0)


def _enough(sides: Sides) -> Array:
    found: Array = np.minimum(sides.ours.units.sum(axis=-1), sides.theirs.units.sum(axis=-1)) >= MEAN_UNITS
    return found


def _holds(sides: Sides, ratio: float) -> Array:
    return np.where(_enough(sides), no_harm_in_means(sides.ours.means(), sides.theirs.means(), ratio), 0.0)


def _pooled(sides: Sides, ratio: float) -> Array:
    return _harm(Sides(sides.ours.pooled(), sides.theirs.pooled()), ratio, Arm.means)


METHODS: dict[str, Callable[[Sides, float], Array]] = {
    "ratio": lambda sides, ratio: _harm(sides, ratio, Arm.means),
    "ratio, holding": _holds,
    "events as units": lambda sides, ratio: _harm(sides, ratio, Arm.events),
    "numerator alone": lambda sides, ratio: _harm(sides, ratio, Arm.numerators),
    "stages pooled (ratio)": _pooled,
}


def run_all(cell: RatioCell, *, runs: int, seed: int, looks: int = LOOKS, chunk: int = 50) -> dict[str, Outcome]:
    """First alarms of the cell's method and its controls, all on the same traffic."""
    rng = np.random.default_rng(seed)
    firsts: dict[str, list[Array]] = {each: [] for each in (cell.method, *cell.controls)}
    for start in range(0, runs, chunk):
        sides = simulate(cell, rng, min(chunk, runs - start), looks)
        for method, found in firsts.items():
            alarms = METHODS[method](sides, cell.ratio) >= ALARM - 1e-12
            found.append(np.where(alarms.any(axis=1), alarms.argmax(axis=1), -1))
    return {each: Outcome(np.concatenate(found), cell.per_look) for each, found in firsts.items()}


CELLS = (
    RatioCell("cost per answer, half and half", controls=("events as units",)),
    RatioCell("cost per answer, share 10 %", shares=(0.1,), controls=("events as units",)),
    RatioCell(
        "cost per answer, ramp 1 to 50 %, costs triple in both arms",
        shares=RAMP,
        drift=3,
        controls=("events as units", "stages pooled (ratio)"),
    ),
    RatioCell(
        "cost per answer, the candidate has half again as many answers",
        more_events=1.5,
        controls=("numerator alone",),
    ),
    RatioCell("errors per call, half and half", errors=True),
    RatioCell("errors per call, share 10 %", shares=(0.1,), errors=True),
    RatioCell("cost per answer at a margin of 25 %, truly at it", effect=1.25, ratio=1.25),
    RatioCell("cost per answer, heavy tail, share 90 %", shares=(0.9,), spread=1.2),
    RatioCell("truly at the margin, cost per answer, half and half", "ratio, holding", effect=1.25, ratio=1.25),
    RatioCell(
        "truly at the margin, cost per answer, heavy tail, share 10 %",
        "ratio, holding",
        shares=(0.1,),
        effect=1.25,
        ratio=1.25,
        spread=1.2,
    ),
    RatioCell(
        "truly at the margin, cost per answer, ramp, drift", "ratio, holding", RAMP, 3, effect=1.25, ratio=1.25
    ),
)  # fmt: skip
"""Situations without any effect beyond the margin."""

CROSSED = (("ratio", 0.3), ("ratio, heavy tail", 1.2))
"""Rows of the crossed table, with how far one event's value varies."""

EFFECTS = (("cost per answer +10 %", 1.1), ("cost per answer +25 %", 1.25))
LONGEST = {"cost per answer +10 %": 1_280, "cost per answer +25 %": 320}
"""Median delays as they were when ratios came; 1.3 times as long is too long."""
