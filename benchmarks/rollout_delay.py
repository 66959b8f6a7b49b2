"""Units until harm that begins with a later stage is found: `python -m benchmarks.rollout_delay [--write]`.

A first stage at 10 % is harmless, with 300 units of the candidate; in the second (half and half) the candidate fails
more often. A look after every 20 units an arm, a margin of 25 %, and four guardrails that share an alpha of 5 %.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from benchmarks.report import PAGE, write_section
from twokey.domain.statistics import harm_in_counts, since_any_stage

FIRST = (300, 2_700)
STEP, MOST, RUNS = 20, 40_000, 2_000
BAR, BOUND = -math.log(0.05 / 4), 1.25
EFFECTS = ((0.2, 0.6), (0.2, 0.4), (0.05, 0.15), (0.11, 0.19), (0.01, 0.03))


def units_until_found(chance: np.random.Generator, baseline: float, candidate: float) -> int:
    """Units an arm of the second stage when the guardrail is breached."""
    first = [chance.binomial(units, baseline) for units in FIRST]
    looks = np.arange(STEP, MOST, STEP)
    ours = chance.binomial(STEP, candidate, len(looks)).cumsum()
    theirs = chance.binomial(STEP, baseline, len(looks)).cumsum()
    candidates, baselines = (
        np.stack([np.full_like(looks, before), after], axis=-1)
        for before, after in zip(first, (ours, theirs), strict=True)
    )
    whole = harm_in_counts(candidates, baselines, [0.1, 0.5], BOUND)
    later = harm_in_counts(ours[:, None], theirs[:, None], [0.5], BOUND)
    found = np.nonzero(since_any_stage([whole, later]) >= BAR)[0]
    return int(looks[found[0]]) if len(found) else MOST


def main() -> None:
    """Simulate, print, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    chance = np.random.default_rng(7)
    lines = [
        "| failures of the candidate | units an arm: median | 90 in 100 | 99 in 100 |",
        "|---|---|---|---|",
    ]
    for baseline, candidate in EFFECTS:
        runs = [units_until_found(chance, baseline, candidate) for _ in range(RUNS)]
        told = " | ".join(f"{np.quantile(runs, share):,.0f}" for share in (0.5, 0.9, 0.99))
        lines.append(f"| {candidate:.0%} instead of {baseline:.0%} | {told} |".replace("%", " %"))
    print("\n".join(lines))
    if chosen.write:
        write_section("rollout delay", "\n".join(lines), PAGE.with_name("guides") / "rollouts.md")


if __name__ == "__main__":
    main()
