"""The built-in analyst on whole cases: what it blames, what it drafts, when it says nothing."""

from __future__ import annotations

import re

import msgspec
import pytest

from tests.domain.triage import scenes
from tests.domain.triage.scenes import (
    CORRECTIONS,
    INTERNAL,
    LATENCY,
    arm,
    control,
    look,
    measured,
    observed,
    pro,
    stage,
)
from twokey.domain.control import Surface
from twokey.domain.finding import Recommendation, ground
from twokey.domain.guardrail import GapKind
from twokey.domain.operation import (
    AddRule,
    Effect,
    SetEnabled,
    SetOtherwise,
    SetRuleServe,
    SetWeights,
    apply_all,
    effect,
)
from twokey.domain.telemetry import CohortContrast, MetricPresence, RecordedContext
from twokey.domain.triage import Analysis, Measurement, Mix
from twokey.engine import evaluate
from twokey.engine.errors import Invalid
from twokey.engine.flag import Rule, Serve, Target

FIGURE = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?")


def told(analysis: Analysis) -> str:
    """All that the analyst wrote, without what stands in backticks (names) and without the guardrails' own names."""
    finding = analysis.finding
    because = [each.because for each in finding.suspects]
    text = " ".join([finding.summary, finding.reason, finding.expected_effect, *finding.lower_rungs, *because])
    return re.sub(r"`[^`]*`", "", text)


def check_grounded(analysis: Analysis) -> None:
    """Every cited figure is supported, and every figure of the text is cited."""
    finding = analysis.finding
    grounded = ground(finding, {each.id: each for each in analysis.evidence})
    assert [each.why_not for each in grounded if not each.supported] == []
    cited = {figure for each in finding.citations for figure in FIGURE.findall(each.says.rsplit(": ", 1)[1])}
    assert set(FIGURE.findall(told(analysis))) <= cited
    assert {each.id for each in analysis.evidence} == set(finding.evidence)


# ---------------------------------------------------------------- the article's example


def test_the_articles_example_is_reduced_to_internal_only() -> None:
    analysis = look(scenes.article())
    finding = analysis.finding

    assert finding.recommendation is Recommendation.REDUCE_TO_INTERNAL
    assert analysis.operations == (SetRuleServe(flag=scenes.FLAG, rule="pro-10", serve=Serve(variation="baseline")),)
    assert analysis.title == "Reduce support_answer_profile to internal only"
    suspect = finding.suspects[0]
    assert (suspect.flag, suspect.variation, suspect.rule) == (scenes.FLAG, "reranker_v2", "pro-10")
    assert suspect.surface is Surface.RETRIEVAL
    assert suspect.cohort == {"rule": ("pro-10",), "plan": ("pro", "enterprise")}
    assert finding.confidence >= 0.8
    assert "p95 latency and manual correction rate breached for the candidate cohort" in finding.reason
    assert "p95 latency 4.8 s against 3.7 s" in finding.summary
    assert "It last moved 32 minutes before: `reranker_v2` in rule `pro-10` from 1 % to 10 %." in finding.summary
    assert "members of `internal-staff` keep `reranker_v2`" in finding.expected_effect
    check_grounded(analysis)


def test_a_metric_that_joins_no_variation_is_named_as_a_gap_with_what_to_do() -> None:
    gap = look(scenes.article()).finding.gaps[0]
    assert (gap.id, gap.kind) == ("gap-not_joined-citation_failure", GapKind.NOT_JOINED)
    assert "none joined to a variation of support_answer_profile" in gap.sentence
    assert "send `citation_failure` with the unit the flag is assigned by" in gap.what_to_do


def test_staff_keep_the_candidate_and_customers_get_the_baseline() -> None:
    case = scenes.article()
    after = apply_all(case.state, look(case).operations).snapshot()
    staff = {"targetingKey": "c-1", "conversation": "c-1", "email": "ines@example.com", "plan": "pro"}
    assert evaluate(after, scenes.FLAG, staff).variation == "reranker_v2"
    for number in range(200):
        customer = {"targetingKey": f"c-{number}", "conversation": f"c-{number}", "plan": "pro"}
        assert evaluate(after, scenes.FLAG, customer).variation == "baseline"


def test_the_same_input_gives_the_same_answer() -> None:
    assert msgspec.json.encode(look(scenes.article())) == msgspec.json.encode(look(scenes.article()))


