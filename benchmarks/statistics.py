"""False alarms and detection delays of the guardrail tests, by simulation: `python -m benchmarks.statistics`.

Rules kept here:
- every cell looks 500 times a run; a method passes while the 99 % lower bound of its alarm rate is not above alpha;
- beside it runs what people do instead (a t-test at each look, requests as units, stages added together): a negative
  control, which must fail, or the simulation proves nothing;
- "holding" rows simulate harm exactly at the margin and count how often it was falsely excluded;
- seeded: the same numbers come out every time.

Options: `--runs N` (2,000), `--seed N`, `--markdown FILE` writes the tables for the docs.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from twokey.domain.statistics import (
    Array,
    Means,
    harm_in_counts,
    harm_in_means,
    label_mixture,
    no_harm_in_counts,
    no_harm_in_means,
    one_sided_mixture,
    sample_ratio_mismatch,
    since_any_stage,
)

ALPHA = 0.05
ALARM = -math.log(ALPHA)
LOOKS = 500
MEAN_UNITS = 100
RAMP = (0.01, 0.05, 0.1, 0.25, 0.5)

Draw = Callable[[np.random.Generator, tuple[int, ...], Array, Array], Array]
"""Values of units: (generator, shape, drift by look, whether each unit is a candidate) -> one number a unit."""


@dataclass(frozen=True)
class Cell:
    """One situation: what is measured, how traffic is split over the stages, what drifts, what the null is."""

    name: str
    method: str
    draw: Draw
    shares: tuple[float, ...] = (0.5,)
    drift: float = 1.0
    per_look: int = 40
    ratio: float = 1.0
    controls: dict[str, str] = field(default_factory=dict)
    levels: tuple[float, ...] = ()
    """Where the strata are rules that are live at the same time: how large each one's values are."""


@dataclass(frozen=True)
class Traffic:
    """Cumulative sums by run, look and stage: units, sum and sum of squares of each arm."""

    units1: Array
    sum1: Array
    square1: Array
    units0: Array
    sum0: Array
    square0: Array
    shares: Array


# ---------------------------------------------------------------- what a unit's number is


def failures(rate: float, effect: float = 1.0, requests: int = 1) -> Draw:
    """Failing units: 1 with this probability, times drift, times the effect on the candidate.

    Of several requests, which a user's habit makes alike, one that fails makes the user a failing unit.
    """

    def draw(rng: np.random.Generator, shape: tuple[int, ...], drift: Array, candidate: Array) -> Array:
        p = rate / requests * drift[None, :, None] * np.where(candidate, effect, 1.0)
        if requests > 1:
            p = p * np.exp(0.8 * rng.standard_normal(shape) - 0.32)
        return (rng.random(shape) < 1 - (1 - np.minimum(p, 1.0)) ** requests).astype(float)

    return draw


def latencies(sigma: float = 0.6, effect: float = 1.0, threshold: float | None = None, requests: int = 1) -> Draw:
    """Log-normal latencies around 1; with a threshold, whether one is above it (a tail).

    Of several requests, which a user's habit makes alike, the unit has the mean, or whether any is above.
    """

    def draw(rng: np.random.Generator, shape: tuple[int, ...], drift: Array, candidate: Array) -> Array:
        scale = drift[None, :, None] * np.where(candidate, effect, 1.0)
        if requests == 1:
            values = np.exp(sigma * rng.standard_normal(shape)) * scale
            return values if threshold is None else (values > threshold).astype(float)
        each = rng.standard_normal((requests, *shape)) * (0.45 * sigma) + rng.standard_normal(shape) * (0.9 * sigma)
        if threshold is None:
            found: Array = np.exp(each).mean(axis=0) * scale
            return found
        return (np.exp(each.max(axis=0)) * scale > threshold).astype(float)

    return draw


