"""Who belongs to which arm of which stage, and which events are theirs."""

from __future__ import annotations

import msgspec
import pytest

from tests.support.telemetry import SCOPE, Sender, assert_alike, at, measured, met
from twokey.domain.guardrail import ArmFigures, Guardrail, GuardrailKind, StageArms, Worse, fallback_guardrail, judge
from twokey.domain.telemetry import Scope, StagePlan, Telemetry, Window

SLOW = Guardrail(key="p95", metric="latency", kind=GuardrailKind.TAIL, limit=100, quantile=0.5)
MEAN = Guardrail(key="mean", metric="latency", kind=GuardrailKind.MEAN, limit=100)
WRONG = Guardrail(key="wrong", metric="wrong", kind=GuardrailKind.RATE, limit=0.1)
TEN = StagePlan(rule="pro-10", first_revision=18, last_revision=18, shares={"reranker": 10_000, "baseline": 90_000})
HALF = StagePlan(rule="pro-10", first_revision=19, shares={"reranker": 50_000, "baseline": 50_000})


@pytest.fixture
def store(any_store: Telemetry) -> Telemetry:
    return any_store


def arms(store: Telemetry, guardrail: Guardrail = SLOW, *plans: StagePlan, **more: object) -> tuple[StageArms, ...]:
    return store.arms(SCOPE, guardrail, plans or (TEN,), baseline="baseline", **more)  # type: ignore[arg-type]


def sizes(found: tuple[StageArms, ...]) -> list[tuple[int, int]]:
    return [(each.candidate.units, each.baseline.units) for each in found]


def test_figures_of_both_arms(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [met("a", "reranker", 1), met("b", "baseline", 1), met("c", "baseline", 1), met("d", "baseline", 1)],
        [measured("a", 150, 2), measured("b", 80, 2), measured("c", 120, 2)],
    )
    (found,) = arms(store)
    assert (found.rule, found.stage, found.share) == ("pro-10", 18, 0.1)
    assert found.candidate == ArmFigures(units=1, joined_units=1, failures=1, mean=150, variance=0, quantile_value=150)
    assert found.baseline == ArmFigures(units=3, joined_units=2, failures=1, mean=100, variance=800, quantile_value=100)


def test_arms_are_what_was_assigned_and_what_was_served_stands_beside(sender: Sender, store: Telemetry) -> None:
    """A candidate that fails over to the baseline keeps its harm."""
    sender.send(
        [met("a", "reranker", 1, served="baseline"), met("b", "baseline", 1)],
        [measured("a", 900, 2), measured("b", 10, 2)],
    )
    (found,) = arms(store)
    assert (found.candidate.failures, found.candidate.served_other) == (1, 1)
    assert (found.baseline.failures, found.baseline.served_other) == (0, 0)
    (fallback,) = arms(store, fallback_guardrail())
    assert (fallback.candidate.units, fallback.candidate.failures) == (1, 1)
    assert (fallback.baseline.units, fallback.baseline.failures) == (1, 0)


def test_a_unit_with_many_exposures_and_events_is_one_unit_with_one_number(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [met("a", "reranker", second) for second in (1, 5, 9)],
        [measured("a", value, second) for value, second in ((50, 2), (60, 6), (190, 10))],
    )
    (found,) = arms(store, MEAN)
    assert (found.candidate.units, found.candidate.joined_units) == (1, 1)
    assert (found.candidate.mean, found.candidate.variance) == (100, 0)
    assert arms(store)[0].candidate.failures == 1


def test_an_event_before_the_exposure_or_after_the_window_is_not_its(sender: Sender, store: Telemetry) -> None:
    sender.send([met("a", "reranker", 10)], [measured("a", 999, 9.999), measured("a", 50, 10), measured("a", 999, 60)])
    (found,) = arms(store, MEAN, window=Window(until=at(60)))
    assert (found.candidate.joined_units, found.candidate.mean) == (1, 50)


def test_a_unit_counts_once_in_the_stage_of_its_first_exposure(sender: Sender, store: Telemetry) -> None:
    """A chronic user, seen in both stages, is not recounted; its later events belong to no stage."""
    sender.send(
        [met("old", "baseline", 1), met("old", "reranker", 100, revision=19), met("new", "reranker", 101, revision=19)],
        [measured("old", 10, 2), measured("old", 5000, 102), measured("new", 20, 103)],
    )
    found = arms(store, MEAN, TEN, HALF)
    assert sizes(found) == [(0, 1), (1, 0)]
    assert found[0].baseline.mean == 10
    assert found[1].candidate.mean == 20


