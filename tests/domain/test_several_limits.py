"""A tail of several limits: harm anywhere in the distribution is a breach; what one limit leaves open never holds."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twokey.domain.guardrail import (
    ArmFigures,
    Guardrail,
    GuardrailKind,
    StageArms,
    Verdict,
    each_alone,
    judge,
    judge_before_after,
    together,
)
from twokey.domain.statistics import average
from twokey.domain.triage.cohorts import subtract
from twokey.engine.errors import Invalid

ONE = Guardrail(
    key="latency", metric="latency_ms", kind=GuardrailKind.TAIL, limit=3000, title="latency", unit_label="ms"
)
FIVE = msgspec.structs.replace(ONE, other_limits=(500, 1000, 2000, 9000))


def arm(units: int, failures: int, *failures_at: int) -> ArmFigures:
    return ArmFigures(units=units, joined_units=units, failures=failures, failures_at=failures_at)


def stage(candidate: ArmFigures, baseline: ArmFigures, first: int = 1) -> StageArms:
    return StageArms(rule="r", stage=first, share=0.5, candidate=candidate, baseline=baseline)


def said(verdict: Verdict) -> tuple[str, str]:
    return str(verdict.status), str(verdict.reason)


ALIKE = arm(20_000, 1_000, 9_000, 5_000, 2_000, 200)


def test_harm_far_out_that_the_agreed_limit_does_not_show_is_a_breach_and_says_where() -> None:
    stuck = arm(20_000, 1_040, 9_000, 5_000, 2_010, 420)
    assert said(judge(ONE, [stage(stuck, ALIKE)])) == ("holding", "harm_excluded")
    verdict = judge(FIVE, [stage(stuck, ALIKE)])
    assert said(verdict) == ("breached", "harm")
    assert "limit 3,000 ms), 5.2 % against 5 % of units above it; most at 9,000 ms, 2.1 % against 1 % above it" in (
        verdict.sentence
    )
    assert verdict.other_limits == FIVE.other_limits
    assert verdict.stages[0].candidate.failures_at == stuck.failures_at
    assert "several limits" in verdict.method


def test_harm_at_the_agreed_limit_says_that_it_shows_the_most_there() -> None:
    verdict = judge(FIVE, [stage(arm(20_000, 1_600, 9_000, 5_000, 2_300, 210), ALIKE)])
    assert said(verdict) == ("breached", "harm")
    assert "8 % against 5 % of units above it, the most of its 5 limits" in verdict.sentence


def test_nothing_holds_while_one_limit_leaves_harm_open() -> None:
    few_far_out = arm(20_000, 1_000, 9_000, 5_000, 2_000, 20)
    assert said(judge(ONE, [stage(few_far_out, few_far_out)])) == ("holding", "harm_excluded")
    assert said(judge(FIVE, [stage(few_far_out, few_far_out)])) == ("inconclusive", "too_early")
    enough = arm(90_000, 4_500, 40_000, 22_000, 9_000, 1_000)
    assert said(judge(FIVE, [stage(enough, enough)])) == ("holding", "harm_excluded")


def test_the_evidence_is_the_mean_of_what_each_limit_alone_would_give() -> None:
    seen = [stage(arm(900, 60, 420, 240, 120, 12), arm(900, 45, 400, 230, 90, 9))]
    alone = [
        judge(one, [stage(*(msgspec.structs.replace(each, failures=count, failures_at=()) for each, count in both))])
        for one, both in zip(
            each_alone([FIVE]),
            [
                ((seen[0].candidate, ours), (seen[0].baseline, theirs))
                for ours, theirs in ((60, 45), (420, 400), (240, 230), (120, 90), (12, 9))
            ],
            strict=True,
        )
    ]
    expected = sum(each.e_value or 0.0 for each in alone) / len(alone)
    assert judge(FIVE, seen).e_value == pytest.approx(expected)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=5))
def test_a_mean_of_e_values_lies_between_the_largest_and_a_fifth_of_it(logs: list[float]) -> None:
    mean = average(logs)
    assert max(logs) - math.log(len(logs)) - 1e-9 <= mean <= max(logs) + 1e-9
    assert mean == pytest.approx(math.log(sum(map(math.exp, logs)) / len(logs)))


@given(st.integers(0, 400), st.integers(0, 400))
def test_a_guardrail_of_one_limit_is_judged_as_ever(ours: int, theirs: int) -> None:
    verdict = judge(ONE, [stage(arm(400, ours), arm(400, theirs))])
    assert (verdict.other_limits, verdict.method) == ((), "label test on units past the limit")
    (same,) = each_alone([ONE])
    assert same is ONE


def test_what_is_measured_limit_by_limit_is_put_together_in_its_order() -> None:
    plain = msgspec.structs.replace(ONE, key="plain")
    assert [each.limit for each in each_alone([plain, FIVE, plain])] == [3000, 3000, 500, 1000, 2000, 9000, 3000]
    measured = [{"a": arm(10, count)} for count in range(7)]
    del measured[3]["a"]  # nothing of one limit was found there
    found = together([plain, FIVE, plain], measured)
    assert [each["a"].failures for each in found] == [0, 1, 6]
    assert [each["a"].failures_at for each in found] == [(), (2, 0, 4, 5), ()]


def test_figures_that_were_not_measured_at_every_limit_are_never_judged() -> None:
    with pytest.raises(ValueError, match="measured at 0 other limits"):
        judge(FIVE, [stage(arm(900, 60), arm(900, 45))])
    nobody = StageArms(rule="r", stage=2, share=0.5, candidate=ArmFigures(), baseline=ArmFigures())
    assert said(judge(FIVE, [stage(ALIKE, ALIKE), nobody])) == said(judge(FIVE, [stage(ALIKE, ALIKE)]))


def test_who_is_outside_a_cohort_keeps_every_limit() -> None:
    assert subtract(ALIKE, arm(5_000, 250, 2_000, 1_000, 500, 50)) == arm(15_000, 750, 7_000, 4_000, 1_500, 150)
    assert subtract(ALIKE, ArmFigures()).failures_at == ALIKE.failures_at


def test_without_a_control_arm_the_agreed_limit_alone_counts() -> None:
    after = arm(2_000, 20, 900, 500, 200, 19)
    assert judge_before_after(FIVE, None, after).status == judge_before_after(ONE, None, after).status


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"other_limits": (3000,)}, "none of them the `limit`"),
        ({"other_limits": (500, 500)}, "each once"),
        ({"other_limits": (float("nan"),)}, "finite"),
        ({"other_limits": (float("inf"),)}, "finite"),
        ({"other_limits": (1, 2, 3, 4, 5)}, "4 beside `limit` at most"),
        ({"kind": GuardrailKind.MEAN, "other_limits": (500,)}, "unless the kind is `tail`"),
    ],
)
def test_other_limits_that_make_no_sense_are_refused_by_name(wrong: dict[str, object], told: str) -> None:
    with pytest.raises(Invalid, match=told) as refused:
        msgspec.structs.replace(ONE, **wrong)
    assert "other_limits" in str(refused.value)