def resampled(pool: Array, effect: float = 1.0, threshold: float | None = None) -> Draw:
    """Measured values drawn again."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...], drift: Array, candidate: Array) -> Array:
        values = rng.choice(pool, shape) * drift[None, :, None] * np.where(candidate, effect, 1.0)
        return values if threshold is None else (values > threshold).astype(float)

    return draw


# ---------------------------------------------------------------- traffic


def simulate(cell: Cell, rng: np.random.Generator, runs: int, looks: int = LOOKS) -> Traffic:
    """Cumulative figures of that many runs; looks are dealt to the stages in equal parts, to rules in turns."""
    stages = len(cell.shares)
    stage = np.arange(looks) % stages if cell.levels else np.arange(looks) * stages // looks
    share = np.array(cell.shares)[stage]
    drift = cell.drift ** (np.arange(looks) / max(looks - 1, 1))
    if cell.levels:
        drift = drift * np.array(cell.levels)[stage]
    shape = (runs, looks, cell.per_look)
    candidate = rng.random(shape) < share[None, :, None]
    values = cell.draw(rng, shape, drift, candidate)
    mine = (stage[:, None] == np.arange(stages)[None, :]).astype(float)

    def totals(each: NDArray[np.float64]) -> Array:
        by_look: Array = each.sum(axis=-1)[..., None] * mine
        return by_look.cumsum(axis=1)

    on, off = candidate.astype(float), (~candidate).astype(float)
    return Traffic(
        totals(on),
        totals(values * on),
        totals(values * values * on),
        totals(off),
        totals(values * off),
        totals(values * values * off),
        np.array(cell.shares),
    )


def means(units: Array, total: Array, square: Array) -> Means:
    """Mean and sample variance from sums."""
    n = np.maximum(units, 1)
    variance = np.maximum(square - total * total / n, 0) / np.maximum(units - 1, 1)
    return Means(units=units, mean=total / n, variance=variance)


def pooled(traffic: Traffic) -> Traffic:
    """Stages added together, as must not be done; the share becomes the average one."""
    sums = [
        each.sum(axis=-1, keepdims=True)
        for each in (traffic.units1, traffic.sum1, traffic.square1, traffic.units0, traffic.sum0, traffic.square0)
    ]
    return Traffic(*sums, shares=np.maximum(sums[0], 1e-9) / np.maximum(sums[0] + sums[3], 1e-9))


# ---------------------------------------------------------------- methods: log e-value (or an alarm) by run and look


def label(traffic: Traffic, ratio: float) -> Array:
    """The label test on failing units, for harm that began with any stage."""
    stages = range(traffic.sum1.shape[-1])
    return since_any_stage(
        [harm_in_counts(traffic.sum1[..., k:], traffic.sum0[..., k:], traffic.shares[..., k:], ratio) for k in stages]
    )


def mean(traffic: Traffic, ratio: float) -> Array:
    """The stage-stratified mean test, silent under its minimum of units."""
    enough = np.minimum(traffic.units1.sum(axis=-1), traffic.units0.sum(axis=-1)) >= MEAN_UNITS
    since = []
    for k in range(traffic.sum1.shape[-1]):
        ours = means(traffic.units1[..., k:], traffic.sum1[..., k:], traffic.square1[..., k:])
        theirs = means(traffic.units0[..., k:], traffic.sum0[..., k:], traffic.square0[..., k:])
        units = np.minimum(traffic.units1[..., k:].sum(axis=-1), traffic.units0[..., k:].sum(axis=-1))
        since.append(np.where(units >= MEAN_UNITS, harm_in_means(ours, theirs, ratio), 0.0))
    logs: Array = np.where(enough, since_any_stage(since), 0.0)
    return logs


def label_holds(traffic: Traffic, ratio: float) -> Array:
    """The label test that excludes harm."""
    return no_harm_in_counts(traffic.sum1, traffic.sum0, traffic.shares, ratio)


def mean_holds(traffic: Traffic, ratio: float) -> Array:
    """The mean test that excludes harm, silent under its minimum of units."""
    ours = means(traffic.units1, traffic.sum1, traffic.square1)
    theirs = means(traffic.units0, traffic.sum0, traffic.square0)
    enough = np.minimum(traffic.units1.sum(axis=-1), traffic.units0.sum(axis=-1)) >= MEAN_UNITS
    logs: Array = np.where(enough, no_harm_in_means(ours, theirs, ratio), 0.0)
    return logs


def mean_holds_own(traffic: Traffic, ratio: float) -> Array:
    """The same with each arm's own variance (one stage): a negative control where the arms are unequal."""
    ours = means(traffic.units1, traffic.sum1, traffic.square1)
    theirs = means(traffic.units0, traffic.sum0, traffic.square0)
    n1, n0 = np.maximum(traffic.units1[..., 0], 1), np.maximum(traffic.units0[..., 0], 1)
    h = n1 * n0 / (n1 + n0)
    error = np.asarray(ours.variance)[..., 0] / n1 + ratio**2 * np.asarray(theirs.variance)[..., 0] / n0
    difference = np.asarray(ours.mean)[..., 0] - ratio * np.asarray(theirs.mean)[..., 0]
    score = -difference * np.sqrt(h / np.maximum(error, 1e-300))
    enough = np.minimum(traffic.units1[..., 0], traffic.units0[..., 0]) >= MEAN_UNITS
    logs: Array = np.where(enough, one_sided_mixture(score, h), 0.0)
    return logs


