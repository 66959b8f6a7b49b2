"""Figures for people: a guardrail's tile with its value, its limit and how it moved."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from twokey.domain.guardrail import Guardrail, GuardrailKind, Verdict, VerdictStatus
from twokey.surfaces.http_api.models import Tile

_STATES: dict[VerdictStatus, Literal["harm", "safe", "unknown", "gap"]] = {
    VerdictStatus.BREACHED: "harm",
    VerdictStatus.HOLDING: "safe",
    VerdictStatus.INCONCLUSIVE: "unknown",
    VerdictStatus.CANNOT_JUDGE: "gap",
}


def tile(guardrail: Guardrail, verdict: Verdict | None, gaps: Collection[str]) -> Tile:
    """What one guardrail says now. A metric that is not joined to a variation is a gap, whatever its figure."""
    joined = f"gap-not_joined-{guardrail.joined_by}" not in gaps
    value = verdict.candidate_value if verdict and joined else None
    return Tile(
        guardrail=guardrail.title or guardrail.key.replace("_", " "),
        metric=guardrail.metric,
        value=value,
        text=figure(guardrail, value) if joined else "not joined",
        limit_text=f"limit {figure(guardrail, guardrail.limit)}",
        change_text=_change(guardrail, value, verdict),
        state=_STATES[verdict.status] if verdict and joined else "gap",
    )


def figure(guardrail: Guardrail, value: float | None) -> str:
    """A value as people write it: shares in percent, the rest with the metric's unit."""
    if value is None:
        return "no data"
    if guardrail.kind in (GuardrailKind.RATE, GuardrailKind.FALLBACK) or guardrail.unit_label == "%":
        return f"{100 * value:.1f} %"
    if guardrail.unit_label == "$":
        return f"${value:,.3f}"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
    return f"{text} {guardrail.unit_label}".strip()


def _change(guardrail: Guardrail, value: float | None, verdict: Verdict | None) -> str:
    if value is None or verdict is None or verdict.baseline_value is None:
        return ""
    other, against = verdict.baseline_value, "before" if verdict.observational else "baseline"
    if guardrail.kind is GuardrailKind.RATE:
        return f"{100 * (value - other):+.1f} points against {against}"
    return f"{100 * (value / other - 1):+.0f} % against {against}" if other else ""
