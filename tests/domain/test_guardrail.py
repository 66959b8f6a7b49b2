"""Verdicts: what may be said on which figures, and what never passes."""

import msgspec
import pytest

from twokey.domain.guardrail import (
    METHOD_VERSION,
    ArmFigures,
    GapKind,
    Guardrail,
    GuardrailKind,
    StageArms,
    Verdict,
    VerdictReason,
    VerdictStatus,
    Worse,
    alpha_by_guardrail,
    fallback_guardrail,
    judge,
    judge_before_after,
    presence_gap,
    verdict_gap,
)
from twokey.engine.errors import Invalid

LATENCY = Guardrail(
    key="p95_latency",
    metric="latency_ms",
    kind=GuardrailKind.TAIL,
    limit=3000,
    title="p95 latency",
    unit_label="ms",
)
CORRECTIONS = Guardrail(
    key="corrections", metric="manual_correction", kind=GuardrailKind.RATE, limit=0.08, title="manual corrections"
)
MEAN = Guardrail(key="mean_cost", metric="cost", kind=GuardrailKind.MEAN, limit=2.0, title="cost", unit_label="ct")


def arm(units: int, failures: int = 0, joined: int | None = None, **more: float) -> ArmFigures:
    return ArmFigures(units=units, joined_units=units if joined is None else joined, failures=failures, **more)  # type: ignore[arg-type]


def stage(candidate: ArmFigures, baseline: ArmFigures, share: float = 0.5, first: int = 18) -> StageArms:
    return StageArms(rule="pro-10", stage=first, share=share, candidate=candidate, baseline=baseline)


def said(verdict: Verdict) -> tuple[str, str]:
    return str(verdict.status), str(verdict.reason)


# ---------------------------------------------------------------- what can be said


def test_the_article_s_example_is_breached_and_says_so_in_figures() -> None:
    stages = [stage(arm(410, 123, quantile_value=4800.0), arm(3690, 150, quantile_value=2210.0), 0.1)]
    verdict = judge(LATENCY, stages)
    assert said(verdict) == ("breached", "harm")
    assert verdict.sentence == (
        "p95 latency: 4,800 ms on the candidate, 2,210 ms on the baseline (limit 3,000 ms), 30 % against 4.07 % of "
        "units above it; worse than the 25 % margin allows (410 and 3,690 units)"
    )
    assert (verdict.candidate_value, verdict.baseline_value) == (4800.0, 2210.0)
    assert verdict.e_value is not None
    assert verdict.e_value > 1e6
    assert not verdict.passes


def test_equal_arms_hold_once_there_is_enough_to_exclude_harm() -> None:
    assert said(judge(CORRECTIONS, [stage(arm(1000, 50), arm(1000, 50))])) == ("inconclusive", "too_early")
    verdict = judge(CORRECTIONS, [stage(arm(9000, 450), arm(9000, 450))])
    assert said(verdict) == ("holding", "harm_excluded")
    assert verdict.passes


def test_slight_harm_within_the_margin_is_no_breach() -> None:
    verdict = judge(MEAN, [stage(arm(5000, mean=1.1, variance=0.2), arm(5000, mean=1.0, variance=0.2))])
    assert said(verdict) == ("holding", "harm_excluded")
    assert (
        judge(
            msgspec.structs.replace(MEAN, margin=0.05),
            [stage(arm(5000, mean=1.1, variance=0.2), arm(5000, mean=1.0, variance=0.2))],
        ).status
        is VerdictStatus.BREACHED
    )


def test_a_baseline_without_any_failure_still_shows_a_breach() -> None:
    assert judge(CORRECTIONS, [stage(arm(600, 18), arm(600, 0))]).status is VerdictStatus.BREACHED


def test_stages_add_up_and_every_stage_is_kept_in_the_verdict() -> None:
    stages = [stage(arm(100, 8), arm(900, 36), 0.1), stage(arm(500, 45), arm(500, 22), 0.5, first=21)]
    verdict = judge(CORRECTIONS, stages)
    assert verdict.stages == tuple(stages)
    assert (verdict.candidate_units, verdict.baseline_units) == (600, 1400)
    alone = [judge(CORRECTIONS, [each]).e_value or 0 for each in stages]
    assert (verdict.e_value or 0) > max(alone)