def test_lower_rungs_say_why_they_would_not_do() -> None:
    lower = look(scenes.article()).finding.lower_rungs
    assert any("excluding one cohort" in each for each in lower)
    assert any(
        "a smaller share: p95 latency and manual correction rate past the agreed limit" in each for each in lower
    )


# ---------------------------------------------------------------- decoys, other suspects, things elsewhere


def test_a_decoy_that_changed_more_recently_without_separating_is_cleared() -> None:
    decoy = control("support_tone", guardrails=[LATENCY])
    case = scenes.article(observed(decoy, scenes.quiet(), minutes=4), controls=[decoy])
    analysis = look(case)
    assert [each.flag for each in analysis.finding.suspects] == [scenes.FLAG]
    assert analysis.operations[0].flag == scenes.FLAG  # type: ignore[union-attr]
    assert "`support_tone` moved 4 minutes before and does not separate." in analysis.finding.summary
    check_grounded(analysis)


def test_of_two_candidates_that_do_harm_the_nearer_and_clearer_comes_first() -> None:
    other = control("support_model_route", rules=[INTERNAL, pro(10, "pro-route")], guardrails=[CORRECTIONS])
    weaker = measured(CORRECTIONS, [stage(arm(800, 0.20), arm(7200, 0.11), rule="pro-route")])
    case = scenes.article(observed(other, weaker, minutes=60 * 24), controls=[other])
    analysis = look(case)
    assert [each.flag for each in analysis.finding.suspects] == [scenes.FLAG, "support_model_route"]
    assert {each.flag for each in analysis.operations} == {scenes.FLAG}  # type: ignore[union-attr]
    assert "Also suspected: `support_model_route`" in analysis.finding.summary
    assert analysis.finding.confidence < look(scenes.article()).finding.confidence
    check_grounded(analysis)


def test_a_deploy_at_the_same_time_does_not_explain_a_difference_between_the_arms() -> None:
    case = msgspec.structs.replace(scenes.article(), changes=(scenes.deploy(),))
    analysis = look(case)
    assert analysis.finding.recommendation is Recommendation.REDUCE_TO_INTERNAL
    assert "reaching both arms alike: a deploy of `retrieval-api` 12 minutes before" in analysis.finding.summary
    assert analysis.finding.confidence < look(scenes.article()).finding.confidence
    check_grounded(analysis)


def test_a_change_after_the_signal_is_told_as_such_and_counts_less() -> None:
    profile = control()
    late = observed(profile, scenes.slow(), minutes=-10)
    analysis = look(scenes.collected([late], [profile]))
    assert "It moved only afterwards, at 12:10 UTC" in analysis.finding.summary
    early = look(scenes.collected([observed(profile, scenes.slow())], [profile]))
    assert analysis.finding.confidence < early.finding.confidence
    check_grounded(analysis)


# ---------------------------------------------------------------- abstaining


def abstains(analysis: Analysis) -> bool:
    finding = analysis.finding
    acts = finding.recommendation not in (Recommendation.NO_ACTION, Recommendation.CLEAN_UP)
    return not acts and not finding.suspects and not analysis.operations


def test_an_outage_that_both_arms_meet_is_no_flags_doing() -> None:
    profile = control()
    outage = measured(LATENCY, [stage(arm(20_000, 0.60, quantile=9.1), arm(20_000, 0.60, quantile=9.0), share=0.5)])
    analysis = look(scenes.collected([observed(profile, outage)], [profile]))
    assert abstains(analysis)
    assert "The trouble reaches the baseline as well: p95 latency 9.1 s against 9 s" in analysis.finding.reason
    assert "`support_answer_profile` moved 32 minutes before and does not separate." in analysis.finding.reason
    check_grounded(analysis)


def test_a_load_spike_that_slows_both_arms_is_no_flags_doing_and_is_told_with_its_figures() -> None:
    profile = control()
    slower = measured(LATENCY, [stage(arm(20_000, 0.30, quantile=7.2), arm(20_000, 0.30, quantile=7.1), share=0.5)])
    spike = Mix(before=55.0, after=180.0, units_before=3_300, units_after=2_160)
    case = scenes.collected([observed(profile, slower)], [profile])
    analysis = look(msgspec.structs.replace(case, mix=spike))
    assert abstains(analysis)
    assert "The trouble reaches the baseline as well: p95 latency 7.2 s against 7.1 s" in analysis.finding.reason
    assert "Traffic changed: 180 units a minute come, 55 before." in analysis.finding.reason
    check_grounded(analysis)


