"""The ladder by replay, flags that depend on each other, traffic that changed, and what stands beside the suspects."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from tests.domain.triage.scenes import (
    INTERNAL,
    LATENCY,
    NOON,
    NOW,
    Version,
    arm,
    collected,
    control,
    history,
    look,
    measured,
    observed,
    pro,
    quiet,
    slow,
    stage,
    state,
)
from twokey.domain.control import Control, Surface
from twokey.domain.evidence import EvidenceKind
from twokey.domain.experiment import Better, Experiment, Primary
from twokey.domain.finding import Recommendation, ground
from twokey.domain.guarded_rollout import GuardedRollout, Plan, PlannedStage, RolloutStatus
from twokey.domain.operation import SetEnabled, SetWeights
from twokey.domain.runbook import Runbook, Section, Step
from twokey.domain.telemetry import CohortContrast, RecordedContext, Traffic
from twokey.domain.triage import Analysis, Collected, Measurement, Observed
from twokey.domain.triage.mix import Came, compare
from twokey.domain.triage.replay import Harm, Replay, neighbourhood
from twokey.domain.triage.screening import Shortlist
from twokey.engine.flag import Prerequisite, Rollout, Serve, Variation

MODES = ("read_only", "approval", "autonomous")


def unit(number: int, **context: str) -> RecordedContext:
    """A conversation of a paying customer, unless said otherwise."""
    return RecordedContext(
        unit=f"c{number}", unit_name="conversation", context={"plan": "pro", "targetingKey": f"c{number}", **context},
        weight=1, at=NOON,
    )  # fmt: skip


def agent() -> Control:
    """An agent whose mode is one of three, most cautious first."""
    made = control("agent", rules=(), surface=Surface.AGENT_MODE, caution=MODES, guardrails=(LATENCY,))
    split = Serve(rollout=Rollout(weights=(("approval", 20_000), ("autonomous", 20_000), ("read_only", 60_000))))
    flag = msgspec.structs.replace(
        made.flag,
        variations=tuple(Variation(key=each, value=each) for each in MODES),
        baseline="read_only",
        otherwise=split,
    )
    return msgspec.structs.replace(made, flag=flag)


def by_variation(name: str, failing: float) -> Measurement:
    found = measured(LATENCY, [stage(arm(20_000, failing), arm(20_000, 0.04), 0.5, None)])
    return msgspec.structs.replace(found, variation=name)


def case(seen: Observed, one: Control, **more: object) -> Analysis:
    return look(msgspec.structs.replace(collected([seen], [one]), **more))  # type: ignore[arg-type]


# ---------------------------------------------------------------- by replay


def test_a_way_out_says_how_many_recorded_units_it_takes_the_harm_from() -> None:
    profile = control(rules=[pro(50)])
    seen = msgspec.structs.replace(observed(profile, slow()), recorded=tuple(unit(each) for each in range(400)))
    found = case(seen, profile)
    (replayed,) = [each for each in found.evidence if each.kind is EvidenceKind.REPLAY]
    assert replayed.body["units"] == 400
    assert 150 < replayed.body["harmed"] == replayed.body["excluded"] < 250
    assert replayed.body["others_moved"] == 0
    assert (
        f"takes the harm from {replayed.body['harmed']} of {replayed.body['harmed']}" in found.finding.expected_effect
    )
    assert all(each.supported for each in ground(found.finding, {each.id: each for each in found.evidence}))


def test_with_nobody_recorded_nothing_is_claimed() -> None:
    profile = control(rules=[pro(50)])
    found = case(observed(profile, slow()), profile)
    assert found.finding.recommendation is Recommendation.ROLL_BACK
    assert "replay" not in found.finding.expected_effect


def test_a_replay_counts_the_harmed_of_the_suspected_rule_and_cohort_alone() -> None:
    profile = control(rules=[INTERNAL, pro(100)])
    here = state(profile, control("other"))
    recorded = [
        unit(1, region="eu"),
        unit(2, region="us"),
        unit(3, plan="free", region="eu"),
        unit(4, email="a@example.com", region="eu"),
    ]
    harm = Harm(flag=profile.key, baseline="baseline", rules=("pro-10",), cohort=("region", "eu"))
    replay = Replay(here, harm, recorded)
    off = replay.of([SetEnabled(flag=profile.key, enabled=False)])
    assert (off.units, off.harmed, off.excluded, off.others_moved) == (4, 1, 1, 2)
    assert not replay.of([SetWeights(flag=profile.key, rule="pro-10", weights=pro(100).serve.rollout.weights)]).does  # type: ignore[union-attr]
    everywhere = Replay(here, Harm(flag=profile.key, baseline="baseline", rules=("pro-10",)), recorded)
    assert everywhere.most(("region", "plan")) == ("plan", "pro")
    assert replay.most(("nothing",)) is None


def test_only_what_a_flag_has_to_do_with_is_replayed() -> None:
    child = control("child", prerequisites=(Prerequisite(flag="parent", variations=("baseline",)),))
    grandchild = control("grandchild", prerequisites=(Prerequisite(flag="child", variations=("baseline",)),))
    elsewhere = control("elsewhere", prerequisites=(Prerequisite(flag="unrelated", variations=("baseline",)),))
    beside = control("beside", prerequisites=(Prerequisite(flag="grandchild", variations=("baseline",)),
                                              Prerequisite(flag="needed", variations=("baseline",))))  # fmt: skip
    here = state(control("parent"), child, grandchild, elsewhere, control("unrelated"), beside, control("needed"))
    assert sorted(neighbourhood(here, "child").controls) == ["beside", "child", "grandchild", "needed", "parent"]


# ---------------------------------------------------------------- one of several variations


def test_a_stricter_mode_that_does_no_harm_is_served_instead() -> None:
    mode = agent()
    breached = measured(LATENCY, [stage(arm(8000, 0.09), arm(12_000, 0.04), 0.4, None)])
    seen = msgspec.structs.replace(
        observed(mode, breached),
        by_variation=(by_variation("approval", 0.04), by_variation("autonomous", 0.14)),
        recorded=tuple(unit(each) for each in range(300)),
    )
    found = case(seen, mode)
    assert found.finding.recommendation is Recommendation.STRICTER_MODE
    assert found.finding.suspects[0].variation == "autonomous"
    assert found.operations == (
        SetWeights(flag="agent", rule=None, weights=(("approval", 40_000), ("read_only", 60_000))),
    )
    assert "get `approval`, which does no harm" in found.finding.expected_effect


def test_where_no_stricter_mode_is_proven_the_harmful_one_alone_goes_to_the_baseline() -> None:
    mode = agent()
    breached = measured(LATENCY, [stage(arm(8000, 0.09), arm(12_000, 0.04), 0.4, None)])
    undecided = msgspec.structs.replace(
        measured(LATENCY, [stage(arm(300, 0.04), arm(900, 0.04), 0.25, None)]), variation="approval"
    )
    seen = msgspec.structs.replace(observed(mode, breached), by_variation=(undecided, by_variation("autonomous", 0.14)))
    found = case(seen, mode)
    assert found.finding.recommendation is Recommendation.MOVE_TO_BASELINE
    assert found.operations == (
        SetWeights(flag="agent", rule=None, weights=(("approval", 20_000), ("read_only", 80_000))),
    )
    assert any("no more cautious variation is known to do no harm" in each for each in found.finding.lower_rungs)


# ---------------------------------------------------------------- flags that depend on each other


def beside(other: str, inside: float, outside_failing: float) -> tuple[Measurement, CohortContrast]:
    """A breach of which half of the units met another flag's candidate, with these failing shares in and outside."""
    together = stage(arm(2000, (inside + outside_failing) / 2), arm(18_000, 0.04), 0.1)
    cut = CohortContrast(attribute=other, value="reranker_v2", stages=(stage(arm(1000, inside), arm(9000, 0.04), 0.1),))
    return measured(LATENCY, [together]), cut


