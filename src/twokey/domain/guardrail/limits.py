"""A tail that is held against several limits at once, so that a change anywhere in the distribution is seen.

Rules kept here:
- a store measures one limit at a time: a guardrail of several is measured as several of one (`each_alone`), and what
  was measured is put together again (`together`); so every store can, and none knows of it;
- the guardrail's own `limit` comes first, the others in their own order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from twokey.domain.guardrail.model import ArmFigures, Guardrail

K = TypeVar("K")


def each_alone(guardrails: Sequence[Guardrail]) -> tuple[Guardrail, ...]:
    """The guardrails, each of several limits as that many of one limit."""
    return tuple(one for each in guardrails for one in _alone(each))


def _alone(guardrail: Guardrail) -> Iterator[Guardrail]:
    for limit in (guardrail.limit, *guardrail.other_limits):
        yield replace(guardrail, limit=limit, other_limits=()) if guardrail.other_limits else guardrail


def together(guardrails: Sequence[Guardrail], measured: Sequence[Mapping[K, ArmFigures]]) -> list[dict[K, ArmFigures]]:
    """What was measured of `each_alone`, by whatever key, as figures of the guardrails themselves."""
    found, rest = [], iter(measured)
    for each in guardrails:
        own, others = next(rest), [next(rest) for _ in each.other_limits]
        found.append({key: _joined(arm, [one.get(key, ArmFigures()) for one in others]) for key, arm in own.items()})
    return found


def _joined(arm: ArmFigures, others: Sequence[ArmFigures]) -> ArmFigures:
    return replace(arm, failures_at=tuple(each.failures for each in others)) if others else arm