def test_a_ramp_through_a_bad_hour_does_not_blame_the_candidate() -> None:
    """Failures go from 1 % to 20 % in both arms while the share rises: pooled, the candidate looks far worse."""
    stages = [stage(arm(100, 1), arm(9900, 99), 0.01), stage(arm(2000, 400), arm(2000, 400), 0.5, first=20)]
    verdict = judge(CORRECTIONS, stages)
    assert verdict.status is not VerdictStatus.BREACHED
    assert verdict.candidate_value == pytest.approx(verdict.baseline_value)


def test_the_direction_of_harm_can_be_downwards() -> None:
    score = Guardrail(key="score", metric="score", kind=GuardrailKind.MEAN, limit=0.7, worse=Worse.LOWER, margin=0.1)
    bad = [stage(arm(2000, mean=0.6, variance=0.04), arm(2000, mean=0.8, variance=0.04))]
    good = [stage(arm(2000, mean=0.8, variance=0.04), arm(2000, mean=0.8, variance=0.04))]
    assert judge(score, bad).status is VerdictStatus.BREACHED
    assert judge(score, good).status is VerdictStatus.HOLDING
    success = Guardrail(key="ok", metric="ok", kind=GuardrailKind.RATE, limit=0.95, worse=Worse.LOWER)
    verdict = judge(success, [stage(arm(2000, 300), arm(2000, 60))])
    assert verdict.status is VerdictStatus.BREACHED
    assert verdict.candidate_value == pytest.approx(0.85)


def test_a_mean_below_zero_is_judged_by_its_distance() -> None:
    def of(mean: float) -> Verdict:
        return judge(MEAN, [stage(arm(5000, mean=mean, variance=1), arm(5000, mean=-1.0, variance=1))])

    assert of(-0.2).status is VerdictStatus.BREACHED
    assert of(-1.0).status is VerdictStatus.HOLDING
    assert of(-1.0).interval is None


def test_the_interval_surrounds_the_ratio() -> None:
    verdict = judge(CORRECTIONS, [stage(arm(4000, 400), arm(4000, 200))])
    assert verdict.interval is not None
    low, high = verdict.interval
    assert low is not None
    assert high is not None
    assert low < 2 < high


def test_a_smaller_alpha_asks_for_more() -> None:
    stages = [stage(arm(600, 42), arm(600, 10))]
    assert judge(CORRECTIONS, stages, 0.05).status is VerdictStatus.BREACHED
    assert judge(CORRECTIONS, stages, 0.0001).status is VerdictStatus.INCONCLUSIVE


def test_the_error_budget_is_split_by_weight() -> None:
    heavy = msgspec.structs.replace(LATENCY, weight=3.0)
    assert alpha_by_guardrail([heavy, CORRECTIONS]) == {
        "p95_latency": pytest.approx(0.0375),
        "corrections": pytest.approx(0.0125),
    }


# ---------------------------------------------------------------- what cannot be judged never passes

GOOD = stage(arm(9000, 450), arm(9000, 450))


@pytest.mark.parametrize(
    ("stages", "reason", "words"),
    [
        ([], "no_control", "no control arm"),
        ([stage(arm(900), arm(0), 1.0)], "no_control", "no control arm"),
        ([stage(arm(0), arm(0))], "no_data", "no unit was exposed"),
        ([stage(arm(500, joined=0), arm(500, joined=0))], "no_data", "none of 1,000 exposed units has"),
        ([stage(arm(9000, 450, 6000), arm(9000, 450, 6000))], "coverage", "66.7 %"),
        ([stage(arm(9000, 250, 5000), arm(9000, 450))], "coverage", "55.6 %"),
        ([stage(arm(9000, 450, 9000), arm(9000, 350, 7300))], "uneven_coverage", "could hide either answer"),
        ([stage(arm(8000, 400), arm(10000, 500))], "sample_ratio", "do not fit the planned shares"),
        ([stage(arm(60, 3), arm(60, 3))], "too_few_units", "100 are needed"),
        ([stage(arm(60, 0, 10), arm(60, 0, 10))], "too_few_units", "100 are needed"),
        ([stage(arm(0), arm(90, 3), 0.01)], "too_few_units", "smaller arm has 0"),
        ([stage(arm(9000, 450, served_other=900), arm(9000, 450))], "fallback", "10 % of candidate units"),
    ],
    ids=lambda value: value if isinstance(value, str) and "_" in value else "",
)
def test_what_cannot_be_judged_says_why_and_does_not_pass(stages: list[StageArms], reason: str, words: str) -> None:
    verdict = judge(CORRECTIONS, stages)
    assert said(verdict) == ("cannot_judge", reason)
    assert words in verdict.sentence
    assert not verdict.passes
    gap = verdict_gap(verdict)
    assert gap is not None
    assert gap.sentence == verdict.sentence
    assert gap.what_to_do