def two(first: tuple[float, float], second: tuple[float, float]) -> Collected:
    """Two flags over the same units: each one's failing shares where the other serves its candidate, and elsewhere."""
    one, other = control("one"), control("other")
    seen = []
    for mine, its, shares in ((one, "other", first), (other, "one", second)):
        breach, cut = beside(its, *shares)
        seen.append(observed(mine, msgspec.structs.replace(breach, beside=(cut,))))
    return collected(seen, [one, other])


def test_a_flag_that_is_worse_only_beside_another_is_cleared() -> None:
    found = look(two((0.2, 0.2), (0.3, 0.04))).finding
    assert [each.flag for each in found.suspects] == ["one"]
    assert "`other` looks worse only among units that `one` gave its candidate, and is cleared" in found.summary


def test_two_flags_that_do_harm_only_together_are_told_so() -> None:
    found = look(two((0.3, 0.04), (0.3, 0.04))).finding
    assert {each.flag for each in found.suspects} == {"one", "other"}
    assert "the two do harm together" in found.summary


def test_what_two_flags_do_together_is_not_made_less_by_a_smaller_share() -> None:
    """The candidate keeps its limit on average: half of its units are well, and the other half has all of the harm."""
    whole = two((0.2, 0.02), (0.2, 0.02))
    loose = msgspec.structs.replace(LATENCY, quantile=0.85)
    seen = []
    for each in whole.controls:
        (one,) = each.measurements
        kept = msgspec.structs.replace(one.verdict, candidate_value=3.9)
        within = msgspec.structs.replace(one, guardrail=loose, verdict=kept)
        seen.append(observed(control(each.flag, rules=[pro(10)]), within, before=control(each.flag, rules=[pro(1)])))
    found = look(collected(seen, [control("one", rules=[pro(10)]), control("other", rules=[pro(10)])])).finding
    assert found.recommendation is Recommendation.ROLL_BACK
    assert any("a smaller share: whoever still got it beside" in each for each in found.lower_rungs)