def test_when_nothing_separates_a_deploy_nearby_is_named() -> None:
    profile = control()
    case = scenes.collected([observed(profile, scenes.quiet())], [profile], changes=[scenes.deploy()])
    analysis = look(case)
    assert abstains(analysis)
    assert "a deploy of `retrieval-api` 12 minutes before, which no flag controls" in analysis.finding.reason
    assert analysis.finding.confidence == 0.9
    check_grounded(analysis)


def test_an_abstention_is_the_less_sure_the_more_the_figures_lean_to_harm() -> None:
    def sure(failing: float) -> float:
        profile = control(guardrails=[LATENCY])
        figures = measured(LATENCY, [stage(arm(300, failing), arm(2_700, 0.04))], all_guardrails=[LATENCY])
        analysis = look(scenes.collected([observed(profile, figures)], [profile]))
        assert abstains(analysis)
        return analysis.finding.confidence

    assert 0.9 > sure(0.03) > sure(0.06) > sure(0.08) > 0.0
    assert sure(0.03) > 0.5 > sure(0.08)


def test_without_any_telemetry_it_abstains_and_names_what_is_missing() -> None:
    profile = control()
    nothing = [measured(each, [], presence=MetricPresence(metric=each.metric)) for each in (LATENCY, CORRECTIONS)]
    analysis = look(scenes.collected([observed(profile, *nothing)], [profile]))
    assert abstains(analysis)
    assert analysis.finding.confidence == 0.0
    assert "nothing can be compared" in analysis.finding.reason
    assert {each.kind for each in analysis.finding.gaps} == {GapKind.NO_DATA}
    assert len(analysis.finding.gaps) == 2
    check_grounded(analysis)


def test_an_environment_without_controls_is_a_gap_and_no_error() -> None:
    analysis = look(scenes.collected([], []))
    assert abstains(analysis)
    assert [each.id for each in analysis.finding.gaps] == ["gap-no_data-controls"]


def test_a_flag_that_moved_and_has_no_guardrail_is_a_gap() -> None:
    profile = control(guardrails=[])
    analysis = look(scenes.collected([observed(profile)], [profile]))
    assert abstains(analysis)
    assert [each.id for each in analysis.finding.gaps] == ["gap-no_guardrail-support_answer_profile"]


def test_an_observational_breach_alone_blames_nobody() -> None:
    profile = control()
    breached = scenes.slow()
    looks_bad = msgspec.structs.replace(breached, verdict=msgspec.structs.replace(breached.verdict, observational=True))
    analysis = look(scenes.collected([observed(profile, looks_bad)], [profile]))
    assert abstains(analysis)
    assert "no control arm is left to tell the flag's part in it" in analysis.finding.reason


def test_too_few_units_are_a_gap_and_no_verdict() -> None:
    profile = control()
    few = measured(LATENCY, [stage(arm(20, 0.05), arm(180, 0.05))])
    finding = look(scenes.collected([observed(profile, few)], [profile])).finding
    assert finding.recommendation is Recommendation.NO_ACTION
    assert [each.kind for each in finding.gaps] == [GapKind.TOO_FEW_UNITS]


def test_a_candidate_that_was_taken_back_already_needs_nothing_more() -> None:
    profile = control(rules=[INTERNAL, msgspec.structs.replace(pro(10), serve=Serve(variation="baseline"))])
    analysis = look(scenes.collected([observed(profile, scenes.slow())], [profile]))
    assert abstains(analysis)
    assert analysis.finding.recommendation is Recommendation.CLEAN_UP
    assert "reaches nobody through those rules any more" in analysis.finding.reason
    check_grounded(analysis)


def test_a_case_without_signals_is_refused() -> None:
    with pytest.raises(Invalid, match="signals"):
        look(scenes.collected([], [], signals=[]))


# ---------------------------------------------------------------- the ladder


