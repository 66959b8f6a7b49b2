"""What goes to ClickHouse as parameters and rows, and what comes back, in the words of both stores.

Rule: nothing stands for nothing (`''`, -1); a stage's number is one more than its place among the plans.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from twokey.adapters.telemetry import arms, rows
from twokey.adapters.telemetry.clickhouse.schema import UNKNOWN
from twokey.adapters.telemetry.events import Key
from twokey.adapters.telemetry.members import Split, Values
from twokey.domain.guardrail import Guardrail, GuardrailKind, Worse

EXPOSURE_TEXTS = {3: ""}
METRIC_TEXTS: Mapping[int, str | int] = {8: "", 9: "", 10: "", 11: UNKNOWN}


def plain(row: rows.Row, nothing: Mapping[int, str | int]) -> list[object]:
    """A row with what stands for nothing in place of nothing."""
    return [nothing[place] if value is None and place in nothing else value for place, value in enumerate(row)]


def split_values(split: Split) -> Values:
    """The plans and arms; here a stage's number is one more than its place among the plans."""
    values = split.values()
    return {
        "plan_rule": [each.rule or "" for each in split.plans],
        "plan_first": values["plan_first"],
        "plan_last": values["plan_last"],
        "arm_stage": [int(each) + 1 for each in values["arm_stage"]],  # type: ignore[union-attr,arg-type]
        "arm_variation": values["arm_variation"],
        "arm_candidate": values["arm_candidate"],
    }


def wanted(guardrails: Sequence[tuple[int, Guardrail]]) -> Values:
    """Guardrails by their numbers, as parameters."""
    return {
        "number": [number for number, _ in guardrails],
        "metric": [each.metric for _, each in guardrails],
        "limit": [arms.threshold(each) for _, each in guardrails],
        "higher": [int(each.worse is Worse.HIGHER) for _, each in guardrails],
    }


def key_of(found: Sequence[Any]) -> Key:
    """A row's cohort, stage and arm."""
    return found[0] or None, found[1] - 1, found[2]


def number(value: float | None) -> float:
    """The variance of one value is none."""
    return 0.0 if value is None or math.isnan(value) else value


def figure_of(guardrail: Guardrail) -> tuple[str, Values]:
    """SQL of a chart's figure, and its parameters."""
    limit: Values = {"bar": arms.threshold(guardrail)}
    if guardrail.kind is GuardrailKind.RATE:
        return "avg(value > {bar:Float64})", limit
    if guardrail.kind is GuardrailKind.RATIO:
        return "sumIf(value, metric != {under:String}) / nullIf(sumIf(value, metric = {under:String}), 0)", {
            "under": guardrail.denominator
        }
    if guardrail.kind is GuardrailKind.TAIL:
        return f"quantileExactInclusive({guardrail.quantile:.6f})(value)", {}
    return "avg(value)", {}