def test_two_flags_that_each_do_harm_are_both_suspected() -> None:
    found = look(two((0.2, 0.2), (0.2, 0.2))).finding
    assert {each.flag for each in found.suspects} == {"one", "other"}
    assert "together" not in found.summary


# ---------------------------------------------------------------- of many, by chance


def test_a_breach_that_one_of_a_thousand_has_by_chance_accuses_nobody() -> None:
    profile = control(guardrails=(LATENCY,))
    weak = measured(LATENCY, [stage(arm(800, 0.085), arm(7200, 0.04))], all_guardrails=(LATENCY,))
    assert weak.verdict.e_value is not None
    assert 1 < weak.verdict.e_value * weak.verdict.alpha < 1000
    alone = case(observed(profile, weak), profile)
    assert alone.finding.suspects
    crowd = case(observed(profile, weak), profile, shortlist=Shortlist(compared=1000))
    assert crowd.operations == ()
    assert "no more than one of 1,000 does by chance" in crowd.finding.summary
    assert f"`{profile.key}` moved 32 minutes before, so it is the first to look at." in crowd.finding.summary
    assert "does not separate" not in crowd.finding.summary


# ---------------------------------------------------------------- traffic


def came(minutes: float, units: int, eu: float) -> Came:
    contexts = tuple({"region": "eu" if number < eu * 1000 else "us", "id": str(number)} for number in range(1000))
    traffic = Traffic(units=units, exposures=units, contexts=contexts)
    return Came(since=NOON, until=NOON + timedelta(minutes=minutes), traffic=traffic)


def test_more_units_than_before_and_another_mix_are_told_with_their_figures() -> None:
    profile = control()
    mix = compare(came(60, 6000, 0.3), came(10, 3000, 0.6))
    found = case(observed(profile), profile, mix=mix).finding
    assert "Traffic changed: 300 units a minute come, 100 before" in found.summary
    assert "`region` `eu` went from 30 % to 60 % of the units" in found.summary


@pytest.mark.parametrize(("after", "eu"), [(1100, 0.33), (90, 0.9)])
def test_small_changes_and_few_units_are_no_change_of_traffic(after: int, eu: float) -> None:
    later = came(10, after, eu)
    few = msgspec.structs.replace(later.traffic, contexts=later.traffic.contexts[: min(after, 1000)])
    mix = compare(came(60, 6000, 0.3), msgspec.structs.replace(later, traffic=few))
    assert not mix.load_changed
    assert mix.shifted == ()


# ---------------------------------------------------------------- where nothing is drafted