def by_region(guardrail: str, inside: tuple[float, float], outside: tuple[float, float]) -> Measurement:
    """A guardrail cut by region: `eu` has a quarter of all units."""
    chosen = {each.key: each for each in (LATENCY, CORRECTIONS)}[guardrail]
    eu = stage(arm(2_500, inside[0], quantile=5.1), arm(2_500, inside[1], quantile=3.6), share=0.5)
    us = stage(arm(7_500, outside[0], quantile=3.7), arm(7_500, outside[1], quantile=3.7), share=0.5)
    whole = stage(
        arm(10_000, (inside[0] + 3 * outside[0]) / 4, quantile=4.4),
        arm(10_000, (inside[1] + 3 * outside[1]) / 4, quantile=3.7),
        share=0.5,
    )
    cuts = [
        CohortContrast(attribute="region", value="us", stages=(us,)),
        CohortContrast(attribute="region", value="eu", stages=(eu,)),
    ]
    return measured(chosen, [whole], cuts)


def test_harm_in_one_region_excludes_that_region_and_nobody_else() -> None:
    profile = control()
    harmed = by_region("p95_latency", inside=(0.30, 0.10), outside=(0.10, 0.10))
    case = scenes.collected([observed(profile, harmed)], [profile])
    analysis = look(case)
    assert analysis.finding.recommendation is Recommendation.EXCLUDE
    (added,) = analysis.operations
    assert isinstance(added, AddRule)
    assert (added.position, added.rule.id, added.upkeep and added.upkeep.owner) == (
        1,
        "exclude-region-eu",
        "support-ai",
    )
    assert analysis.finding.suspects[0].cohort["region"] == ("eu",)
    assert "The harm is confined to `region` `eu`" in analysis.finding.summary
    assert "harm is excluded on 7,500 outside" in analysis.finding.summary
    check_grounded(analysis)

    before, after = case.state.snapshot(), apply_all(case.state, analysis.operations).snapshot()
    for number in range(300):
        person = {"targetingKey": f"c-{number}", "conversation": f"c-{number}", "plan": "pro"}
        assert evaluate(after, scenes.FLAG, person | {"region": "eu"}).variation == "baseline"
        us = person | {"region": "us"}
        assert evaluate(after, scenes.FLAG, us).variation == evaluate(before, scenes.FLAG, us).variation


def test_harm_everywhere_is_not_confined_to_a_region() -> None:
    profile = control()
    harmed = by_region("p95_latency", inside=(0.30, 0.04), outside=(0.12, 0.04))
    finding = look(scenes.collected([observed(profile, harmed)], [profile])).finding
    assert finding.recommendation is Recommendation.REDUCE_TO_INTERNAL
    assert "excluding one cohort: the harm is not confined to one value of `region`" in finding.lower_rungs


def test_a_second_guardrail_that_is_harmed_elsewhere_forbids_excluding_one_region() -> None:
    profile = control()
    confined = by_region("p95_latency", inside=(0.30, 0.04), outside=(0.04, 0.04))
    spread = by_region("manual_correction_rate", inside=(0.22, 0.10), outside=(0.22, 0.10))
    finding = look(scenes.collected([observed(profile, confined, spread)], [profile])).finding
    assert finding.recommendation is Recommendation.REDUCE_TO_INTERNAL


def test_a_candidate_within_its_limits_goes_back_to_the_share_before() -> None:
    profile = control(rules=[pro(10)])
    worse = measured(CORRECTIONS, [stage(arm(3_000, 0.10), arm(27_000, 0.05))])
    seen = observed(profile, worse, before=control(rules=[pro(1)]))
    analysis = look(scenes.collected([seen], [profile]))
    assert analysis.finding.recommendation is Recommendation.REDUCE_PERCENTAGE
    assert analysis.operations == (
        SetWeights(flag=scenes.FLAG, rule="pro-10", weights=(("reranker_v2", 1_000), ("baseline", 99_000))),
    )
    check_grounded(analysis)


def test_another_rule_that_serves_the_candidate_is_left_alone() -> None:
    profile = control(rules=[pro(10), pro(5, "beta")])
    analysis = look(scenes.collected([observed(profile, scenes.slow())], [profile]))
    assert analysis.finding.recommendation is Recommendation.MOVE_TO_BASELINE
    assert [each.rule for each in analysis.operations if isinstance(each, SetRuleServe)] == ["pro-10"]


def test_without_an_internal_rule_the_flag_is_rolled_back() -> None:
    profile = control(rules=[], otherwise=scenes.rollout(10))
    analysis = look(scenes.collected([observed(profile, scenes.slow(rule=None))], [profile]))
    assert analysis.finding.recommendation is Recommendation.ROLL_BACK
    assert analysis.operations == (SetOtherwise(flag=scenes.FLAG, serve=Serve(variation="baseline")),)
    check_grounded(analysis)