def test_a_finished_stage_stands_still_for_units_that_keep_their_variation_too(
    sender: Sender, store: Telemetry
) -> None:
    """Otherwise candidates, who stay, would be watched longer than those of the baseline, who move."""
    sender.send(
        [met("stays", "reranker", 1), met("stays", "reranker", 100, revision=19)],
        [measured("stays", 10, 2), measured("stays", 5000, 102)],
    )
    assert [each.candidate.mean for each in arms(store, MEAN, TEN, HALF)] == [10, 0]


def test_a_unit_first_seen_outside_the_plans_counts_from_its_first_exposure_inside(
    sender: Sender, store: Telemetry
) -> None:
    sender.send([met("a", "baseline", 1, revision=12, rule=None), met("a", "reranker", 50)], [measured("a", 70, 51)])
    (found,) = arms(store, MEAN)
    assert (found.candidate.units, found.candidate.joined_units, found.candidate.mean) == (1, 1, 70)


def test_a_unit_that_changes_its_variation_within_a_stage_leaves_and_does_not_come_back(
    sender: Sender, store: Telemetry
) -> None:
    """Its later fallback is no longer the stage's either."""
    sender.send(
        [met("a", "reranker", 1), met("a", "baseline", 50), met("a", "reranker", 60, served="baseline")],
        [measured("a", 10, 2), measured("a", 900, 51), measured("a", 900, 61)],
    )
    (found,) = arms(store, MEAN)
    assert (found.candidate.units, found.candidate.mean, found.candidate.served_other) == (1, 10, 0)
    assert found.baseline.units == 0


def test_after_a_rollback_events_no_longer_count_for_the_candidate(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [met("a", "reranker", 1), met("a", "baseline", 50, revision=20, rule=None)],
        [measured("a", 900, 2), measured("a", 10, 51)],
    )
    assert arms(store, MEAN)[0].candidate.mean == 900


def test_rules_are_kept_apart(sender: Sender, store: Telemetry) -> None:
    rest = StagePlan(rule=None, first_revision=18, shares={"reranker": 1, "baseline": 1})
    sender.send([met("a", "reranker", 1), met("b", "reranker", 1, rule=None), met("c", "baseline", 1, rule="other")])
    found = arms(store, SLOW, TEN, rest)
    assert [(each.rule, each.candidate.units, each.baseline.units) for each in found] == [
        ("pro-10", 1, 0),
        (None, 1, 0),
    ]


def test_candidates_are_pooled_or_one_is_named(sender: Sender, store: Telemetry) -> None:
    plan = StagePlan(rule="pro-10", first_revision=18, shares={"a": 10, "b": 30, "baseline": 60})
    sender.send([met("u1", "a", 1), met("u2", "b", 1), met("u3", "baseline", 1), met("u4", "retired", 1)])
    (pooled,) = arms(store, SLOW, plan)
    (named,) = arms(store, SLOW, plan, candidate="a")
    assert (pooled.share, pooled.candidate.units, pooled.baseline.units) == (0.4, 2, 1)
    assert (named.share, named.candidate.units, named.baseline.units) == (pytest.approx(10 / 70), 1, 1)


def test_an_event_with_attributes_of_its_own_joins_by_them(sender: Sender, store: Telemetry) -> None:
    own = {"flag": "profile", "variation": "reranker", "rule": "pro-10", "revision": 18}
    sender.send(
        [met("a", "reranker", 10), met("b", "baseline", 10)],
        [
            measured("a", 50, 1, **own),  # before the exposure by its clock, and still this unit's
            measured("b", 999, 20, **own),  # says what its unit was not
            measured("c", 70, 20, **own),  # a unit without an exposure
        ],
    )
    (found,) = arms(store, MEAN)
    assert (found.candidate.units, found.candidate.joined_units, found.candidate.mean) == (2, 2, 60)
    assert (found.baseline.units, found.baseline.joined_units) == (1, 0)


def test_an_event_s_own_attributes_must_agree_with_its_unit_in_every_part(sender: Sender, store: Telemetry) -> None:
    right = {"flag": "profile", "variation": "reranker", "rule": "pro-10", "revision": 18}
    wrong = [{"rule": "other"}, {"revision": 17}, {"revision": 19}, {"variation": "baseline"}]
    sender.send(
        [met("a", "reranker", 10)],
        [measured("a", 50, 20, **right), measured("a", 60, 20, **(right | {"rule": None}))]
        + [measured("a", 999, 20, **(right | each)) for each in wrong],
    )
    assert arms(store, MEAN)[0].candidate.mean == 55


def test_what_an_event_says_does_not_overrule_its_unit_s_exposures(sender: Sender, store: Telemetry) -> None:
    own = {"flag": "profile", "variation": "baseline", "rule": "pro-10", "revision": 18}
    sender.send([met("a", "reranker", 10)], [measured("a", 50, 1, **own), measured("a", 70, 11)])
    (found,) = arms(store, MEAN)
    assert (found.candidate.units, found.candidate.mean, found.baseline.units) == (1, 70, 0)