def running(flag: str, minutes: float, status: RolloutStatus = RolloutStatus.RUNNING) -> GuardedRollout:
    return GuardedRollout(
        id="rollout-1", project="support", environment="production", flag=flag, proposal="p",
        plan=Plan(flag=flag, candidate="reranker_v2", stages=(PlannedStage(share=20_000),)), status=status, stage=0,
        first_revision=2, revision=2, started_at=NOON, entered_at=NOON - timedelta(minutes=minutes),
    )  # fmt: skip


def leaning() -> Measurement:
    return measured(LATENCY, [stage(arm(300, 0.08, quantile=4.8), arm(2700, 0.04, quantile=3.7))])


def test_a_rollout_that_leans_to_harm_is_paused_until_it_is_decided() -> None:
    profile = control()
    found = case(observed(profile, leaning()), profile, rollouts=(running(profile.key, 20),))
    assert (found.finding.recommendation, found.operations) == (Recommendation.PAUSE, ())
    assert "leans to harm, which is not proven yet: p95 latency 4.8 s against 3.7 s" in found.finding.summary
    assert "twokey rollout pause rollout-1" in found.finding.summary


def test_a_rollout_whose_guardrails_all_hold_goes_on() -> None:
    profile = control(guardrails=(LATENCY,))
    found = case(observed(profile, quiet()), profile, rollouts=(running(profile.key, 20),))
    assert (found.finding.recommendation, found.operations) == (Recommendation.CONTINUE, ())


@pytest.mark.parametrize(
    ("minutes", "status"), [(20, RolloutStatus.PAUSED), (90, RolloutStatus.RUNNING), (-5, RolloutStatus.RUNNING)]
)
def test_a_rollout_that_did_not_move_before_the_signal_is_not_spoken_of(minutes: float, status: RolloutStatus) -> None:
    profile = control()
    found = case(observed(profile, leaning()), profile, rollouts=(running(profile.key, minutes, status),))
    assert found.finding.recommendation is Recommendation.NO_ACTION


# ---------------------------------------------------------------- beside the suspects


def test_a_metric_that_was_changed_in_the_middle_of_an_experiment_is_warned_of() -> None:
    begun = control(experiment=trial("rating"))
    changed = control(experiment=trial("handling_time"))
    versions = history(changed, (600.0, begun))
    seen = Observed(flag=changed.key, versions=versions)
    found = case(seen, changed)
    (warning,) = found.finding.warnings
    assert (
        "The experiment `rerank` on `support_answer_profile` runs, and at 11:28 UTC it was judged by rating" in warning
    )
    assert found.operations == ()
    assert any(each.kind is EvidenceKind.EXPERIMENT for each in found.evidence)
    ended = case(Observed(flag=changed.key, versions=(*versions, later(changed))), changed)
    assert ended.finding.warnings == ()


def trial(metric: str) -> Experiment:
    primary = Primary(metric=metric, kind="mean", better=Better.HIGHER)  # type: ignore[arg-type]
    return Experiment(key="rerank", hypothesis="it helps", candidate="reranker_v2", rule="pro-10", primary=primary)


def later(now: Control) -> Version:
    return Version(
        flag=now.key, revision=9, environment_revision=30, at=NOW, change="change-9",
        control=msgspec.structs.replace(now, experiment=None),
    )  # fmt: skip


def test_steps_of_the_team_s_runbook_are_repeated_with_file_and_line() -> None:
    profile = control()
    text = "names p95_latency and nothing else"
    section = Section(headings=("Latency",), text=text, steps=(Step(line=7, text="Page the search team."),))
    runbook = Runbook(path="slow.md", title="Slow", sha256="sha256:00", sections=(section,))
    found = case(observed(profile, slow()), profile, runbooks=(runbook,))
    (step,) = found.finding.steps
    assert (step.runbook, step.heading, step.line, step.text) == ("slow.md", "Latency", 7, "Page the search team.")
    (cited,) = [each for each in found.evidence if each.kind is EvidenceKind.RUNBOOK]
    assert (cited.id, cited.body["sha256"]) == (step.evidence, "sha256:00")
    assert case(observed(profile), profile, runbooks=(runbook,)).finding.steps == ()
