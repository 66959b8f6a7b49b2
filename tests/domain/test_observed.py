"""Predicted against observed: the same shares are as predicted, others are told, chance is not."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from tests.support.states import article_state
from twokey.domain.observed import Reach, reach
from twokey.domain.telemetry import RecordedContext
from twokey.engine import evaluate

KEY = "support_answer_profile"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPAN = (NOON, NOON + timedelta(hours=1))
NOW = article_state().snapshot()


def unit(number: int, variation: str | None = None) -> RecordedContext:
    context = {"plan": "pro", "conversation": f"c-{number}"}
    return RecordedContext(
        unit=f"c-{number}", unit_name="conversation", context=context, weight=1, at=NOON, variation=variation
    )


def assigned(number: int) -> RecordedContext:
    return unit(number, evaluate(NOW, KEY, {"conversation": f"c-{number}", "plan": "pro"}).variation)


def compared(before: list[RecordedContext], since: list[RecordedContext]) -> Reach:
    return reach(NOW, KEY, before, since, SPAN)


def test_what_was_published_is_what_they_got() -> None:
    found = compared([unit(n) for n in range(3000)], [assigned(n) for n in range(5000, 8000)])
    assert found.sentence == "as predicted, on 3,000 units since and 3,000 replayed"
    shares = {each.variation: (each.predicted, each.observed) for each in found.variations}
    assert abs(shares["reranker_v2"][0] - 0.1) < 0.02
    assert abs(shares["reranker_v2"][1] - 0.1) < 0.02


def test_applications_that_do_not_follow_are_told() -> None:
    """Half of them serve what they had before: they have lost the stream, and nobody knew."""
    stale = [unit(n, "reranker_v2") if n % 2 else assigned(n) for n in range(5000, 6000)]
    found = compared([unit(n) for n in range(3000)], stale)
    assert found.sentence.startswith("not as predicted: baseline ")
    assert all(each.differs for each in found.variations)


def test_a_variation_that_nobody_was_to_get_is_told() -> None:
    found = compared([unit(n) for n in range(200)], [unit(n, "unheard_of") for n in range(200)])
    foreign = next(each for each in found.variations if each.variation == "unheard_of")
    assert (foreign.predicted, foreign.observed, foreign.differs) == (0.0, 1.0, True)


def test_few_units_are_not_compared() -> None:
    found = compared([unit(n) for n in range(20)], [unit(n, "reranker_v2") for n in range(500)])
    assert found.sentence == "too few to compare: 20 units replayed, 500 since"
    assert compared([unit(1)], []).sentence == "nobody is known to have met it since"


def test_chance_alone_is_seldom_told() -> None:
    chance, told = random.Random(7), 0
    for _ in range(300):
        some, others = (chance.sample(range(100_000), 400) for _ in range(2))
        told += not compared([unit(n) for n in some], [assigned(n) for n in others]).sentence.startswith("as")
    assert told == 0
