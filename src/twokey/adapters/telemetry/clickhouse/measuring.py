"""What was measured of the members that a statement gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twokey.adapters.telemetry import arms, ratios
from twokey.adapters.telemetry.arms import Measured
from twokey.adapters.telemetry.clickhouse import statements
from twokey.adapters.telemetry.clickhouse.values import key_of, number, wanted
from twokey.adapters.telemetry.events import Key
from twokey.adapters.telemetry.members import Values
from twokey.domain.guardrail import ArmFigures, Guardrail, GuardrailKind, each_alone, together

Found = Sequence[Any]
Ask = Callable[[str, Values], Found]
"""A statement and its parameters into rows."""


def measure(ask: Ask, members: str, values: Values, guardrails: Sequence[Guardrail]) -> list[dict[Key, ArmFigures]]:
    """Figures by cohort, stage and arm of each guardrail."""
    return together(guardrails, _alone(ask, members, values, each_alone(guardrails)))


def _alone(ask: Ask, members: str, values: Values, guardrails: Sequence[Guardrail]) -> list[dict[Key, ArmFigures]]:
    sizes = {key_of(row[:3]): (row[3], row[4]) for row in ask(statements.sizes(members), values)}
    chosen = arms.counted_alone(guardrails)
    measured: dict[tuple[int, Key], Measured] = {}
    if chosen:
        for row in ask(statements.figures(members), values | wanted(chosen)):
            measured[row[0], key_of(row[1:4])] = (row[4], row[5], row[6], number(row[7]))
    pairs = _pairs(ask, members, values, guardrails)
    tails = _quantiles(ask, members, values, [each for each in chosen if each[1].kind is GuardrailKind.TAIL])
    return [
        {
            key: arms.fallback(size) if each.kind is GuardrailKind.FALLBACK
            else ratios.figures(size, pairs.get((number, key))) if each.kind is GuardrailKind.RATIO
            else arms.figures(size, measured.get((number, key)), tails.get((number, key)))
            for key, size in sizes.items()
        }
        for number, each in enumerate(guardrails)
    ]  # fmt: skip


def _pairs(
    ask: Ask, members: str, values: Values, guardrails: Sequence[Guardrail]
) -> dict[tuple[int, Key], ratios.Found]:
    chosen = [(number, each) for number, each in enumerate(guardrails) if each.kind is GuardrailKind.RATIO]
    if not chosen:
        return {}
    asked = values | ratios.wanted(chosen) | {"higher": [1] * len(chosen) * 2}
    return {(row[0], key_of(row[1:4])): ratios.told(row[4:]) for row in ask(statements.pairs(members), asked)}


def _quantiles(
    ask: Ask, members: str, values: Values, tails: Sequence[tuple[int, Guardrail]]
) -> dict[tuple[int, Key], float]:
    found: dict[tuple[int, Key], float] = {}
    for share in sorted({each.quantile for _, each in tails}):
        alike = [(number, each) for number, each in tails if each.quantile == share]
        for row in ask(statements.quantiles(members, share), values | wanted(alike)):
            found[row[0], key_of(row[1:4])] = row[4]
    return found
