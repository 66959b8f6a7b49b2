"""Which of very many controls are measured, and what it means that one of many stands out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.triage.scenes import FLAG, LATENCY, NOON, alert, control, rollout, state
from twokey.domain.guardrail import Guardrail, GuardrailKind, Worse, fallback_guardrail
from twokey.domain.telemetry import ExposureCount, Glance
from twokey.domain.triage import screening
from twokey.domain.triage.screening import FEW, MOST, Shortlist, asked, shortlist, standing, weights

SPLIT: dict[str, Any] = {"rules": (), "otherwise": rollout(50)}
CORRECT = Guardrail(key="correct", metric="correct", kind=GuardrailKind.MEAN, limit=0.5, worse=Worse.LOWER)


def met(*variations: str, fallen: int = 0) -> tuple[ExposureCount, ...]:
    counts = [ExposureCount(rule=None, assigned=each, served=each, exposures=100, units=100) for each in variations]
    gone = ExposureCount(rule=None, assigned="reranker_v2", served="baseline", exposures=fallen, units=fallen)
    return (*counts, gone) if fallen else tuple(counts)


def glanced(flag: str, candidate: int, baseline: int, guardrail: str = "p95_latency") -> list[Glance]:
    return [
        Glance(
            flag=flag, guardrail=guardrail, rule=None, assigned=name, units=1000, failures=failures,
            mean=failures / 1000, variance=0.04,
        )
        for name, failures in (("reranker_v2", candidate), ("baseline", baseline))
    ]  # fmt: skip


def many(count: int = 200) -> dict[str, tuple[ExposureCount, ...]]:
    return {f"flag-{number:03d}": met("baseline", "reranker_v2") for number in range(count)}


def test_of_many_the_ones_that_shifted_most_are_measured_and_those_edited_before_the_signal() -> None:
    exposed = many()
    held = state(*(control(key, guardrails=[LATENCY], **SPLIT) for key in exposed))
    glances = [
        glance
        for key in exposed
        for glance in glanced(
            key, *((300, 100) if key == "flag-123" else (100, 300) if key == "flag-050" else (105, 100))
        )
    ]
    edited = {"flag-077": NOON - timedelta(minutes=5), "flag-078": NOON - timedelta(hours=20)}
    found = shortlist(held, [alert()], NOON, edited, exposed, glances)
    assert found.flags[:2] == ("flag-123", "flag-077")
    assert "flag-050" not in found.flags
    assert (len(found.flags), found.compared) == (MOST, 200)
    assert found.weight("flag-077") > 50 > found.weight("flag-078") > 1 > found.weight("flag-000") == 0.5


def test_few_are_all_measured_and_what_nobody_compares_is_named() -> None:
    held = state(control(), control("quiet", guardrails=()), control("gone", archived=True))
    found = shortlist(held, [alert()], NOON, {"quiet": NOON, "gone": NOON}, {}, ())
    assert found.flags == (FLAG,)
    assert found.unwatched == ("quiet",)
    assert (found.compared, FEW > MOST) == (0, True)


def test_a_flag_that_a_signal_names_is_measured_whatever_shifted() -> None:
    exposed = many()
    held = state(*(control(key, guardrails=[LATENCY], **SPLIT) for key in exposed))
    glances = [glance for key in list(exposed)[:50] for glance in glanced(key, 300, 100)]
    named = shortlist(held, [alert(labels={"flag": "flag-199"})], NOON, {}, exposed, glances)
    assert named.flags[0] == "flag-199"
    assert named.weight("flag-199") == 1.0, "text never weighs"


def test_only_a_flag_whose_two_arms_are_met_is_glanced_at() -> None:
    held = state(control("both", guardrails=[LATENCY, fallback_guardrail()]), control("one"), control("never"))
    questions = asked(held, {"both": met("baseline", "reranker_v2"), "one": met("reranker_v2")})
    assert [(each.flag, each.metric, each.failing, each.higher) for each in questions] == [
        ("both", "answer_latency", 4.0, True)
    ]


def test_a_tail_is_glanced_at_past_each_of_its_limits_and_the_worst_of_them_counts() -> None:
    several = msgspec.structs.replace(LATENCY, other_limits=(1.0, 30.0))
    held, exposed = state(control("f", guardrails=[several], **SPLIT)), {"f": met("baseline", "reranker_v2")}
    assert [each.failing for each in asked(held, exposed)] == [4.0, 1.0, 30.0]
    counts = {4.0: (100, 100), 1.0: (600, 600), 30.0: (40, 5)}
    found = {
        limit: [msgspec.structs.replace(each, failing=limit) for each in glanced("f", *failures)]
        for limit, failures in counts.items()
    }
    alone = {limit: screening.shifts(held, glances, exposed)["f"] for limit, glances in found.items()}
    together = screening.shifts(held, [each for glances in found.values() for each in glances], exposed)["f"]
    assert together == max(alone.values()) == alone[30.0] > 4


def test_a_mean_that_must_not_fall_and_units_that_fall_back_shift_as_well() -> None:
    exposed = many() | {"fell": met("baseline", "reranker_v2", fallen=90)}
    mean = state(
        control("worse", guardrails=[CORRECT], **SPLIT),
        control("better", guardrails=[CORRECT], **SPLIT),
        control("fell", guardrails=[fallback_guardrail()], **SPLIT),
    )
    glances = [*glanced("worse", 400, 600, "correct"), *glanced("better", 600, 400, "correct")]
    found = screening.shifts(mean, glances, exposed)
    assert found["worse"] > 10
    assert found["better"] == 0
    assert found["fell"] > 5


# ---------------------------------------------------------------- of many, a few look bad by chance


def test_alone_a_breach_stands_and_among_a_thousand_it_must_carry_them() -> None:
    assert standing({"a": 1.0}, Shortlist(compared=1)) == {"a"}
    assert standing({"a": 20.0}, Shortlist(compared=1000)) == frozenset()
    assert standing({"a": 200.0}, Shortlist(compared=1000)) == {"a"}
    assert standing({"a": 0.5}, Shortlist(compared=1, weights={"a": 9.0})) == frozenset(), "no weight makes a breach"
    assert standing({"a": 20.0}, Shortlist(compared=1000, weights={"a": 50.0})) == {"a"}
    assert standing({}, Shortlist(compared=10)) == frozenset()


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.floats(0, 1e6), max_size=20), st.integers(0, 200))
def test_more_controls_never_make_more_of_them_stand(strengths: dict[str, float], compared: int) -> None:
    fewer = standing(strengths, Shortlist(compared=compared))
    assert standing(strengths, Shortlist(compared=compared + 50)) <= fewer <= strengths.keys()
    if fewer:
        weakest = min(strengths[key] for key in fewer)
        assert all(key in fewer for key, value in strengths.items() if value > weakest), "never a weaker one instead"


@given(st.dictionaries(st.integers(0, 50), st.floats(0, 1), max_size=30))
def test_prior_weights_are_one_on_average(near: dict[int, float]) -> None:
    compared = [str(key) for key in range(40)]
    found = weights(compared, {str(key): value for key, value in near.items()})
    assert sum(found.values()) == pytest.approx(40)
    assert min(found.values()) >= 0.5