def shares_fit(traffic: Traffic, ratio: float) -> Array:
    """The sample-ratio check on the units themselves."""
    del ratio
    return sample_ratio_mismatch(traffic.units1, traffic.units0, traffic.shares)


def t_test(traffic: Traffic, ratio: float) -> Array:
    """Stages added together and a one-sided t-test at each look: the negative control."""
    del ratio
    whole = pooled(traffic)
    ours, theirs = (
        means(whole.units1, whole.sum1, whole.square1),
        means(whole.units0, whole.sum0, whole.square0),
    )
    n1, n0 = np.asarray(ours.units)[..., 0], np.asarray(theirs.units)[..., 0]
    v1, v0 = np.asarray(ours.variance)[..., 0], np.asarray(theirs.variance)[..., 0]
    error = np.sqrt(v1 / np.maximum(n1, 1) + v0 / np.maximum(n0, 1))
    difference = np.asarray(ours.mean)[..., 0] - np.asarray(theirs.mean)[..., 0]
    z = np.where((error > 0) & (np.minimum(n1, n0) >= 20), difference / np.maximum(error, 1e-300), 0.0)
    return np.where(z >= 1.6449, ALARM, 0.0)


def label_pooled(traffic: Traffic, ratio: float) -> Array:
    """A valid sequential test on stages added together: the other negative control."""
    whole = pooled(traffic)
    return harm_in_counts(whole.sum1, whole.sum0, whole.shares[..., :], ratio)


def mean_pooled(traffic: Traffic, ratio: float) -> Array:
    """The mean test on stages added together."""
    return mean(pooled(traffic), ratio)


METHODS: dict[str, Callable[[Traffic, float], Array]] = {
    "label": label,
    "mean": mean,
    "label, holding": label_holds,
    "mean, holding": mean_holds,
    "own variances (mean, holding)": mean_holds_own,
    "shares": shares_fit,
    "t-test at each look": t_test,
    "stages pooled (label)": label_pooled,
    "stages pooled (mean)": mean_pooled,
}


