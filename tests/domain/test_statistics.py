"""The sequential tests against their laws, an independent implementation, and exact probabilities."""

import itertools
import math

import numpy as np
import pytest
import ville
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln, log_ndtr, xlogy

from twokey.domain.statistics import (
    STEPS,
    TUNING,
    Means,
    harm_in_counts,
    harm_in_means,
    interval,
    label_mixture,
    mean_above,
    mean_below,
    no_harm_in_counts,
    no_harm_in_means,
    one_sided_mixture,
    sample_ratio_mismatch,
    share_above,
    share_below,
    since_any_stage,
    split_alpha,
    standardised,
)

ALARM = math.log(20)
counts = st.integers(0, 400)
shares = st.floats(0.01, 0.99)
ratios = st.floats(0.2, 5)


# ---------------------------------------------------------------- label test: laws


@given(counts, counts, counts, counts, shares, ratios)
def test_merging_stages_of_equal_share_changes_nothing(a: int, b: int, c: int, d: int, share: float, r: float) -> None:
    apart = harm_in_counts([a, c], [b, d], [share, share], r)
    together = harm_in_counts([a + c], [b + d], [share], r)
    assert float(apart) == pytest.approx(float(together), rel=1e-9, abs=1e-9)


@given(counts, counts, shares, ratios)
def test_relabelling_the_arms_mirrors_the_test(ours: int, theirs: int, share: float, ratio: float) -> None:
    straight = float(harm_in_counts([ours], [theirs], [share], ratio))
    mirrored = float(no_harm_in_counts([theirs], [ours], [1 - share], 1 / ratio))
    assert straight == pytest.approx(mirrored, rel=1e-7, abs=1e-7)


@given(st.lists(st.tuples(counts, counts, shares), min_size=1, max_size=5), ratios)
def test_the_order_of_stages_does_not_matter(stages: list[tuple[int, int, float]], ratio: float) -> None:
    ours, theirs, planned = zip(*stages, strict=True)
    back = tuple(reversed(ours)), tuple(reversed(theirs)), tuple(reversed(planned))
    forward = float(harm_in_counts(ours, theirs, planned, ratio))
    assert forward == pytest.approx(float(harm_in_counts(*back, ratio)), rel=1e-9, abs=1e-9)


@given(counts, counts, shares, ratios)
def test_a_stage_with_one_arm_says_nothing(ours: int, theirs: int, share: float, ratio: float) -> None:
    alone = float(harm_in_counts([ours], [theirs], [share], ratio))
    beside = float(harm_in_counts([ours, 70, 0], [theirs, 0, 90], [share, 1.0, 0.0], ratio))
    assert beside == alone


@given(counts, counts, shares, ratios)
def test_one_more_failure_of_the_candidate_never_looks_better(a: int, b: int, share: float, ratio: float) -> None:
    assert float(harm_in_counts([a + 1], [b], [share], ratio)) > float(harm_in_counts([a], [b], [share], ratio))
    assert float(no_harm_in_counts([a + 1], [b], [share], ratio)) < float(no_harm_in_counts([a], [b], [share], ratio))


@given(counts, counts, shares, st.floats(0.3, 3), st.floats(1.01, 2))
def test_a_wider_margin_alarms_later(a: int, b: int, share: float, ratio: float, more: float) -> None:
    assert (
        float(harm_in_counts([a], [b], [share], ratio * more)) <= float(harm_in_counts([a], [b], [share], ratio)) + 1e-9
    )


def test_nothing_seen_is_no_evidence() -> None:
    for test in (harm_in_counts, no_harm_in_counts, sample_ratio_mismatch):
        assert float(test([0], [0], [0.1])) == pytest.approx(0.0, abs=1e-12)


def test_drift_that_both_arms_share_leaves_the_test_valid() -> None:
    """Failures go from 1 % to 40 % in both arms: labels stay at the planned share, and the test sees labels alone."""
    failing = np.array([10, 400])
    ours, theirs = failing // 10, failing - failing // 10
    assert float(harm_in_counts(ours, theirs, [0.1, 0.1])) < 0
    assert float(harm_in_counts(ours.sum(), theirs.sum(), 0.1 * np.ones(1))) < 0


