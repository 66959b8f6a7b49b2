"""The tests stay quiet where there is nothing to find, and what people do instead does not: small seeded simulations.

The full table is `python -m benchmarks.statistics`; these are its cells with fewer runs.
"""

import numpy as np
import pytest

from benchmarks import ratios
from benchmarks.statistics import ALPHA, RAMP, Cell, chronic, failures, latencies, run_all

RUNS, LOOKS = 1000, 150


@pytest.mark.parametrize(
    "cell",
    [
        Cell("failures", "label", failures(0.05), (0.1,)),
        Cell("ramp with drift", "label", failures(0.02), RAMP, drift=8),
        Cell("tail", "label", latencies(threshold=2.68)),
        Cell("mean", "mean", latencies()),
        Cell("mean, ramp with drift", "mean", latencies(), RAMP, drift=3),
        Cell("mean, heavy tail, unequal", "mean", latencies(1.2), (0.9,)),
        Cell("at the margin, failures", "label, holding", failures(0.04, 1.25), ratio=1.25),
        Cell("at the margin, mean, unequal", "mean, holding", latencies(1.2, effect=1.25), (0.1,), ratio=1.25),
        Cell("planned shares", "shares", failures(0.05), (0.1,)),
        Cell("two rules of unequal base rates", "label", failures(0.02), (0.1, 0.5), levels=(1, 10)),
        Cell("two rules of unequal base rates, mean", "mean", latencies(), (0.1, 0.5), levels=(1, 5)),
    ],
    ids=lambda cell: cell.name,
)
def test_a_method_alarms_falsely_at_most_as_often_as_it_says(cell: Cell) -> None:
    found = run_all(cell, (cell.method,), runs=RUNS, seed=11, looks=LOOKS)[cell.method]
    assert found.lower() <= ALPHA


@pytest.mark.parametrize(
    "cell",
    [
        ratios.RatioCell("half and half", controls=("events as units",)),
        ratios.RatioCell("share 10 %", shares=(0.1,)),
        ratios.RatioCell("ramp with drift", shares=RAMP, drift=3, controls=("stages pooled (ratio)",)),
        ratios.RatioCell("more events of the same", more_events=1.5, controls=("numerator alone",)),
        ratios.RatioCell("at the margin", "ratio, holding", shares=(0.1,), effect=1.25, ratio=1.25, spread=1.2),
    ],
    ids=lambda cell: cell.name,
)
def test_a_ratio_alarms_falsely_at_most_as_often_as_it_says_and_what_people_do_instead_more_often(
    cell: ratios.RatioCell,
) -> None:
    found = ratios.run_all(cell, runs=RUNS, seed=11, looks=LOOKS)
    assert found[cell.method].lower() <= ALPHA
    assert all(found[each].lower() > ALPHA for each in cell.controls)


def test_a_t_test_at_each_look_alarms_far_too_often() -> None:
    found = run_all(Cell("", "mean", latencies()), ("t-test at each look",), runs=RUNS, seed=11, looks=LOOKS)
    assert found["t-test at each look"].lower() > ALPHA


def test_stages_added_together_alarm_far_too_often() -> None:
    methods = ("stages pooled (label)", "stages pooled (mean)")
    found = run_all(Cell("", "label", failures(0.02), RAMP, drift=8), methods[:1], runs=100, seed=11, looks=LOOKS)
    assert found[methods[0]].lower() > ALPHA
    found = run_all(Cell("", "mean", latencies(), RAMP, drift=3), methods[1:], runs=100, seed=11, looks=LOOKS)
    assert found[methods[1]].lower() > ALPHA


def test_rules_of_unequal_base_rates_added_together_alarm_far_too_often() -> None:
    for method, draw in (("stages pooled (label)", failures(0.02)), ("stages pooled (mean)", latencies())):
        cell = Cell("", "label", draw, (0.1, 0.5), levels=(1, 10))
        assert run_all(cell, (method,), runs=100, seed=11, looks=LOOKS)[method].lower() > ALPHA


def test_units_that_come_in_every_stage_keep_alpha_when_each_counts_once_and_not_when_it_counts_again() -> None:
    once, again = (chronic(np.random.default_rng(11), RUNS, once=each) for each in (True, False))
    assert once.lower() <= ALPHA < again.lower()


def test_real_harm_is_found_by_nearly_every_run() -> None:
    for cell in (
        Cell("", "label", failures(0.05, 2)),
        Cell("", "mean", latencies(effect=1.25)),
        Cell("", "label", latencies(threshold=2.68, effect=1.25)),
    ):
        assert run_all(cell, (cell.method,), runs=100, seed=5, looks=LOOKS)[cell.method].rate > 0.95
