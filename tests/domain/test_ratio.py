"""Ratios: cost per answer, errors per call, where a unit has many events; what may be said, and what never is."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from twokey.domain.guardrail import (
    ArmFigures,
    GapKind,
    Guardrail,
    GuardrailKind,
    Pair,
    StageArms,
    Verdict,
    VerdictStatus,
    Worse,
    judge,
    judge_before_after,
    paired,
    presence_gap,
    verdict_gap,
)
from twokey.domain.statistics import Array, Pairs, ratios
from twokey.engine.errors import Invalid

COST = Guardrail(
    key="cost_per_answer",
    metric="cost",
    denominator="answers",
    kind=GuardrailKind.RATIO,
    limit=2.0,
    title="cost per answer",
    unit_label="ct",
)


def arm(over: Array, under: Array) -> ArmFigures:
    """Units with these numbers."""
    together = np.cov(over, under)
    pair = Pair(
        numerator=float(over.mean()),
        denominator=float(under.mean()),
        numerator_variance=float(together[0, 0]),
        denominator_variance=float(together[1, 1]),
        covariance=float(together[0, 1]),
    )
    return paired(ArmFigures(units=len(over), joined_units=len(over)), pair)


def traffic(units: int, *, cost: float = 1.0, answers: float = 3.0, seed: int = 1) -> ArmFigures:
    """Units of many answers, each unit with a price of its own: who asks more pays more for each."""
    rng = np.random.default_rng(seed)
    habit = rng.standard_normal(units)
    asked = 1.0 + rng.poisson(answers * np.exp(0.4 * habit))
    return arm(asked * cost * np.exp(0.2 * habit + 0.2 * rng.standard_normal(units)), asked)


def alike(units: int, over: float, under: float, **more: float) -> ArmFigures:
    pair = Pair(numerator=over, denominator=under, **more)
    return paired(ArmFigures(units=units, joined_units=units), pair)


def stage(candidate: ArmFigures, baseline: ArmFigures, share: float = 0.5, first: int = 18) -> StageArms:
    return StageArms(rule="pro-10", stage=first, share=share, candidate=candidate, baseline=baseline)


def said(verdict: Verdict) -> tuple[str, str]:
    return str(verdict.status), str(verdict.reason)


# ---------------------------------------------------------------- what can be said


def test_answers_that_cost_more_are_a_breach_and_the_sentence_names_both_ratios() -> None:
    verdict = judge(COST, [stage(traffic(3000, cost=1.6), traffic(3000, seed=2))])
    assert said(verdict) == ("breached", "harm")
    assert verdict.method == "stage-stratified mean test of ratios (delta method)"
    assert (verdict.metric, verdict.denominator) == ("cost", "answers")
    assert verdict.candidate_value is not None
    assert f"cost per answer: {verdict.candidate_value:.3g} ct on the candidate" in verdict.sentence
    low, high = verdict.interval or (None, None)
    assert low is not None
    assert high is not None
    assert low < 1.6 < high


def test_more_answers_at_the_same_price_are_no_harm_though_each_unit_costs_more() -> None:
    ours, theirs = traffic(4000, answers=6), traffic(4000, answers=3, seed=2)
    assert judge(COST, [stage(ours, theirs)]).status is VerdictStatus.HOLDING
    assert ours.pair is not None
    assert theirs.pair is not None
    alone = [
        msgspec.structs.replace(each, mean=pair.numerator, variance=pair.numerator_variance, pair=None)
        for each, pair in ((ours, ours.pair), (theirs, theirs.pair))
    ]
    by_unit = msgspec.structs.replace(COST, kind=GuardrailKind.MEAN, denominator="")
    assert judge(by_unit, [stage(alone[0], alone[1])]).status is VerdictStatus.BREACHED


def test_a_ratio_s_variance_is_that_of_what_the_numerator_is_off_the_line() -> None:
    rng = np.random.default_rng(3)
    under = 1.0 + rng.poisson(4, 500)
    over = under * 0.7 + rng.standard_normal(500)
    found = arm(over, under)
    ratio = over.mean() / under.mean()
    assert found.mean == pytest.approx(ratio)
    assert found.variance == pytest.approx(np.var(over - ratio * under, ddof=1) / under.mean() ** 2)


def test_the_delta_method_s_error_is_the_one_that_repeated_samples_show() -> None:
    rng = np.random.default_rng(4)
    habit = rng.standard_normal((2000, 400))
    under = 1.0 + rng.poisson(3 * np.exp(0.4 * habit))
    over = under * np.exp(0.3 * habit)
    seen = (over.mean(axis=1) / under.mean(axis=1)).std()
    told = [(arm(over[each], under[each]).variance / 400) ** 0.5 for each in range(50)]
    assert np.mean(told) == pytest.approx(seen, rel=0.05)


def test_a_ratio_in_thousands_is_judged_as_the_same_ratio_in_ones() -> None:
    def scaled(each: ArmFigures) -> ArmFigures:
        pair = each.pair or Pair()
        return paired(
            each,
            msgspec.structs.replace(
                pair,
                denominator=pair.denominator * 1000,
                denominator_variance=pair.denominator_variance * 1e6,
                covariance=pair.covariance * 1000,
            ),
        )

    arms = traffic(500, cost=1.3), traffic(700, seed=2)
    ones, thousands = judge(COST, [stage(*arms)]), judge(COST, [stage(*map(scaled, arms))])
    assert thousands.e_value == pytest.approx(ones.e_value)
    assert thousands.interval == pytest.approx(ones.interval)


def test_a_ratio_that_must_not_fall_is_harmed_downwards() -> None:
    clicks = msgspec.structs.replace(COST, worse=Worse.LOWER)
    assert judge(clicks, [stage(traffic(3000, cost=0.5), traffic(3000, seed=2))]).status is VerdictStatus.BREACHED
    assert judge(clicks, [stage(traffic(3000, cost=1.5), traffic(3000, seed=2))]).status is VerdictStatus.HOLDING


def test_a_ratio_is_not_judged_on_a_hundred_units_less_one() -> None:
    eager = msgspec.structs.replace(COST, minimum_units=10)
    verdict = judge(eager, [stage(traffic(99, cost=9), traffic(99, seed=2))])
    assert said(verdict) == ("cannot_judge", "too_few_units")
    assert "99 units with `answers`" in verdict.sentence
    assert judge(eager, [stage(traffic(100, cost=9), traffic(100, seed=2))]).status is VerdictStatus.BREACHED


def test_ratios_without_a_unit_s_variance_prove_nothing() -> None:
    """Every unit pays the same for each answer: rounding of what cancels exactly is no precision."""
    under = 1.0 + np.random.default_rng(5).poisson(5, 400)
    ours, theirs = arm(under * 0.1 * 3, under), arm(under * 0.3, under)
    assert (ours.variance, theirs.variance) == (0.0, 0.0)
    assert judge(COST, [stage(ours, theirs)]).status is VerdictStatus.INCONCLUSIVE


# ---------------------------------------------------------------- without a denominator nothing is said

WITHOUT = {
    "zero": alike(3000, 5.0, 0.0),
    "below zero": alike(3000, 5.0, -1.0, denominator_variance=0.1),
    "too near to zero": alike(3000, 5.0, 0.1, denominator_variance=100.0),
    "one unit that is nearly all": alike(3000, 5.0, 1e9 / 3000, denominator_variance=1e18 / 3000),
    "as small as numbers go": alike(3000, 5.0, 5e-324, numerator_variance=1.0),
    "as large as numbers go": alike(3000, 1e308, 1.0, numerator_variance=1e308, denominator_variance=1e-3),
}


@pytest.mark.parametrize("name", WITHOUT)
def test_a_denominator_that_cannot_be_divided_by_is_judged_by_nobody(name: str) -> None:
    none, fine = WITHOUT[name], traffic(3000)
    for stages in ([stage(none, fine)], [stage(fine, none)], [stage(none, none)]):
        verdict = judge(COST, stages)
        assert said(verdict) == ("cannot_judge", "no_denominator")
        assert "`answers` is zero, or too near to it to divide `cost` by" in verdict.sentence
        assert (verdict.e_value is None) or np.isfinite(verdict.e_value)
        assert b"null" not in msgspec.json.encode(verdict.stages)
        assert msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict) == verdict
        gap = verdict_gap(verdict)
        assert gap is not None
        assert (gap.id, gap.kind) == ("gap-no_denominator-answers", GapKind.NO_DENOMINATOR)
    assert not judge_before_after(COST, None, none).passes
    after = judge_before_after(COST, fine, none)
    assert said(after) == ("cannot_judge", "no_denominator")
    assert (after.candidate_value, after.e_value, after.interval) == (None, None, None)
    assert msgspec.json.decode(msgspec.json.encode(after), type=Verdict) == after


def test_a_stage_that_has_just_begun_takes_no_verdict_from_those_before_it() -> None:
    stages = [stage(traffic(4000), traffic(4000, seed=2)), stage(alike(3, 1.0, 0.0), traffic(3), first=20)]
    assert judge(COST, stages).status is VerdictStatus.HOLDING


def test_a_later_stage_whose_denominator_is_gone_passes_nothing_however_well_the_first_went() -> None:
    stages = [stage(traffic(4000), traffic(4000, seed=2)), stage(alike(200, 1.0, 0.0), traffic(200), first=20)]
    assert said(judge(COST, stages)) == ("cannot_judge", "no_denominator")


def test_units_of_stages_that_tell_nothing_do_not_make_up_the_minimum() -> None:
    stages = [stage(traffic(60), traffic(60, seed=2)), stage(alike(60, 1.0, 0.0), traffic(60), first=20)]
    verdict = judge(COST, stages)
    assert said(verdict) == ("cannot_judge", "too_few_units")
    assert "60 units" in verdict.sentence


def test_ratios_of_several_stages_at_once_are_those_of_each() -> None:
    figures = [traffic(50), alike(10, 1.0, 0.0), traffic(70, seed=3)]
    pairs = [each.pair or Pair() for each in figures]
    fields = Pair.__struct_fields__
    found = ratios(
        Pairs(
            units=[each.units for each in figures], **{name: [getattr(each, name) for each in pairs] for name in fields}
        )
    )
    assert list(np.asarray(found.units)) == [50, 0, 70]
    assert list(np.asarray(found.mean)) == pytest.approx([each.mean for each in figures])
    assert list(np.asarray(found.variance)) == pytest.approx([each.variance for each in figures])


# ---------------------------------------------------------------- before and after, gaps, documents


def test_before_and_after_a_ratio_is_held_against_its_limit() -> None:
    assert judge_before_after(COST, traffic(400), traffic(400)).status is VerdictStatus.HOLDING
    found = judge_before_after(COST, traffic(400), traffic(400, cost=4))
    assert said(found) == ("breached", "harm")
    assert found.observational
    assert "still past its limit" in found.sentence
    limit = msgspec.structs.replace(COST, limit=traffic(400).mean)
    assert judge_before_after(limit, None, traffic(400)).status is VerdictStatus.INCONCLUSIVE
    assert said(judge_before_after(COST, None, traffic(60, cost=9))) == ("cannot_judge", "too_few_units")
    assert said(judge_before_after(COST, None, alike(60, 1.0, 0.0))) == ("cannot_judge", "too_few_units")
    falling = msgspec.structs.replace(COST, worse=Worse.LOWER)
    assert judge_before_after(falling, None, traffic(400)).status is VerdictStatus.BREACHED


def test_what_is_missing_of_a_ratio_is_its_denominator() -> None:
    missing, apart = presence_gap(COST, 0, 0), presence_gap(COST, 9, 0)
    assert missing is not None
    assert apart is not None
    assert (missing.id, apart.id) == ("gap-no_data-answers", "gap-not_joined-answers")
    none = verdict_gap(judge(COST, [stage(ArmFigures(units=500), ArmFigures(units=500))]))
    assert none is not None
    assert none.id == "gap-no_data-answers"
    assert "none of 1,000 exposed units has `answers`" in none.sentence


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"denominator": ""}, "denominator"),
        ({"denominator": "cost"}, "denominator"),
        ({"kind": GuardrailKind.MEAN}, "denominator"),
        ({"worse": Worse.LOWER, "margin": 1.5}, "margin"),
    ],
)
def test_a_ratio_that_means_nothing_is_refused_by_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        msgspec.structs.replace(COST, **changes)
    assert refused.value.field.endswith(field)
