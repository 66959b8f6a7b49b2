"""The parts of a finding, each by itself: timing, hints, confidence, cohorts, the ladder's own questions."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.triage import scenes
from tests.domain.triage.scenes import (
    CORRECTIONS,
    FLAG,
    LATENCY,
    NOON,
    arm,
    control,
    look,
    measured,
    observed,
    pro,
    stage,
)
from tests.domain.triage.test_analyst import check_grounded
from twokey.domain.finding import Recommendation
from twokey.domain.guardrail import (
    ArmFigures,
    Guardrail,
    GuardrailKind,
    Pair,
    VerdictStatus,
    Worse,
    fallback_guardrail,
    paired,
)
from twokey.domain.operation import AddRule, Effect, apply_all, effect
from twokey.domain.telemetry import CohortContrast
from twokey.domain.triage import WEIGHTS, Collected, Measurement, hints, separates, suspicions, timing, word
from twokey.domain.triage.cohorts import confinement, is_confined, judge_cuts, outside, subtract
from twokey.domain.triage.notebook import plain
from twokey.domain.triage.rungs import is_internal, within_limit
from twokey.domain.triage.telling import ago, listed
from twokey.engine.flag import Clause, Operator, Rule, Serve

# ---------------------------------------------------------------- timing


def test_edits_that_move_nobody_do_not_count() -> None:
    before = control(rules=[pro(1)])
    renamed = msgspec.structs.replace(before, owner="somebody-else")
    after = control(rules=[pro(10)])
    found = timing.edits(scenes.history(after, (90.0, before), (60.0, renamed), minutes=30))
    assert [each.version.revision for each in found] == [1, 3]


@pytest.mark.parametrize(("minutes", "close"), [(0, 1.0), (360, 0.5), (720, 0.25), (60 * 24 * 30, 0.1), (-5, 0.0)])
def test_closeness_halves_every_six_hours_and_is_nothing_afterwards(minutes: float, close: float) -> None:
    found = timing.edits(scenes.history(control(), minutes=minutes))
    assert timing.closeness(found, NOON) == pytest.approx(close)


def test_a_flag_without_history_is_hardly_close() -> None:
    assert timing.closeness((), NOON) == timing.UNKNOWN


def test_trouble_begins_with_the_earliest_signal_but_not_after_it_arrived() -> None:
    late = scenes.alert("Late", at=NOON + timedelta(minutes=9))
    early = scenes.alert("Early")
    future = msgspec.structs.replace(
        early, alert=msgspec.structs.replace(early.alert, starts_at=NOON + timedelta(days=400))
    )
    assert timing.started([late, early]) == NOON
    assert timing.started([future]) == early.received_at


# ---------------------------------------------------------------- hints


def test_hints_look_at_names_and_labels_as_words() -> None:
    known = [FLAG, "support_tone"]
    profile = control()
    assert hints.match([scenes.alert("P95LatencyHigh", labels={})], profile, [LATENCY], known) == 1.0
    assert (
        hints.match([scenes.alert("x", labels={"metric": "manual_correction"})], profile, [CORRECTIONS], known) == 1.0
    )
    assert hints.match([scenes.alert("x", labels={"flag": FLAG})], profile, [LATENCY], known) == 1.0
    assert hints.match([scenes.alert("x", labels={"flag": "support_tone"})], profile, [LATENCY], known) == 0.0
    assert hints.match([scenes.alert("DiskFull", labels={})], profile, [LATENCY], known) == 0.5
    assert hints.match([scenes.alert("ErrorRateHigh", labels={})], profile, [CORRECTIONS], known) == 0.5


# ---------------------------------------------------------------- confidence


def test_the_weights_of_confidence_add_up_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)
    (found,) = suspicions(scenes.article())
    assert set(found.parts) == set(WEIGHTS)
    assert all(0 <= value <= 1 for value in found.parts.values())
    assert [word(each) for each in (0.95, 0.7, 0.3)] == ["high", "medium", "low"]


def test_clearer_evidence_gives_more_confidence() -> None:
    def confidence(units: int) -> float:
        figures = [stage(arm(units, 0.22), arm(9 * units, 0.11))]
        (found,) = suspicions(scenes.collected([observed(control(), measured(CORRECTIONS, figures))], [control()]))
        return found.confidence

    assert confidence(500) < confidence(2_000) <= confidence(8_000)


def test_fallbacks_count_only_where_the_baseline_does_not_fall_back_alike() -> None:
    def falling(baseline: int) -> bool:
        figures = stage(ArmFigures(units=1_000, served_other=200), ArmFigures(units=9_000, served_other=baseline))
        found = measured(fallback_guardrail(), [figures])
        assert found.verdict.status is VerdictStatus.BREACHED
        return separates(found)

    assert falling(0)
    assert not falling(1_700)


def test_a_candidate_that_falls_back_is_taken_back() -> None:
    figures = stage(ArmFigures(units=1_000, served_other=200), ArmFigures(units=9_000))
    profile = control(guardrails=[fallback_guardrail()])
    analysis = look(scenes.collected([observed(profile, measured(fallback_guardrail(), [figures]))], [profile]))
    assert analysis.finding.recommendation is Recommendation.REDUCE_TO_INTERNAL
    assert "fallback rate 20 % of 1,000 units" in analysis.finding.reason
    check_grounded(analysis)


# ---------------------------------------------------------------- cohorts


def figures(values: np.ndarray) -> ArmFigures:
    return ArmFigures(
        units=len(values),
        joined_units=len(values),
        failures=int((values > 1.0).sum()),
        mean=float(values.mean()),
        variance=float(values.var(ddof=1)),
    )


def test_the_rest_of_a_group_has_the_figures_that_it_would_have_by_itself() -> None:
    draw = np.random.default_rng(5)
    inside, rest = draw.lognormal(0.2, 0.5, 400), draw.lognormal(0.0, 0.5, 900)
    found, expected = subtract(figures(np.concatenate([inside, rest])), figures(inside)), figures(rest)
    assert (found.units, found.failures) == (expected.units, expected.failures)
    assert found.mean == pytest.approx(expected.mean)
    assert found.variance == pytest.approx(expected.variance)


def test_the_rest_of_a_group_has_the_ratio_that_it_would_have_by_itself() -> None:
    def both(over: np.ndarray, under: np.ndarray) -> ArmFigures:
        (of_over, together), (_, of_under) = np.cov(over, under)
        pair = Pair(
            numerator=float(over.mean()),
            denominator=float(under.mean()),
            numerator_variance=float(of_over),
            denominator_variance=float(of_under),
            covariance=float(together),
        )
        return paired(ArmFigures(units=len(over), joined_units=len(over)), pair)

    draw = np.random.default_rng(5)
    under = draw.poisson(4, 1_300) + 1.0
    over = under * draw.lognormal(0.1, 0.4, 1_300)
    found, expected = subtract(both(over, under), both(over[:400], under[:400])), both(over[400:], under[400:])
    assert (found.joined_units, found.mean) == (900, pytest.approx(expected.mean))
    assert found.variance == pytest.approx(expected.variance)
    assert subtract(found, found) == ArmFigures(pair=Pair())
    assert subtract(found, ArmFigures()).variance == pytest.approx(found.variance)


def test_what_is_in_no_stage_of_the_cohort_is_outside_it() -> None:
    whole = (stage(arm(10, 0.5), arm(90, 0.5)),)
    assert outside(whole, ()) == whole
    nothing = subtract(arm(5, 0.2), arm(5, 0.2))
    assert (nothing.units, nothing.mean, nothing.variance) == (0, 0.0, 0.0)


def cut(value: str, candidate: ArmFigures, baseline: ArmFigures) -> CohortContrast:
    return CohortContrast(attribute="region", value=value, stages=(stage(candidate, baseline, 0.5),))


def test_a_mean_that_may_not_fall_is_confined_by_its_other_side() -> None:
    rating = Guardrail(
        key="rating", metric="rating", kind=GuardrailKind.MEAN, limit=4.0, worse=Worse.LOWER, margin=0.05
    )

    def rated(mean: float) -> ArmFigures:
        return ArmFigures(units=3_000, joined_units=3_000, mean=mean, variance=0.25)

    def whole(a: float, b: float) -> ArmFigures:
        return ArmFigures(units=6_000, joined_units=6_000, mean=(a + b) / 2, variance=0.25 + (a - b) ** 2 / 4)

    eu, us = cut("eu", rated(3.5), rated(4.5)), cut("us", rated(4.5), rated(4.5))
    confined = measured(rating, [stage(whole(3.5, 4.5), whole(4.5, 4.5), 0.5)], [eu, us])
    found = confinement([confined], ["pro-10"])
    assert found is not None
    assert found.value == "eu"

    everywhere = measured(
        rating, [stage(whole(3.5, 3.6), whole(4.5, 4.5), 0.5)], [eu, cut("us", rated(3.6), rated(4.5))]
    )
    assert confinement([everywhere], ["pro-10"]) is None


def test_a_rest_that_leans_the_same_way_is_not_called_quiet() -> None:
    inside = cut("eu", arm(1_000, 0.40), arm(1_000, 0.10))
    leaning = cut("us", arm(1_500, 0.145), arm(1_500, 0.100))
    whole = stage(arm(2_500, (400 + 217.5) / 2_500), arm(2_500, 0.10), 0.5)
    found = measured(CORRECTIONS, [whole], [inside, leaning])
    assert confinement([found], ["pro-10"]) is None


def test_that_the_rest_does_not_separate_yet_is_no_sign_that_harm_is_in_one_region_only() -> None:
    """The same harm everywhere: by chance it is past its bar in one region, and not yet in the other."""
    here, there = (arm(300, 0.20), arm(300, 0.06)), (arm(300, 0.12), arm(300, 0.07))
    whole = stage(arm(600, 0.16), arm(600, 0.065), 0.5)
    spread = measured(CORRECTIONS, [whole], [cut("eu", *here), cut("us", *there)], all_guardrails=[CORRECTIONS])
    inside = judge_cuts(spread, spread.cohorts, ["pro-10"])["region", "eu"]
    assert (inside.inside.status, inside.outside.status) == (VerdictStatus.BREACHED, VerdictStatus.INCONCLUSIVE)
    assert inside.odds < inside.bar
    assert confinement([spread], ["pro-10"]) is None


def test_a_small_region_that_is_harmed_as_well_is_not_lost_among_a_large_healthy_rest() -> None:
    """All of few units fail in `apac`; among everybody outside `eu` that hardly shows."""
    eu, apac = (arm(500, 0.40), arm(500, 0.08)), (arm(24, 1.0), arm(24, 0.08))
    us = (arm(1_500, 0.08), arm(1_500, 0.08))

    def judged(*regions: tuple[str, tuple[ArmFigures, ArmFigures]]) -> Measurement:
        ours, theirs = ([each[side] for _, each in regions] for side in (0, 1))
        whole = stage(together(ours), together(theirs), 0.5)
        return measured(CORRECTIONS, [whole], [cut(name, *arms) for name, arms in regions])

    def together(arms: list[ArmFigures]) -> ArmFigures:
        units, failures = sum(each.units for each in arms), sum(each.failures for each in arms)
        return ArmFigures(units=units, joined_units=units, failures=failures)

    alone = confinement([judged(("eu", eu), ("us", us))], ["pro-10"])
    assert alone is not None
    assert alone.value == "eu"
    both = judged(("eu", eu), ("us", us), ("apac", apac))
    assert is_confined(judge_cuts(both, both.cohorts, ["pro-10"])["region", "eu"]), "the rest by itself looks quiet"
    assert confinement([both], ["pro-10"]) is None


def test_harm_that_only_the_figures_of_one_region_explain_is_confined_to_it_before_the_rest_is_proven_quiet() -> None:
    here, there = (arm(300, 0.30), arm(300, 0.06)), (arm(300, 0.065), arm(300, 0.07))
    whole = stage(arm(600, 0.1825), arm(600, 0.065), 0.5)
    found = measured(CORRECTIONS, [whole], [cut("eu", *here), cut("us", *there)], all_guardrails=[CORRECTIONS])
    confined = confinement([found], ["pro-10"])
    assert confined is not None
    assert confined.value == "eu"
    assert confined.verdicts[0].outside.status is VerdictStatus.INCONCLUSIVE


@pytest.mark.parametrize(
    ("value", "readings"),
    [("eu", ("eu",)), ("true", ("true", True)), ("7", ("7", 7)), ("1.5", ("1.5", 1.5)), ("1e400", ("1e400",))],
)
def test_a_recorded_value_is_excluded_whatever_type_it_had(value: str, readings: tuple[object, ...]) -> None:
    inside = cut(value, arm(2_500, 0.30), arm(2_500, 0.10))
    rest = cut("other", arm(7_500, 0.10), arm(7_500, 0.10))
    whole = stage(arm(10_000, 0.15), arm(10_000, 0.10), 0.5)
    profile = control()
    analysis = look(scenes.collected([observed(profile, measured(CORRECTIONS, [whole], [inside, rest]))], [profile]))
    (added,) = analysis.operations
    assert isinstance(added, AddRule)
    assert added.rule.clauses[-1].values == readings
    check_grounded(analysis)


def test_an_exclusion_takes_a_free_name_and_stands_before_each_suspected_rule() -> None:
    taken = Rule(id="exclude-region-eu-pro-10", clauses=(), serve=Serve(variation="baseline"))
    rules = [pro(10), pro(10, "beta"), taken]
    profile = control(rules=rules)

    def both(candidate: ArmFigures, baseline: ArmFigures) -> tuple[scenes.StageArms, ...]:
        return tuple(stage(candidate, baseline, 0.5, rule) for rule in ("pro-10", "beta"))

    cuts = [
        CohortContrast(attribute="region", value="eu", stages=both(arm(2_500, 0.30), arm(2_500, 0.10))),
        CohortContrast(attribute="region", value="us", stages=both(arm(7_500, 0.10), arm(7_500, 0.10))),
    ]
    found = measured(CORRECTIONS, both(arm(10_000, 0.15), arm(10_000, 0.10)), cuts)
    analysis = look(scenes.collected([observed(profile, found)], [profile]))
    after = apply_all(scenes.state(profile), analysis.operations).controls[FLAG].flag.rules
    assert [each.id for each in after] == [
        "exclude-region-eu-pro-10-2",
        "pro-10",
        "exclude-region-eu-beta",
        "beta",
        "exclude-region-eu-pro-10",
    ]


# ---------------------------------------------------------------- the ladder


def test_the_internal_rule_is_the_one_that_serves_staff_alone() -> None:
    def rule(clause: Clause) -> Rule:
        return Rule(id="x", clauses=(clause,), serve=Serve(variation="reranker_v2"))

    def clause(**more: object) -> Clause:
        told = {"attribute": "targetingKey", "operator": Operator.IN_SEGMENT, "values": ("internal-staff",)} | more
        return Clause(**told)  # type: ignore[arg-type]

    segment = "internal-staff"
    assert is_internal(control(rules=[rule(clause())]).flag, "x", segment)
    assert not is_internal(control(rules=[rule(clause(negate=True))]).flag, "x", segment)
    assert not is_internal(control(rules=[rule(clause(values=("internal-staff", "beta")))]).flag, "x", segment)
    assert not is_internal(control(rules=[pro(10)]).flag, None, segment)


def test_a_limit_is_kept_on_its_own_side() -> None:
    rating = Guardrail(key="r", metric="r", kind=GuardrailKind.MEAN, limit=4.0, worse=Worse.LOWER)
    verdict = measured(rating, [stage(arm(200, 0), arm(1_800, 0))]).verdict
    assert within_limit(msgspec.structs.replace(verdict, candidate_value=4.2), Worse.LOWER)
    assert not within_limit(msgspec.structs.replace(verdict, candidate_value=3.8), Worse.LOWER)
    assert not within_limit(msgspec.structs.replace(verdict, candidate_value=None), Worse.LOWER)


def test_without_an_earlier_share_there_is_none_to_go_back_to() -> None:
    profile = control(rules=[pro(10)])
    worse = measured(CORRECTIONS, [stage(arm(3_000, 0.10), arm(27_000, 0.05))])
    finding = look(scenes.collected([observed(profile, worse)], [profile])).finding
    assert finding.recommendation is Recommendation.ROLL_BACK
    assert "a smaller share: there is no earlier, smaller share on record to go back to" in finding.lower_rungs


def test_a_rule_that_was_removed_meanwhile_is_not_operated_on() -> None:
    profile = control(rules=[scenes.INTERNAL])
    analysis = look(scenes.collected([observed(profile, scenes.slow())], [profile]))
    assert analysis.operations == ()
    assert "reaches nobody through those rules any more" in analysis.finding.reason


def test_what_would_change_nothing_for_anyone_is_not_drafted() -> None:
    off = control("support_assistant", rules=[], otherwise=Serve(variation="baseline"), guardrails=[])
    profile = control(prerequisites=scenes.dependent("support_assistant", "reranker_v2"))
    analysis = look(scenes.collected([observed(profile, scenes.slow())], [profile, off]))
    assert analysis.operations == ()
    assert analysis.finding.recommendation is Recommendation.CLEAN_UP


# ---------------------------------------------------------------- words


def test_only_plain_identifiers_are_repeated() -> None:
    assert plain("retrieval-api", "x") == "`retrieval-api`"
    for text in ("", "two words", "a`b", "x" * 65, "<b>", "\u202eabc", "а-cyrillic"):
        assert plain(text, "other words") == "other words"


def test_spans_and_lists_read_well() -> None:
    assert [ago(each) for each in (0, 1, 59.6, 150, 60 * 72)] == [
        "0 minutes",
        "1 minute",
        "60 minutes",
        "2 hours",
        "3 days",
    ]
    assert [listed(each) for each in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


# ---------------------------------------------------------------- whatever it is given


arms = st.tuples(st.integers(0, 3_000), st.floats(0, 0.5), st.integers(0, 30_000), st.floats(0, 0.5))


@st.composite
def cases(draw: st.DrawFn) -> Collected:
    rules = [each for each in (scenes.INTERNAL, pro(draw(st.sampled_from([0.5, 10, 50])))) if draw(st.booleans())]
    profile = control(rules=rules, otherwise=draw(st.sampled_from([scenes.rollout(5), Serve(variation="baseline")])))
    told = []
    for guardrail in (LATENCY, CORRECTIONS):
        ours, failing, theirs, base = draw(arms)
        rule = draw(st.sampled_from(["pro-10", None]))
        told.append(
            measured(guardrail, [stage(arm(ours, failing, quantile=3.9), arm(theirs, base, quantile=3.1), rule=rule)])
        )
    minutes = draw(st.floats(-60, 10_000))
    changes = [scenes.deploy(draw(st.floats(-30, 90)))] if draw(st.booleans()) else []
    seen = observed(profile, *told, minutes=minutes, before=control(rules=[pro(1)]) if draw(st.booleans()) else None)
    signal = scenes.alert(
        draw(st.text(max_size=30)), labels=draw(st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
    )
    return scenes.collected([seen], [profile], signals=[signal], changes=changes)


@given(cases())
@settings(max_examples=150)
def test_whatever_was_collected_it_is_grounded_and_acts_only_on_separation(case: Collected) -> None:
    analysis = look(case)
    finding = analysis.finding
    check_grounded(analysis)
    separated = any(separates(each) for seen in case.controls for each in seen.measurements)
    drafted = finding.recommendation not in (Recommendation.NO_ACTION, Recommendation.CLEAN_UP)
    assert bool(analysis.operations) == drafted
    assert bool(finding.suspects) == bool(analysis.operations)
    assert separated or not analysis.operations
    assert 0 <= finding.confidence <= 1
    if analysis.operations:
        after = apply_all(case.state, analysis.operations)
        assert effect(case.state, after).effect is Effect.NARROWS
