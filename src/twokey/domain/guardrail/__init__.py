"""Guardrails: an evidence rule on one metric, what was measured for it, and the verdict on it."""

from twokey.domain.guardrail.before_after import judge_before_after
from twokey.domain.guardrail.by_query import Reading, Readings, judge_query
from twokey.domain.guardrail.gaps import EvidenceGap, GapKind, presence_gap, verdict_gap
from twokey.domain.guardrail.judge import alpha_by_guardrail, judge
from twokey.domain.guardrail.limits import each_alone, together
from twokey.domain.guardrail.model import (
    DEFAULT_ALPHA,
    FALLBACK_LIMIT,
    METHOD_VERSION,
    ArmFigures,
    Guardrail,
    GuardrailKind,
    StageArms,
    Verdict,
    VerdictReason,
    VerdictStatus,
    Worse,
    fallback_guardrail,
    paired,
)
from twokey.domain.guardrail.pairs import Pair, without

__all__ = [
    "DEFAULT_ALPHA",
    "FALLBACK_LIMIT",
    "METHOD_VERSION",
    "ArmFigures",
    "EvidenceGap",
    "GapKind",
    "Guardrail",
    "GuardrailKind",
    "Pair",
    "Reading",
    "Readings",
    "StageArms",
    "Verdict",
    "VerdictReason",
    "VerdictStatus",
    "Worse",
    "alpha_by_guardrail",
    "each_alone",
    "fallback_guardrail",
    "judge",
    "judge_before_after",
    "judge_query",
    "paired",
    "presence_gap",
    "together",
    "verdict_gap",
    "without",
]