def test_an_event_of_another_flag_still_joins_through_its_unit(sender: Sender, store: Telemetry) -> None:
    sender.send([met("a", "reranker", 1)], [measured("a", 50, 2, flag="other", variation="on", revision=3)])
    assert arms(store, MEAN)[0].candidate.mean == 50


def test_the_same_id_under_another_unit_name_is_another_unit(sender: Sender, store: Telemetry) -> None:
    sender.send([met("7", "reranker", 1)], [measured("7", 50, 2, unit_name="user")])
    assert arms(store)[0].candidate.joined_units == 0


def test_flags_and_environments_do_not_mix(sender: Sender, store: Telemetry) -> None:
    elsewhere = Sender(store, Scope(project="support", environment="staging"))
    elsewhere.send([met("x", "reranker", 1)], [measured("x", 50, 2)])
    sender.send([met("a", "reranker", 1), met("y", "reranker", 1, flag="other")], [measured("x", 50, 2)])
    (found,) = arms(store)
    assert (found.candidate.units, found.candidate.joined_units) == (1, 0)


def test_rates_and_downward_harm(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [met("a", "reranker", 1), met("b", "baseline", 1)],
        [measured("a", 1, 2, metric="wrong"), measured("a", 0, 3, metric="wrong"), measured("b", 0, 2, metric="wrong")],
    )
    (up,) = arms(store, WRONG)
    (down,) = arms(store, msgspec.structs.replace(WRONG, worse=Worse.LOWER, limit=0.9))
    assert (up.candidate.failures, up.baseline.failures) == (1, 0)
    assert (down.candidate.failures, down.baseline.failures) == (1, 1)


def test_no_plans_or_no_data_give_empty_figures(store: Telemetry) -> None:
    assert store.arms(SCOPE, SLOW, (), baseline="baseline") == ()
    assert arms(store) == (
        StageArms(rule="pro-10", stage=18, share=0.1, candidate=ArmFigures(), baseline=ArmFigures()),
    )
    nothing = StagePlan(rule="pro-10", first_revision=18, shares={})
    assert arms(store, SLOW, nothing)[0].share == 0


def test_the_window_bounds_exposures(sender: Sender, store: Telemetry) -> None:
    sender.send([met("a", "reranker", 1), met("b", "reranker", 10), met("c", "reranker", 20)])
    assert sizes(arms(store, window=Window(since=at(10), until=at(20)))) == [(1, 0)]


def test_cohorts_compare_the_arms_within_each_value(sender: Sender, store: Telemetry) -> None:
    def one(unit: str, assigned: str, plan: str | None, value: float) -> None:
        context = {} if plan is None else {"plan": plan, "seats/used~": 5}
        sender.send([met(unit, assigned, 1, context=context)], [measured(unit, value, 2)])

    one("a", "reranker", "pro", 500)
    one("b", "reranker", "free", 50)
    one("c", "baseline", "pro", 50)
    one("d", "baseline", "pro", 60)
    one("e", "baseline", None, 60)
    found = store.cohort_contrasts(SCOPE, SLOW, [TEN], ["plan", "seats/used~", "absent"], baseline="baseline")
    assert [(each.attribute, each.value) for each in found] == [("plan", "pro"), ("plan", "free"), ("seats/used~", "5")]
    (pro,) = found[0].stages
    assert (pro.candidate.units, pro.candidate.failures, pro.baseline.units, pro.baseline.failures) == (1, 1, 2, 0)
    (top,) = store.cohort_contrasts(SCOPE, SLOW, [TEN], ["plan"], baseline="baseline", values=1)
    assert top.value == "pro"


def test_a_unit_s_cohort_is_that_of_its_first_exposure(sender: Sender, store: Telemetry) -> None:
    sender.send([met("a", "reranker", 1, context={"plan": "free"}), met("a", "reranker", 9, context={"plan": "pro"})])
    found = store.cohort_contrasts(SCOPE, SLOW, [TEN], ["plan"], baseline="baseline")
    assert [each.value for each in found] == ["free"]


def test_overall_figures_of_the_exposed_of_one_variation_and_of_everybody(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [met("a", "reranker", 1, served="baseline"), met("b", "baseline", 1)],
        [measured("a", 150, 2), measured("b", 50, 2), measured("stranger", 70, 2), measured("b", 999, 0.5)],
    )
    exposed = store.overall(SCOPE, SLOW)
    assert (exposed.units, exposed.joined_units, exposed.failures, exposed.served_other) == (2, 2, 1, 1)
    assert store.overall(SCOPE, MEAN, assigned=["baseline"]).mean == 50
    everybody = store.overall(Scope(project="support", environment="production"), MEAN, window=Window(since=at(1)))
    assert (everybody.units, everybody.joined_units, everybody.mean) == (3, 3, 90)
    assert store.overall(SCOPE, fallback_guardrail()).failures == 1
    assert store.overall(SCOPE, SLOW, window=Window(since=at(500))) == ArmFigures()


