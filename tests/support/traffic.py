"""Telemetry batches as an application would send them, assigned by a published snapshot."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.world import FLAG
from twokey.engine import Snapshot, evaluate
from twokey.engine.wire import Exposure


def encounter(snapshot: Snapshot, context: dict[str, Any], at: datetime) -> Exposure:
    """How a conversation met the flag, as a client that serves what is assigned tells of it."""
    found = evaluate(snapshot, FLAG, context)
    return Exposure(
        flag=FLAG, rule=found.rule, revision=found.revision, assigned=found.variation or "",
        served=found.variation or "", unit=context["conversation"], unit_name="conversation", at=at,
        reason=str(found.reason), context=context,
    )  # fmt: skip


def batch_of(
    document: dict[str, Any],
    units: int,
    *,
    slow: float,
    slow_candidate: float | None = None,
    prefix: str,
    over: timedelta = timedelta(minutes=20),
    seed: int = 3,
) -> dict[str, Any]:
    """A batch of conversations that ended within `over` before now: `slow` is the share of answers over the limit."""
    chance, snapshot, now = random.Random(seed), Snapshot.from_json(document), datetime.now(UTC)
    exposures, metrics = [], []
    for number in range(units):
        unit, at = f"{prefix}-{number}", now - over * (1 - number / units)
        context = {"conversation": unit, "targetingKey": f"u-{number}", "plan": "pro", "region": "eu"}
        found = evaluate(snapshot, FLAG, context)
        share = slow if found.variation == "baseline" or slow_candidate is None else slow_candidate
        exposures.append(
            {
                "flag": FLAG,
                "rule": found.rule,
                "revision": found.revision,
                "assigned": found.variation,
                "served": found.variation,
                "unit": unit,
                "unit_name": "conversation",
                "at": at.isoformat(),
                "reason": str(found.reason),
                "context": context,
            }
        )
        latency = chance.uniform(2600, 5000) if chance.random() < share else chance.uniform(300, 2400)
        metrics.append(
            {
                "metric": "answer_latency_ms",
                "value": latency,
                "unit": unit,
                "unit_name": "conversation",
                "at": (at + timedelta(milliseconds=1)).isoformat(),
            }
        )
    return {"batch_id": prefix, "exposures": exposures, "metrics": metrics}
