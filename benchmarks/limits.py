"""A tail held against five limits by simulation: "anywhere in the distribution", as `other_limits` of a guardrail.

Rules kept here:
- the five see the same units: each is drawn anew from the same seed, and only the limit differs;
- beside the method runs what people do instead, and must fail: e-values multiplied, harm excluded at one limit alone;
- rows and bounds are those of `benchmarks.statistics`, which prints them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics import ALARM, LOOKS, RAMP, Cell, Draw, Outcome, label, label_holds, simulate
from twokey.domain.statistics import Array

SIGMA = 0.6
LIMITS = (1.0, 1.5, 2.16, 2.68, 4.04)
"""Where a half, a quarter, a tenth, a twentieth and a hundredth of all latencies lie above."""

ALONE = "p95 alone"
Values = Callable[[np.random.Generator, tuple[int, ...], Array, Array], Array]


@dataclass(frozen=True)
class LimitsCell:
    """One situation: what the candidate does to latencies, how traffic is split, what drifts, what the null is."""

    name: str
    method: str = "five limits"
    values: Values | None = None
    shares: tuple[float, ...] = (0.5,)
    drift: float = 1.0
    ratio: float = 1.0
    per_look: int = 40
    controls: tuple[str, ...] = ()


def slower(effect: float = 1.0) -> Values:
    """Log-normal latencies; the candidate's are that many times as long."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...], drift: Array, candidate: Array) -> Array:
        found: Array = np.exp(SIGMA * rng.standard_normal(shape)) * drift[None, :, None]
        return found * np.where(candidate, effect, 1.0)

    return draw


def stuck(share: float) -> Values:
    """The same for both arms, but that share of the candidate's units takes longer than every limit."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...], drift: Array, candidate: Array) -> Array:
        found: Array = np.exp(SIGMA * rng.standard_normal(shape)) * drift[None, :, None]
        return np.where((candidate > 0) & (rng.random(shape) < share), 100.0, found)

    return draw


def _past(values: Values, limit: float) -> Draw:
    def draw(rng: np.random.Generator, shape: tuple[int, ...], drift: Array, candidate: Array) -> Array:
        return (values(rng, shape, drift, candidate) > limit).astype(float)

    return draw


def _mean(logs: list[Array]) -> Array:
    mixed: Array = np.logaddexp.reduce(logs) - np.log(len(logs))
    return mixed


METHODS: dict[str, tuple[Callable[..., Array], Callable[[list[Array]], Array]]] = {
    "five limits": (label, _mean),
    "five limits, holding": (label_holds, np.minimum.reduce),
    "e-values multiplied": (label, np.add.reduce),
    "p95 alone (holding)": (label_holds, lambda logs: logs[3]),
    ALONE: (label, lambda logs: logs[3]),
}


def run_all(cell: LimitsCell, *, runs: int, seed: int, looks: int = LOOKS, chunk: int = 50) -> dict[str, Outcome]:
    """First alarms by method, all on the same units."""
    firsts: dict[str, list[NDArray[np.int64]]] = {each: [] for each in (cell.method, *cell.controls)}
    for start in range(0, runs, chunk):
        many = min(chunk, runs - start)
        seen = [simulate(_at(cell, limit), np.random.default_rng((seed, start)), many, looks) for limit in LIMITS]
        for method, found in firsts.items():
            test, put_together = METHODS[method]
            alarms = put_together([test(each, cell.ratio) for each in seen]) >= ALARM - 1e-12
            found.append(np.where(alarms.any(axis=1), alarms.argmax(axis=1), -1))
    return {each: Outcome(np.concatenate(found), cell.per_look) for each, found in firsts.items()}


def _at(cell: LimitsCell, limit: float) -> Cell:
    draw = _past(cell.values or slower(), limit)
    return Cell(cell.name, "label", draw, cell.shares, cell.drift, cell.per_look)


AT_THE_MARGIN = 0.25 * 0.01 / 0.99
"""Stuck units that make a candidate a quarter worse past the furthest limit, and hardly worse past the others."""

CELLS = (
    LimitsCell("latency at five limits, half and half", controls=("e-values multiplied",)),
    LimitsCell("latency at five limits, share 10 %", shares=(0.1,), controls=("e-values multiplied",)),
    LimitsCell("latency at five limits, ramp 1 to 50 %, triples in both arms", shares=RAMP, drift=3),
    LimitsCell(
        "truly at the margin past the furthest of five limits, half and half",
        method="five limits, holding",
        values=stuck(AT_THE_MARGIN),
        ratio=1.25,
        controls=("p95 alone (holding)",),
    ),
)
EFFECTS = (
    ("latency +10 %", slower(1.1)),
    ("latency +25 %", slower(1.25)),
    ("1 % of units stuck", stuck(0.01)),
)
LONGEST = {
    "latency +10 %": 5_620,
    "latency +25 %": 1_200,
    "1 % of units stuck": 2_970,
}
"""Medians that the design names for one limit; for stuck units, half again that of failures of 1 to 2 %, since four of
the five limits see next to nothing of it."""