def test_a_verdict_that_could_be_given_is_no_gap() -> None:
    assert verdict_gap(judge(CORRECTIONS, [GOOD])) is None
    assert judge(CORRECTIONS, [GOOD]).passes


def test_fallback_hides_no_breach_and_excuses_none() -> None:
    """Half of the candidate's units fell back; by assignment the harm still shows."""
    verdict = judge(CORRECTIONS, [stage(arm(900, 200, served_other=450), arm(900, 45))])
    assert said(verdict) == ("breached", "harm")
    assert verdict.fallback_share == 0.5


def test_a_mean_is_not_judged_on_a_hundred_units_less_one() -> None:
    shock = [stage(arm(99, mean=90, variance=1), arm(99, mean=1, variance=1))]
    assert said(judge(MEAN, shock)) == ("cannot_judge", "too_few_units")
    eager = msgspec.structs.replace(MEAN, minimum_units=10)
    assert said(judge(eager, shock)) == ("cannot_judge", "too_few_units")


def test_counts_may_show_drastic_harm_before_the_minimum_of_units() -> None:
    assert judge(CORRECTIONS, [stage(arm(60, 40), arm(60, 2))]).status is VerdictStatus.BREACHED


def test_one_armed_stages_do_not_help_a_verdict() -> None:
    full = stage(arm(50_000, 100), arm(0), 1.0, first=25)
    assert judge(CORRECTIONS, [full, stage(arm(60, 3), arm(60, 3))]).reason is VerdictReason.TOO_FEW_UNITS


# ---------------------------------------------------------------- assigned, and served something else


def test_the_fallback_rate_is_a_guardrail_of_its_own() -> None:
    built_in = fallback_guardrail(0.02)
    many = judge(built_in, [stage(arm(900, served_other=90), arm(900))])
    few = judge(built_in, [stage(arm(900, served_other=1), arm(900))])
    none = judge(built_in, [stage(arm(20), arm(900))])
    assert said(many) == ("breached", "harm")
    assert "10 % of 900 units assigned the candidate were served something else" in many.sentence
    assert said(few) == ("holding", "harm_excluded")
    assert said(none) == ("cannot_judge", "too_few_units")
    assert said(judge(built_in, [])) == ("cannot_judge", "no_data")


# ---------------------------------------------------------------- before and after


def test_after_a_rollback_no_harm_is_said_to_be_observational() -> None:
    before, after = arm(410, 123, quantile_value=4800.0), arm(600, 6, quantile_value=2200.0)
    verdict = judge_before_after(LATENCY, before, after)
    assert said(verdict) == ("holding", "harm_excluded")
    assert verdict.observational
    assert "4,800 ms before, 2,200 ms after" in verdict.sentence
    assert "no harm after" in verdict.sentence
    assert "Observational" in verdict.sentence
    assert (verdict.candidate_value, verdict.baseline_value) == (2200.0, 4800.0)


def test_harm_that_stays_after_a_rollback_is_still_a_breach() -> None:
    verdict = judge_before_after(LATENCY, None, arm(600, 180, quantile_value=4700.0))
    assert said(verdict) == ("breached", "harm")
    assert "still past its limit" in verdict.sentence


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        (arm(0), "no_data"),
        (arm(500, joined=0), "no_data"),
        (arm(40, 0), "too_few_units"),
        (arm(1000, 0, 400), "coverage"),
    ],
)
def test_an_after_that_cannot_be_judged_does_not_pass(after: ArmFigures, reason: str) -> None:
    verdict = judge_before_after(CORRECTIONS, arm(100, 20), after)
    assert said(verdict) == ("cannot_judge", reason)
    assert verdict.observational
    assert verdict_gap(verdict) is not None