@dataclass(frozen=True)
class Outcome:
    """When each run alarmed first, as the number of the look (0 based), or -1."""

    first: NDArray[np.int64]
    per_look: int

    @property
    def rate(self) -> float:
        """Share of runs that ever alarmed."""
        return float((self.first >= 0).mean())

    def lower(self, confidence: float = 0.99) -> float:
        """Lower confidence bound of the alarm rate (Clopper and Pearson)."""
        hits = int((self.first >= 0).sum())
        return 0.0 if hits == 0 else float(beta.ppf(1 - confidence, hits, len(self.first) - hits + 1))

    def delay(self, quantile: float) -> float:
        """Units an arm (at equal shares) until the alarm; infinite where fewer runs alarmed."""
        looks = np.where(self.first >= 0, self.first + 1.0, np.inf)
        return float(np.quantile(looks, quantile, method="higher")) * self.per_look / 2


def run(cell: Cell, method: str, *, runs: int, seed: int, looks: int = LOOKS, chunk: int = 50) -> Outcome:
    """First alarms of that many seeded runs."""
    return run_all(cell, (method,), runs=runs, seed=seed, looks=looks, chunk=chunk)[method]


def run_all(
    cell: Cell, methods: Iterable[str], *, runs: int, seed: int, looks: int = LOOKS, chunk: int = 50
) -> dict[str, Outcome]:
    """First alarms by method, all on the same traffic."""
    rng = np.random.default_rng(seed)
    firsts: dict[str, list[NDArray[np.int64]]] = {each: [] for each in methods}
    for start in range(0, runs, chunk):
        traffic = simulate(cell, rng, min(chunk, runs - start), looks)
        for method, found in firsts.items():
            alarms = METHODS[method](traffic, cell.ratio) >= ALARM - 1e-12
            found.append(np.where(alarms.any(axis=1), alarms.argmax(axis=1), -1))
    return {each: Outcome(np.concatenate(found), cell.per_look) for each, found in firsts.items()}


# ---------------------------------------------------------------- the cells

T_TEST = {"t-test at each look": "must fail"}


def null_cells(real: Array | None = None) -> list[Cell]:
    """Situations without any effect."""
    cells = [
        Cell("failures 10 %, half and half", "label", failures(0.1), controls=T_TEST),
        Cell("failures 1 %, share 10 %", "label", failures(0.01), (0.1,), controls=T_TEST),
        Cell("failures 1 %, ramp 1 to 50 %", "label", failures(0.01), RAMP),
        Cell(
            "failures 2 to 20 %, ramp 1 to 50 %, both arms drift",
            "label",
            failures(0.02),
            RAMP,
            drift=10,
            controls=T_TEST | {"stages pooled (label)": "must fail"},
        ),
        Cell("at a margin of 25 %, truly at it", "label", failures(0.08, 1.25), ratio=1.25),
        Cell("p95 as a tail, half and half", "label", latencies(threshold=2.68), controls=T_TEST),
        Cell(
            "tail, ramp 1 to 50 %, latency triples in both arms",
            "label",
            latencies(threshold=2.68),
            RAMP,
            drift=3,
            controls={"stages pooled (label)": "must fail"},
        ),
        Cell("mean latency, half and half", "mean", latencies(), controls=T_TEST),
        Cell("mean latency, share 10 %", "mean", latencies(), (0.1,)),
        Cell("mean latency, heavy tail, share 10 %", "mean", latencies(1.2), (0.1,)),
        Cell(
            "mean latency, ramp 1 to 50 %, triples in both arms",
            "mean",
            latencies(),
            RAMP,
            drift=3,
            controls=T_TEST | {"stages pooled (mean)": "must fail"},
        ),
        Cell("mean at a margin of 25 %, truly at it", "mean", latencies(effect=1.25), ratio=1.25),
        Cell("mean latency, heavy tail, share 90 %", "mean", latencies(1.2), (0.9,)),
        Cell("truly at the margin, failures, ramp, drift", "label, holding", failures(0.02, 1.25), RAMP, 4, ratio=1.25),
        Cell("truly at the margin, mean, half and half", "mean, holding", latencies(effect=1.25), ratio=1.25),
        Cell(
            "truly at the margin, mean, heavy tail, share 10 %",
            "mean, holding",
            latencies(1.2, effect=1.25),
            (0.1,),
            ratio=1.25,
            controls={"own variances (mean, holding)": "must fail"},
        ),
        Cell("units arrive as planned, share 10 %", "shares", failures(0.01), (0.1,)),
        Cell("units arrive as planned, ramp 1 to 50 %", "shares", failures(0.01), RAMP),
    ]
    if real is not None:
        cells += [
            Cell("measured latencies resampled, mean", "mean", resampled(real), controls=T_TEST),
            Cell("measured latencies resampled, mean, share 10 %", "mean", resampled(real), (0.1,)),
            Cell(
                "measured latencies resampled, mean, truly at the margin, ramp, drift",
                "mean, holding",
                resampled(real, effect=1.25),
                RAMP,
                3,
                ratio=1.25,
            ),
            Cell(
                "measured latencies resampled, tail", "label", resampled(real, threshold=float(np.quantile(real, 0.95)))
            ),
        ]
    cells += [
        Cell(
            "failures, two rules of 2 and 20 %, shares 10 and 50 %",
            "label",
            failures(0.02),
            (0.1, 0.5),
            levels=(1, 10),
            controls={"stages pooled (label)": "must fail"},
        ),
        Cell(
            "mean latency, two rules of which one is five times as slow, shares 10 and 50 %",
            "mean",
            latencies(),
            (0.1, 0.5),
            levels=(1, 5),
            controls={"stages pooled (mean)": "must fail"},
        ),
    ]
    return cells