def test_pooling_a_ramp_alarms_where_stages_do_not() -> None:
    """Calm at 1 % share, stormy at 50 %, equal arms throughout: stages must not be added together."""
    ours, theirs, planned = [1, 500], [99, 500], [0.01, 0.5]
    assert float(harm_in_counts(ours, theirs, planned)) < 0
    average = (0.01 * 10_000 + 0.5 * 1_250) / 11_250
    assert float(harm_in_counts([501], [599], [average])) > 100


# ---------------------------------------------------------------- label test: exactly an e-value


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("ratio", [1.0, 1.25, 3.0])
def test_the_expected_e_value_is_one_at_the_edge_of_the_null_and_below_inside(share: float, ratio: float) -> None:
    n = 60
    ours = np.arange(n + 1)
    logs = harm_in_counts(ours[:, None], n - ours[:, None], [share], ratio)

    def expected(true_ratio: float) -> float:
        p = share * true_ratio / (share * true_ratio + 1 - share)
        weights = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in ours]
        return float(np.dot(weights, np.exp(logs)))

    assert expected(ratio) == pytest.approx(1.0, rel=1e-9)
    assert expected(ratio * 0.8) < 1
    assert expected(ratio * 1.5) > 1


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.4])
def test_the_share_test_is_an_e_value_too(limit: float) -> None:
    n = 80
    failed = np.arange(n + 1)

    def expected(logs: np.ndarray, p: float) -> float:
        return float(np.dot([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in failed], np.exp(logs)))

    assert expected(share_above(failed, n, limit), limit) == pytest.approx(1.0, rel=1e-9)
    assert expected(share_above(failed, n, limit), limit / 2) < 1
    assert expected(share_below(failed, n, limit), limit) == pytest.approx(1.0, rel=1e-9)
    assert expected(share_below(failed, n, limit), limit * 1.5) < 1


def test_the_chance_of_ever_alarming_is_exact_and_under_alpha() -> None:
    """No simulation: the distribution of the count is carried through 400 failing units, mass that alarms leaves."""
    share, alive, ever = 0.3, np.array([1.0]), 0.0
    for n in range(1, 401):
        alive = np.append(alive * (1 - share), 0.0) + np.append(0.0, alive * share)
        ours = np.arange(n + 1)
        alarms = harm_in_counts(ours[:, None], n - ours[:, None], [share]) >= ALARM
        ever += float(alive[alarms].sum())
        alive[alarms] = 0.0
    assert 0.005 < ever <= 0.05


def test_it_works_where_the_baseline_never_fails() -> None:
    assert float(harm_in_counts([8], [0], [0.5], 1.25)) > ALARM / 2
    assert float(harm_in_counts([14], [0], [0.5], 1.25)) > ALARM
    assert math.isfinite(float(no_harm_in_counts([14], [0], [0.5], 1.25)))


@pytest.mark.parametrize(("share", "failing"), [(0.5, 54), (0.1, 112), (0.01, 885)])
def test_a_doubled_failure_rate_is_seen_in_about_as_many_failing_units_as_the_guide_says(
    share: float, failing: int
) -> None:
    """The likeliest path: the candidate's part of the failing units is what a doubled rate gives."""
    twice = 2 * share / (1 + share)
    needed = next(
        n for n in itertools.count(1) if float(harm_in_counts([n * twice], [n * (1 - twice)], [share])) >= ALARM
    )
    assert failing / 1.6 < needed < failing * 1.6


# ---------------------------------------------------------------- an independent implementation