def test_several_guardrails_at_once_give_what_each_gives_alone(sender: Sender, store: Telemetry) -> None:
    """Two on one metric, one that must not fall, one on the fallback itself."""
    sender.send(
        [met("a", "reranker", 1, served="baseline"), met("b", "baseline", 1), met("c", "reranker", 80, revision=19)],
        [measured("a", 150, 2), measured("b", 50, 2), measured("c", 70, 81), measured("a", 0, 2, metric="wrong")],
    )
    p90 = msgspec.structs.replace(SLOW, key="p90", quantile=0.9, limit=60)
    guardrails = [SLOW, p90, MEAN, msgspec.structs.replace(WRONG, worse=Worse.LOWER), fallback_guardrail()]
    together = store.arms_of_all(SCOPE, guardrails, [TEN, HALF], baseline="baseline")
    assert_alike(together, tuple(arms(store, each, TEN, HALF) for each in guardrails))
    assert [found[0].candidate.failures for found in together] == [1, 1, 1, 1, 1]
    assert store.arms_of_all(SCOPE, [], [TEN], baseline="baseline") == ()


def test_the_same_question_gives_the_same_answer(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [met(f"u{each}", "reranker" if each % 3 else "baseline", each % 7) for each in range(200)],
        [measured(f"u{each}", each * 1.37 % 11, 10 + each % 5) for each in range(200)],
    )
    assert len({arms(store, MEAN) for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("rule", "reason", "units"),
    [
        (None, "SPLIT", 1),
        (None, "CACHED", 1),
        (None, "DEFAULT", 0),
        (None, "DISABLED", 0),
        (None, "ERROR", 0),
        (None, "TARGETING_MATCH", 0),
        ("pro-10", "TARGETING_MATCH", 1),
        ("pro-10", "ERROR", 0),
    ],
)
def test_what_no_split_decided_is_in_no_arm(
    sender: Sender, store: Telemetry, rule: str | None, reason: str, units: int
) -> None:
    """Units whose prerequisite is not met all get the baseline: in its arm they would fail the check of the shares."""
    plan = StagePlan(rule=rule, first_revision=18, shares={"reranker": 10_000, "baseline": 90_000})
    sender.send([met("a", "baseline", 1, rule=rule, reason=reason), met("b", "reranker", 1, rule=rule)])
    (split,) = store.arms(SCOPE, SLOW, [plan], baseline="baseline")
    assert (split.baseline.units, split.candidate.units) == (units, 1)
    (again,) = store.arms_of_all(SCOPE, [SLOW], [plan], baseline="baseline")[0]
    assert again == split


def test_a_unit_that_is_no_longer_drawn_has_left(sender: Sender, store: Telemetry) -> None:
    sender.send(
        [met("a", "reranker", 1), met("a", "baseline", 20, reason="DISABLED")],
        [measured("a", 9, 5), measured("a", 99, 30)],
    )
    plan = StagePlan(rule="pro-10", first_revision=18, shares={"reranker": 10_000, "baseline": 90_000})
    (split,) = store.arms(SCOPE, SLOW, [plan], baseline="baseline")
    assert (split.candidate.joined_units, split.candidate.failures) == (1, 0)


def test_a_candidate_whose_every_failure_falls_back_to_the_baseline_is_breached(
    sender: Sender, store: Telemetry
) -> None:
    """By what was served, its failures would be the baseline's, and it would look perfect."""
    units = [(f"u{each}", ("candidate", "baseline")[each % 2], each % 20 < 5 and each % 2 == 0) for each in range(3000)]
    sender.send([met(name, arm, 1, served="baseline" if failed else arm) for name, arm, failed in units])
    sender.send(metrics=[measured(name, float(failed), 2, metric="failed") for name, _, failed in units])
    failing = Guardrail(key="failing", metric="failed", kind=GuardrailKind.RATE, limit=0.02)
    plan = StagePlan(rule="pro-10", first_revision=18, shares={"candidate": 50_000, "baseline": 50_000})
    stages, fallback = store.arms_of_all(SCOPE, [failing, fallback_guardrail()], [plan], baseline="baseline")
    assert (stages[0].candidate.failures, stages[0].baseline.failures) == (450, 0)
    assert str(judge(failing, stages).status) == "breached"
    assert str(judge(fallback_guardrail(), fallback).status) == "breached"
    alike = [msgspec.structs.replace(each, baseline=each.candidate) for each in stages]
    assert str(judge(failing, alike).reason) == "fallback", "so many were served something else: nothing may pass"