def clustered(rng: np.random.Generator, runs: int, users: int, requests: int, *, by_user: bool) -> Outcome:
    """Alarms where each user sends several alike requests: with one number a user, or taken as independent."""
    firsts = []
    for _ in range(runs):
        candidate = rng.random(users) < 0.5
        habit = 0.8 * rng.standard_normal(users)
        values = np.exp(habit[:, None] + 0.3 * rng.standard_normal((users, requests)))
        if by_user:
            flat, arm = values.mean(axis=1), candidate
        else:
            flat, arm = values.ravel(), np.repeat(candidate, requests)
        ends = np.linspace(0, len(flat), 101, dtype=int)[1:] - 1
        alarms = (mean(_prefixes(flat, arm, ends), 1.0) >= ALARM)[0]
        firsts.append(int(alarms.argmax()) if alarms.any() else -1)
    return Outcome(np.array(firsts), len(flat) // 100)


STEPS = (0.01, 0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)


def chronic(rng: np.random.Generator, runs: int, *, once: bool, always: int = 1000, new: int = 200) -> Outcome:
    """Alarms where the same units come in each of ten stages and fail in all of them, or in none, beside new ones.

    A unit counts once, in the stage of its first encounter, or again in every stage.
    """
    looks = LOOKS // len(STEPS)
    firsts = []
    for _ in range(runs):
        share, failing = rng.random(always), rng.random(always) < 0.1
        ours, theirs = np.zeros((LOOKS, len(STEPS))), np.zeros((LOOKS, len(STEPS)))
        for stage, step in enumerate(STEPS):
            drawn = np.concatenate([share, rng.random(new)])
            failed = np.concatenate([failing & (stage == 0 or not once), rng.random(new) < 0.1])
            look = rng.integers(0, looks, len(drawn)) + stage * looks
            for arm, mine in ((ours, drawn < step), (theirs, drawn >= step)):
                arm[:, stage] += np.bincount(look[failed & mine], minlength=LOOKS)
        sums = [each.cumsum(axis=0)[None] for each in (ours, theirs)]
        nothing = np.zeros_like(sums[0])
        found = label(Traffic(nothing, sums[0], nothing, nothing, sums[1], nothing, np.array(STEPS)), 1.0)[0]
        alarms = found >= ALARM - 1e-12
        firsts.append(int(alarms.argmax()) if alarms.any() else -1)
    return Outcome(np.array(firsts), 2 * always // looks)


def _prefixes(values: Array, candidate: NDArray[np.bool_], ends: NDArray[np.int64]) -> Traffic:
    on, off = candidate.astype(float), (~candidate).astype(float)

    def totals(each: Array) -> Array:
        return each.cumsum()[ends][None, :, None]

    return Traffic(
        totals(on),
        totals(values * on),
        totals(values * values * on),
        totals(off),
        totals(values * off),
        totals(values * values * off),
        np.array([0.5]),
    )


EFFECTS = (
    ("latency +10 %", latencies(effect=1.1), latencies(effect=1.1, threshold=2.68)),
    ("latency +25 %", latencies(effect=1.25), latencies(effect=1.25, threshold=2.68)),
    ("failures 1 to 2 %", failures(0.01, 2), failures(0.01, 2)),
    ("failures 0 to 0.5 %", None, None),
    ("failures 11 to 19 %", failures(0.11, 19 / 11), failures(0.11, 19 / 11)),
)


def only_candidate_fails(rng: np.random.Generator, shape: tuple[int, ...], drift: Array, candidate: Array) -> Array:
    """A baseline that never fails against a candidate that fails in one of 200 units."""
    del drift
    failed: Array = ((rng.random(shape) < 0.005) & (candidate > 0)).astype(float)
    return failed


# ---------------------------------------------------------------- report


ONE_AND_FIVE = ((1, ""), (5, ", five alike requests a user"))
CROSSED: tuple[tuple[str, str, Draw], ...] = (
    *((f"failures 5 %{more}", "label", failures(0.05, requests=many)) for many, more in ONE_AND_FIVE),
    *(
        (f"past a limit{tail}{more}", "label", latencies(sigma, threshold=limit, requests=many))
        for many, more in ONE_AND_FIVE
        for sigma, limit, tail in ((0.6, 2.68, ""), (1.2, 7.2, ", heavy tail"))
    ),
    *(
        (f"mean{tail}{more}", "mean", latencies(sigma, requests=many))
        for many, more in ONE_AND_FIVE
        for sigma, tail in ((0.6, ""), (1.2, ", heavy tail"))
    ),
)
"""What is measured: kind, tail, cluster."""
TRAFFIC: tuple[tuple[str, tuple[float, ...]], ...] = (("50 %", (0.5,)), ("10 %", (0.1,)), ("ramp 1 to 50 %", RAMP))
DRIFTS = (("", 1.0), (", drift", 3.0))


def crossed(runs: int, seed: int) -> tuple[list[str], bool]:
    """False alarms of every kind of metric, tail and cluster by every kind of traffic and drift."""
    columns = [f"{share}{drift}" for share, _ in TRAFFIC for drift, _ in DRIFTS]
    lines, good = [f"| nothing true to find | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"], True
    for row, (name, method, draw) in enumerate(CROSSED):
        shown = []
        for column, (shares, drift) in enumerate((shares, drift) for _, shares in TRAFFIC for _, drift in DRIFTS):
            cell = Cell(name, method, draw, shares, drift, per_look=20)
            found = run(cell, method, runs=runs, seed=seed + 100 + 10 * row + column)
            good &= found.lower() <= ALPHA
            shown.append(_rate(found))
        lines.append(f"| {name} | {' | '.join(shown)} |")
        print(lines[-1], flush=True)
    ratio_lines, ratios_good = crossed_ratios(runs, seed)
    return [*lines, *ratio_lines], good and ratios_good


def crossed_ratios(runs: int, seed: int) -> tuple[list[str], bool]:
    """The rows of ratios in that table."""
    from benchmarks import ratios

    lines, good = [], True
    for row, (name, spread) in enumerate(ratios.CROSSED):
        shown = []
        for column, (shares, drift) in enumerate((shares, drift) for _, shares in TRAFFIC for _, drift in DRIFTS):
            cell = ratios.RatioCell(name, shares=shares, drift=drift, per_look=20, spread=spread)
            found = ratios.run_all(cell, runs=runs, seed=seed + 2000 + 10 * row + column)[cell.method]
            good &= found.lower() <= ALPHA
            shown.append(_rate(found))
        lines.append(f"| {name} | {' | '.join(shown)} |")
        print(lines[-1], flush=True)
    return lines, good


def _rate(found: Outcome) -> str:
    return f"{found.rate:.1%}{'' if found.lower() <= ALPHA else ' **FAILS**'}"


def false_alarms(runs: int, seed: int, real: Array | None) -> tuple[list[str], bool]:
    """The false-alarm table of single situations; whether every method passed and every control failed."""
    from benchmarks import limits, ratios  # which read this module

    lines = ["| nothing true to find | method | false alarms | surely (99 %) | instead |", "|---|---|---|---|---|"]
    good = True

    def tell(name: str, method: str, ours: Outcome, controls: dict[str, Outcome]) -> None:
        nonlocal good
        good &= ours.lower() <= ALPHA and all(each.lower() > ALPHA for each in controls.values())
        instead = ", ".join(
            f"{known}: {each.rate:.1%}{'' if each.lower() > ALPHA else ' **PASSES**'}"
            for known, each in controls.items()
        )
        lines.append(f"| {name} | {method} | {_rate(ours)} | {ours.lower():.1%} | {instead} |")
        print(lines[-1], flush=True)

    for number, cell in enumerate(null_cells(real)):
        found = run_all(cell, (cell.method, *cell.controls), runs=runs, seed=seed + number)
        tell(cell.name, cell.method, found[cell.method], {name: found[name] for name in cell.controls})
    users, requests = (clustered(np.random.default_rng(seed), runs, 2000, 5, by_user=each) for each in (True, False))
    tell("a user sends five alike requests, one number a user", "mean", users, {"as units": requests})
    for number, several in enumerate(limits.CELLS):
        found = limits.run_all(several, runs=runs, seed=seed + 3000 + number)
        tell(several.name, several.method, found[several.method], {name: found[name] for name in several.controls})
    for number, each in enumerate(ratios.CELLS):
        found = ratios.run_all(each, runs=runs, seed=seed + 1000 + number)
        tell(each.name, each.method, found[each.method], {name: found[name] for name in each.controls})
    once, again = (chronic(np.random.default_rng(seed), runs, once=each) for each in (True, False))
    tell("most units come again in each of ten stages, counted once", "label", once, {"counted in each stage": again})
    return lines, good


LONGEST = {
    "latency +10 %": (2_100, 5_620),
    "latency +25 %": (640, 1_200),
    "failures 1 to 2 %": (2_080, 1_980),
    "failures 0 to 0.5 %": (1_720, 1_160),
    "failures 11 to 19 %": (520, 400),
}
"""Median delays of the mean and the label test as they were designed; 1.3 times as long is too long."""


def delays(runs: int, seed: int) -> tuple[list[str], bool]:
    """Units an arm at equal shares until the alarm: median (and 90th percentile); whether none takes too long."""
    lines, good = ["| effect | mean test | label or tail test |", "|---|---|---|"], True
    for name, as_mean, as_label in EFFECTS:
        cells = (
            Cell(name, "mean", as_mean or only_candidate_fails, per_look=80),
            Cell(name, "label", as_label or only_candidate_fails, per_look=80),
        )
        found = [run(cell, cell.method, runs=runs, seed=seed) for cell in cells]
        told = [_delay(each, most) for each, most in zip(found, LONGEST[name], strict=True)]
        good &= all(quick for _, quick in told)
        lines.append(f"| {name} | {' | '.join(words for words, _ in told)} |")
        print(lines[-1], flush=True)
    limit_lines, limits_quick = delays_at_limits(runs, seed)
    ratio_lines, ratios_quick = delays_of_ratios(runs, seed)
    return [*lines, *limit_lines, *ratio_lines], good and limits_quick and ratios_quick


def delays_at_limits(runs: int, seed: int) -> tuple[list[str], bool]:
    """The rows of a tail at five limits in that table, in the column of the test that they use."""
    from benchmarks import limits

    lines, good = [], True
    for name, values in limits.EFFECTS:
        cell = limits.LimitsCell(name, values=values, per_look=80, controls=(limits.ALONE,))
        found = limits.run_all(cell, runs=runs, seed=seed)
        told, quick = _delay(found[cell.method], limits.LONGEST[name])
        alone, _ = _delay(found[limits.ALONE])
        good &= quick
        lines += [f"| {name}, at five limits | | {told} |", f"| {name}, at the {limits.ALONE} | | {alone} |"]
        print(*lines[-2:], sep="\n", flush=True)
    return lines, good


def _delay(found: Outcome, most: float = math.inf) -> tuple[str, bool]:
    """Median and 90th percentile in words; whether the median is no longer than 1.3 times `most`."""
    quick = found.delay(0.5) <= 1.3 * most
    told = f"{found.delay(0.5):,.0f} ({found.delay(0.9):,.0f})".replace("inf", "never")
    return told if quick else f"**TOO LONG** {told}", quick


def delays_of_ratios(runs: int, seed: int) -> tuple[list[str], bool]:
    """The rows of ratios in that table, in the column of the test that they use."""
    from benchmarks import ratios

    lines, good = [], True
    for name, effect in ratios.EFFECTS:
        found = ratios.run_all(ratios.RatioCell(name, effect=effect, per_look=80), runs=runs, seed=seed)["ratio"]
        told, quick = _delay(found, ratios.LONGEST[name])
        good &= quick
        lines.append(f"| {name} | {told} | |")
        print(lines[-1], flush=True)
    return lines, good


def agreement() -> str:
    """How far the label test lies from an independent implementation, where the package `ville` is installed."""
    try:
        import ville
    except ImportError:
        return "ville is not installed: no comparison with an independent implementation"
    share, n = 0.1, 400
    labels = (np.random.default_rng(7).random(n) < 0.2).astype(float)
    nodes, weights = np.polynomial.legendre.leggauss(n)
    odds = (1 + nodes) / (1 - nodes) * (1 - share) / share
    ours = label_mixture(
        labels.cumsum()[:, None], (1 - labels).cumsum()[:, None], np.array([share]), 1.0, odds, weights
    )
    theirs = ville.BernoulliTest(share).fit(labels).log_e_values_
    return f"label test and ville differ by at most {np.abs(ours - theirs).max():.0e} in {n} looks"


def measured() -> Array | None:
    """Durations of normal requests of the shared data, None where it is absent."""
    try:
        from tests.support import nezha
    except ImportError:
        return None
    found = nezha.folder()
    return None if found is None else np.array([each.duration_us for each in nezha.normal(found)], dtype=float)


def main() -> int:
    """Run everything; 1 where a method alarms too often or a control does not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20260701)
    parser.add_argument("--markdown", type=Path)
    chosen = parser.parse_args()
    started = time.monotonic()
    print(agreement())
    real = measured()
    if real is None:
        print("the shared data is absent: nothing measured is resampled")
    table, good = false_alarms(chosen.runs, chosen.seed, real)
    cross, sound = crossed(chosen.runs, chosen.seed)
    good &= sound
    slow, quick = delays(max(chosen.runs // 5, 100), chosen.seed)
    good &= quick
    if chosen.markdown:
        chosen.markdown.write_text("\n".join([*table, "", *cross, "", *slow, ""]))
    print(f"{'sound' if good else 'NOT SOUND'}, {chosen.runs:,} runs a cell, {time.monotonic() - started:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