def test_the_label_test_agrees_with_the_closed_form_of_a_beta_mixture() -> None:
    """Ours over ratios that make the label's probability uniform, integrated exactly, against the beta function."""
    share, n = 0.1, 120
    nodes, weights = np.polynomial.legendre.leggauss(n)
    p = (nodes + 1) / 2
    alternatives = p / (1 - p) * (1 - share) / share
    for ours, theirs in [(0, 0), (1, 0), (0, 1), (12, 90), (40, 80), (3, 117)]:
        closed = betaln(1 + ours, 1 + theirs) - xlogy(ours, share) - xlogy(theirs, 1 - share)
        mixed = float(label_mixture([ours], [theirs], [share], 1.0, alternatives, weights))
        assert mixed == pytest.approx(closed, abs=1e-11)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_label_test_agrees_with_another_implementation_at_every_look(share: float) -> None:
    """Ours over the same prior (uniform over the label's probability), failing unit by failing unit, beside `ville`."""
    labels = np.random.default_rng(3).random(150) < min(0.95, 2 * share)
    theirs = ville.BernoulliTest(share).fit(labels.astype(float)).log_e_values_
    nodes, weights = np.polynomial.legendre.leggauss(200)
    p = (nodes + 1) / 2
    alternatives = p / (1 - p) * (1 - share) / share
    candidate = np.cumsum(labels)[:, None]
    baseline = np.arange(1, len(labels) + 1)[:, None] - candidate
    ours = label_mixture(candidate, baseline, [share], 1.0, alternatives, weights)
    assert np.abs(ours - theirs).max() < 1e-9


def test_harm_that_begins_with_a_later_stage_is_found_though_the_stages_before_were_long() -> None:
    shares, quiet, harmed = [0.1, 0.5], (400, 3600), (90, 30)
    ours, theirs = [quiet[0], harmed[0]], [quiet[1], harmed[1]]
    together = float(harm_in_counts(ours, theirs, shares))
    since = [float(harm_in_counts(ours[k:], theirs[k:], shares[k:])) for k in range(2)]
    assert together < ALARM <= float(since_any_stage(since))


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=6))
def test_the_weights_of_all_stages_that_may_come_never_add_up_to_more_than_one(logs: list[float]) -> None:
    assert float(since_any_stage([0.0] * len(logs))) == pytest.approx(0.0, abs=1e-12)
    assert float(since_any_stage(logs)) <= max(*logs, 0.0) + 1e-9
    assert float(since_any_stage([])) == 0.0


@given(st.floats(-50, 50), st.floats(1, 1e5))
def test_the_mean_test_never_claims_more_than_the_exact_mixture(z: float, information: float) -> None:
    score = z * math.sqrt(information + TUNING)
    exact = math.log(2) + 0.5 * math.log(TUNING / (information + TUNING)) + z * z / 2 + float(log_ndtr(z))
    assert float(one_sided_mixture(score, information)) <= exact + 1e-9


@pytest.mark.parametrize("information", [50.0, 250.0, 1_000.0, 20_000.0])
def test_where_it_alarms_it_gives_away_hardly_anything(information: float) -> None:
    z = _boundary(information) / math.sqrt(information + TUNING)
    exact = math.log(2) + 0.5 * math.log(TUNING / (information + TUNING)) + z * z / 2 + float(log_ndtr(z))
    assert ALARM <= exact < ALARM * 1.01


def _boundary(information: float) -> float:
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if float(one_sided_mixture(middle, information)) < ALARM else (low, middle)
    return high


# ---------------------------------------------------------------- means


def arm(units: float, mean: float, variance: float) -> Means:
    return Means(units=[units], mean=[mean], variance=[variance])


@given(st.floats(0.5, 20), st.floats(1, 1000), st.floats(1, 1000), st.floats(0.1, 100))
def test_means_do_not_depend_on_the_unit_of_measurement(ratio: float, m1: float, m0: float, scale: float) -> None:
    plain = harm_in_means(arm(300, m1, 400), arm(500, m0, 300), ratio)
    scaled = harm_in_means(arm(300, m1 * scale, 400 * scale**2), arm(500, m0 * scale, 300 * scale**2), ratio)
    assert float(plain) == pytest.approx(float(scaled), rel=1e-6, abs=1e-6)


def test_relabelling_mirrors_the_mean_test() -> None:
    one, other = arm(300, 120, 400), arm(500, 100, 300)
    assert float(harm_in_means(one, other)) == pytest.approx(float(no_harm_in_means(other, one)), rel=1e-12)


