"""A guardrail by query: what another system measured says harm, no harm, or nothing; silence never passes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from twokey.domain.guardrail import (
    Guardrail,
    GuardrailKind,
    Reading,
    Readings,
    Verdict,
    VerdictReason,
    VerdictStatus,
    Worse,
    alpha_by_guardrail,
    judge_query,
)
from twokey.engine.errors import Invalid

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
ERRORS = Guardrail(
    key="error_ratio", metric="error_ratio", kind=GuardrailKind.QUERY, limit=0.05, query="sum(errors) / sum(requests)"
)
NO_NUMBER = float("nan")


def judged(values: Sequence[float], guardrail: Guardrail = ERRORS, *, minutes: float = 10, late: float = 0) -> Verdict:
    """A reading every 15 seconds, the last of them `late` seconds ago; the change was `minutes` ago."""
    last = NOON - timedelta(seconds=late)
    readings = tuple(
        Reading(at=last - timedelta(seconds=15 * back), value=value) for back, value in enumerate(reversed(values))
    )
    return judge_query(guardrail, Readings(values=readings[::-1]), NOON - timedelta(minutes=minutes), NOON)


def test_a_figure_past_its_limit_for_two_minutes_on_end_is_harm() -> None:
    verdict = judged([0.01] * 30 + [0.2] * 9)
    assert (verdict.status, verdict.reason) == (VerdictStatus.BREACHED, VerdictReason.HARM)
    assert verdict.observational
    assert verdict.sentence.startswith("error_ratio: 0.2 now (limit 0.05); past its limit for 2 minutes on end. Obs")
    assert not verdict.passes


def test_a_spike_is_not_harm_and_no_pass_either() -> None:
    verdict = judged([0.01] * 30 + [0.2] * 4 + [0.01] * 4)
    assert (verdict.status, verdict.reason) == (VerdictStatus.INCONCLUSIVE, VerdictReason.TOO_EARLY)


def test_a_figure_within_its_limit_for_five_minutes_holds() -> None:
    verdict = judged([0.01] * 40)
    assert verdict.passes
    assert verdict.candidate_value == 0.01


def test_what_was_before_is_told_and_decides_nothing() -> None:
    verdict = judged([0.5] * 40 + [0.01] * 21, minutes=5)
    assert verdict.passes
    assert verdict.baseline_value == pytest.approx(0.5)
    assert "0.5 before" in verdict.sentence


def test_five_minutes_have_to_pass_first() -> None:
    assert judged([0.01] * 40, minutes=4).reason is VerdictReason.TOO_EARLY


def test_readings_may_be_few_only_down_to_the_coverage_floor() -> None:
    thin = [0.01, NO_NUMBER, NO_NUMBER, NO_NUMBER] * 10
    assert judged(thin).reason is VerdictReason.COVERAGE
    assert judged(thin, Guardrail(**fields(coverage_floor=0.2))).passes  # type: ignore[arg-type]


def test_silence_cannot_be_judged() -> None:
    assert judged([]).reason is VerdictReason.NO_DATA
    assert judged([NO_NUMBER] * 40).reason is VerdictReason.NO_DATA
    stopped = judged([0.2] * 40, late=150)
    assert stopped.reason is VerdictReason.NO_DATA
    assert "11:57:30" in stopped.sentence


def test_a_refusal_is_told_and_cannot_be_judged() -> None:
    refused = Readings(problem="Prometheus refused the query: parse error")
    verdict = judge_query(ERRORS, refused, NOON - timedelta(minutes=9), NOON)
    assert verdict.status is VerdictStatus.CANNOT_JUDGE
    assert verdict.sentence == "error_ratio cannot be judged: Prometheus refused the query: parse error"


def test_where_less_is_worse_the_limit_is_a_floor() -> None:
    floor = Guardrail(**fields(worse=Worse.LOWER, limit=0.99))  # type: ignore[arg-type]
    assert judged([0.9] * 40, floor).status is VerdictStatus.BREACHED
    assert judged([0.999] * 40, floor).passes


def test_an_infinite_figure_is_no_figure() -> None:
    assert judged([float("inf")] * 40).reason is VerdictReason.NO_DATA


def test_it_takes_nothing_of_the_error_probability_of_the_others() -> None:
    rate = Guardrail(key="corrections", metric="correction", kind=GuardrailKind.RATE, limit=0.05)
    assert alpha_by_guardrail([ERRORS, rate]) == {"corrections": 0.05}
    assert alpha_by_guardrail([ERRORS]) == {}


@pytest.mark.parametrize(
    ("more", "field"),
    [({"query": ""}, "query"), ({"kind": GuardrailKind.MEAN}, "query"), ({"query": "x" * 4001}, "query")],
)
def test_a_query_belongs_to_its_kind_and_has_an_end(more: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid, match=f"error_ratio: {field}"):
        Guardrail(**fields(**more))  # type: ignore[arg-type]


def fields(**more: object) -> dict[str, object]:
    return {
        "key": "error_ratio",
        "metric": "error_ratio",
        "kind": GuardrailKind.QUERY,
        "limit": 0.05,
        "query": "sum(errors) / sum(requests)",
    } | more