def test_before_and_after_by_mean_and_by_share() -> None:
    assert judge_before_after(MEAN, None, arm(400, mean=1.0, variance=0.3)).status is VerdictStatus.HOLDING
    assert judge_before_after(MEAN, None, arm(400, mean=3.0, variance=0.3)).status is VerdictStatus.BREACHED
    assert judge_before_after(MEAN, None, arm(400, mean=2.0, variance=0.3)).status is VerdictStatus.INCONCLUSIVE
    score = Guardrail(key="s", metric="s", kind=GuardrailKind.MEAN, limit=0.7, worse=Worse.LOWER, margin=0.1)
    assert judge_before_after(score, None, arm(400, mean=0.9, variance=0.02)).status is VerdictStatus.HOLDING
    assert judge_before_after(score, None, arm(400, mean=0.5, variance=0.02)).status is VerdictStatus.BREACHED
    success = Guardrail(key="ok", metric="ok", kind=GuardrailKind.RATE, limit=0.9, worse=Worse.LOWER)
    assert judge_before_after(success, None, arm(900, 9)).status is VerdictStatus.HOLDING
    assert judge_before_after(success, None, arm(900, 300)).status is VerdictStatus.BREACHED
    found = judge_before_after(MEAN, None, arm(400, mean=1.0, variance=0.3)).interval
    assert found is not None
    assert found[0] is not None
    assert found[1] is not None
    assert found[0] < 1.0 < found[1]


# ---------------------------------------------------------------- metrics that do not arrive or do not join


def test_a_metric_joined_to_no_variation_is_named_as_a_gap() -> None:
    citations = Guardrail(key="citations", metric="citation_failure", kind=GuardrailKind.RATE, limit=0.02)
    gap = presence_gap(citations, 340, 0, unit_names=("request",), flag="support_answer_profile")
    assert gap is not None
    assert gap.id == "gap-not_joined-citation_failure"
    assert gap.kind is GapKind.NOT_JOINED
    assert gap.sentence == (
        "citations: 340 `citation_failure` events (reported by request), none joined to a variation of "
        "support_answer_profile"
    )
    assert "citation_failure" in gap.what_to_do


def test_a_metric_that_never_arrives_is_another_gap_and_one_that_joins_is_none() -> None:
    missing = presence_gap(CORRECTIONS, 0, 0)
    assert missing is not None
    assert missing.kind is GapKind.NO_DATA
    assert presence_gap(CORRECTIONS, 500, 40) is None
    assert presence_gap(fallback_guardrail(), 0, 0) is None


# ---------------------------------------------------------------- guardrails and verdicts as documents


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", ""),
        ("metric", ""),
        ("limit", float("nan")),
        ("limit", 8.0),
        ("limit", 0.0),
        ("margin", 0.0),
        ("margin", -0.1),
        ("quantile", 1.0),
        ("weight", 0.0),
        ("coverage_floor", 1.1),
        ("minimum_units", 0),
    ],
)
def test_a_guardrail_that_means_nothing_is_refused_by_field(field: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        msgspec.structs.replace(CORRECTIONS, **{field: value})
    assert refused.value.field.endswith(field)


def test_a_mean_that_must_not_fall_needs_a_margin_below_one() -> None:
    with pytest.raises(Invalid, match="margin"):
        Guardrail(key="s", metric="s", kind=GuardrailKind.MEAN, limit=1, worse=Worse.LOWER, margin=1.5)


def test_a_bad_guardrail_in_a_document_is_refused_with_its_field() -> None:
    with pytest.raises(msgspec.ValidationError, match="limit"):
        msgspec.json.decode(b'{"key":"a","metric":"b","kind":"rate","limit":5}', type=Guardrail)


@pytest.mark.parametrize(
    "verdict",
    [
        judge(LATENCY, [stage(arm(10**6, 10**6), arm(10**6, 0))]),
        judge(LATENCY, []),
        judge_before_after(LATENCY, None, arm(500)),
    ],
)
def test_a_verdict_survives_json_and_carries_what_it_rests_on(verdict: Verdict) -> None:
    assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
    assert verdict.version == METHOD_VERSION
    assert verdict.method
    assert (verdict.alpha, verdict.margin, verdict.limit) == (0.05, 0.25, 3000)