def test_equal_drift_between_stages_cancels_and_pooling_would_not() -> None:
    """Latency doubles between a 10 % and a 50 % stage, arms equal in each."""
    ours = Means(units=[100, 1000], mean=[100, 200], variance=[400, 400])
    theirs = Means(units=[900, 1000], mean=[100, 200], variance=[400, 400])
    assert float(harm_in_means(ours, theirs)) < 0
    pooled = harm_in_means(arm(1100, 190.9, 1226), arm(1900, 152.6, 2894))
    assert float(pooled) > ALARM


def test_stages_without_two_units_in_each_arm_or_without_spread_say_nothing() -> None:
    ours = Means(units=[300, 1, 0], mean=[120, 9e9, 0], variance=[400, 0, 0])
    theirs = Means(units=[300, 500, 500], mean=[100, 1, 1], variance=[400, 1, 1])
    assert float(harm_in_means(ours, theirs)) == float(harm_in_means(arm(300, 120, 400), arm(300, 100, 400)))
    score, information = standardised(arm(300, 120, 0), arm(300, 100, 0), 1.0)
    assert (float(score), float(information)) == (0.0, 0.0)


def test_evidence_beyond_what_floats_hold_stays_finite_in_logarithms() -> None:
    assert math.isfinite(float(harm_in_means(arm(1e9, 1e9, 1), arm(1e9, 1, 1))))
    assert float(harm_in_counts([10**9], [0], [0.5])) > 1e6


def test_one_mean_against_a_limit() -> None:
    assert float(mean_above(arm_total(500, 130, 900), 100)) > ALARM
    assert float(mean_below(arm_total(500, 130, 900), 160)) > ALARM
    assert float(mean_above(arm_total(500, 101, 900), 100)) < ALARM
    assert float(mean_above(arm_total(1, 900, 0), 100)) <= 0


def arm_total(units: float, mean: float, variance: float) -> Means:
    return Means(units=units, mean=mean, variance=variance)


# ---------------------------------------------------------------- shares that do not fit the plan


def test_lost_candidate_units_are_noticed_in_both_directions() -> None:
    assert float(sample_ratio_mismatch([80], [1000], [0.1])) < math.log(100)
    assert float(sample_ratio_mismatch([600], [9400], [0.1])) > math.log(100)
    assert float(sample_ratio_mismatch([1400], [8600], [0.1])) > math.log(100)


def test_a_tolerance_forgives_a_small_imbalance_and_no_large_one() -> None:
    assert float(sample_ratio_mismatch([5200], [4800], [0.5])) > math.log(20)
    assert float(sample_ratio_mismatch([5200], [4800], [0.5], 0.125)) < 0
    assert float(sample_ratio_mismatch([7000], [3000], [0.5], 0.125)) > math.log(100)


# ---------------------------------------------------------------- intervals, budget


def test_an_interval_holds_the_ratio_that_made_the_figures_and_its_ends_are_where_the_tests_reject() -> None:
    counted = ([300], [150], [0.5])

    def above(ratio: float) -> float:
        return float(harm_in_counts(*counted, ratio))

    low, high = interval(above, lambda r: float(no_harm_in_counts(*counted, r)), 0.05, 1e-3, 1e3)
    assert low is not None
    assert high is not None
    assert low < 2.0 < high
    assert above(low) == pytest.approx(ALARM, abs=1e-6)


def test_an_interval_without_evidence_is_open() -> None:
    nothing = interval(lambda _: 0.0, lambda _: 0.0, 0.05, 1e-3, 1e3)
    assert nothing == (None, None)


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0.1, 10), min_size=1, max_size=6))
def test_alpha_is_split_without_remainder(weights: dict[str, float]) -> None:
    parts = split_alpha(weights, 0.05)
    assert sum(parts.values()) == pytest.approx(0.05)
    assert all(part > 0 for part in parts.values())


def test_the_grid_reaches_from_slight_to_drastic_harm() -> None:
    assert STEPS[0] <= 1.1
    assert STEPS[-1] >= 10