def test_a_tool_is_disabled() -> None:
    profile = control(rules=[], otherwise=scenes.rollout(10), surface=Surface.TOOL)
    finding = look(scenes.collected([observed(profile, scenes.slow(rule=None))], [profile])).finding
    assert finding.recommendation is Recommendation.DISABLE_TOOL


def test_what_would_be_served_in_its_place_is_switched_off_with_it() -> None:
    """Another flag waits for the suspected one's baseline: to take that back alone would expose people to the other."""
    profile = control(rules=[pro(10)])
    waiting = control("support_fallback", rules=[], otherwise=Serve(variation="reranker_v2"), guardrails=[])
    waiting = msgspec.structs.replace(
        waiting,
        flag=msgspec.structs.replace(waiting.flag, prerequisites=scenes.dependent(scenes.FLAG, "baseline")),
    )
    case = scenes.collected([observed(profile, scenes.slow())], [profile, waiting])
    analysis = look(case)
    assert analysis.finding.recommendation is Recommendation.KILL_SWITCH
    assert analysis.operations == (
        SetEnabled(flag=scenes.FLAG, enabled=False),
        SetEnabled(flag="support_fallback", enabled=False),
    )
    assert effect(case.state, apply_all(case.state, analysis.operations)).effect is Effect.NARROWS
    lower = " ".join(analysis.finding.lower_rungs)
    assert "roll support_answer_profile back to the baseline: on this state that does not only narrow" in lower
    check_grounded(analysis)


def test_people_who_were_given_the_candidate_one_by_one_are_reached_by_the_kill_switch_alone() -> None:
    profile = control(rules=[], otherwise=scenes.rollout(10))
    targets = (Target(variation="reranker_v2", units=tuple(f"c{each}" for each in range(100))),)
    profile = msgspec.structs.replace(profile, flag=msgspec.structs.replace(profile.flag, targets=targets))
    seen = msgspec.structs.replace(observed(profile, scenes.slow(rule=None)), recorded=conversations(300))
    analysis = look(scenes.collected([seen], [profile]))
    assert analysis.finding.recommendation is Recommendation.KILL_SWITCH
    assert analysis.operations == (SetEnabled(flag=scenes.FLAG, enabled=False),)
    assert any("it would not have excluded the harm: by replay" in each for each in analysis.finding.lower_rungs)
    check_grounded(analysis)


def conversations(units: int) -> tuple[RecordedContext, ...]:
    """Recorded conversations `c0`, `c1`, ..."""
    return tuple(
        RecordedContext(
            unit=f"c{each}", unit_name="conversation", context={"targetingKey": f"c{each}"}, weight=1, at=scenes.NOON
        )
        for each in range(units)
    )


def test_harm_in_two_rules_moves_both() -> None:
    rules = [INTERNAL, pro(10), Rule(id="free-10", clauses=(), serve=scenes.rollout(10))]
    profile = control(rules=rules)
    both = measured(
        LATENCY,
        [
            stage(arm(800, 0.12, quantile=4.8), arm(7200, 0.04, quantile=3.7)),
            stage(arm(800, 0.14, quantile=4.9), arm(7200, 0.04, quantile=3.7), rule="free-10"),
        ],
    )
    analysis = look(scenes.collected([observed(profile, both)], [profile]))
    assert analysis.finding.recommendation is Recommendation.REDUCE_TO_INTERNAL
    assert {each.rule for each in analysis.operations if isinstance(each, SetRuleServe)} == {"pro-10", "free-10"}
    check_grounded(analysis)


def test_harm_in_one_of_two_rules_moves_that_one() -> None:
    profile = control(rules=[INTERNAL, pro(10), Rule(id="free-10", clauses=(), serve=scenes.rollout(10))])
    one = measured(
        LATENCY,
        [
            stage(arm(800, 0.14, quantile=4.8), arm(7200, 0.04, quantile=3.7)),
            stage(arm(800, 0.04, quantile=3.7), arm(7200, 0.04, quantile=3.7), rule="free-10"),
        ],
    )
    analysis = look(scenes.collected([observed(profile, one)], [profile]))
    assert analysis.finding.recommendation is Recommendation.MOVE_TO_BASELINE
    assert [each.rule for each in analysis.operations if isinstance(each, SetRuleServe)] == ["pro-10"]
