"""Verdicts in words: what was measured on both sides, what that means, on how many units.

Rule: a sentence states figures a reader can check in the verdict, and never more certainty than its status.
"""

from __future__ import annotations

from twokey.domain.guardrail.model import Guardrail, GuardrailKind, VerdictReason, Worse
from twokey.domain.guardrail.summary import Summary


def percent(share: float) -> str:
    """A share as people read it: `4.2 %`."""
    return f"{share * 100:.3g} %"


def amount(value: float, unit: str) -> str:
    """A value with its unit, as precise as somebody on call needs it."""
    if unit == "%":
        return percent(value)
    digits = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def shown(guardrail: Guardrail, value: float | None) -> str:
    """A figure of this guardrail in its own unit."""
    if value is None:
        return "unknown"
    if guardrail.kind in (GuardrailKind.RATE, GuardrailKind.FALLBACK):
        return percent(value)
    return amount(value, guardrail.unit_label)


_MEANING = {
    VerdictReason.HARM: "worse than the {margin} margin allows",
    VerdictReason.HARM_EXCLUDED: "harm beyond the {margin} margin is excluded",
    VerdictReason.TOO_EARLY: "too early to tell harm beyond the {margin} margin from none",
}


def compared(guardrail: Guardrail, reason: VerdictReason, summary: Summary, worst: int = 0) -> str:
    """The sentence of a comparison between living arms that could be made.

    `worst` is the number of the limit that shows most harm, 0 for the guardrail's own.
    """
    meaning = _MEANING[reason].format(margin=percent(guardrail.margin))
    ours, theirs = shown(guardrail, summary.candidate_value), shown(guardrail, summary.baseline_value)
    limit, failing = shown(guardrail, guardrail.limit), _failing(guardrail, summary, worst)
    return (
        f"{guardrail.name}: {ours} on the candidate, {theirs} on the baseline (limit {limit}){failing}; "
        f"{meaning} ({summary.candidate_joined:,} and {summary.baseline_joined:,} units)"
    )


def _failing(guardrail: Guardrail, summary: Summary, worst: int) -> str:
    if guardrail.kind is not GuardrailKind.TAIL:
        return ""
    side = "above" if guardrail.worse is Worse.HIGHER else "below"

    def shares(number: int) -> str:
        return f"{percent(summary.candidate_failing[number])} against {percent(summary.baseline_failing[number])}"

    found = f", {shares(0)} of units {side} it"
    if not guardrail.other_limits:
        return found
    if not worst:
        return f"{found}, the most of its {1 + len(guardrail.other_limits)} limits"
    elsewhere = shown(guardrail, guardrail.other_limits[worst - 1])
    return f"{found}; most at {elsewhere}, {shares(worst)} {side} it"


def unjudged(guardrail: Guardrail, reason: VerdictReason, summary: Summary, fallback_limit: float) -> str:
    """The sentence of a comparison that could not be made, and why."""
    return f"{guardrail.name} cannot be judged: {_why(guardrail, reason, summary, fallback_limit)}"


def _why(guardrail: Guardrail, reason: VerdictReason, summary: Summary, fallback_limit: float) -> str:
    ours, theirs = summary.candidate_units, summary.baseline_units
    match reason:
        case VerdictReason.NO_DATA if ours + theirs == 0:
            return "no unit was exposed in these stages"
        case VerdictReason.NO_DATA:
            return f"none of {ours + theirs:,} exposed units has `{guardrail.joined_by}`"
        case VerdictReason.NO_CONTROL:
            return "no control arm: in no stage are both the candidate and the baseline served"
        case VerdictReason.SAMPLE_RATIO:
            return f"{ours:,} candidate and {theirs:,} baseline units do not fit the planned shares"
        case VerdictReason.COVERAGE:
            return (
                f"`{guardrail.joined_by}` is known for {percent(summary.candidate_coverage)} of candidate and "
                f"{percent(summary.baseline_coverage)} of baseline units; "
                f"the floor is {percent(guardrail.coverage_floor)}"
            )
        case VerdictReason.UNEVEN_COVERAGE:
            return (
                f"`{guardrail.joined_by}` is known for {percent(summary.candidate_coverage)} of candidate but "
                f"{percent(summary.baseline_coverage)} of baseline units; the missing ones could hide either answer"
            )
        case VerdictReason.NO_DENOMINATOR:
            return f"{_no_ratio(guardrail)} in an arm of some stage"
        case VerdictReason.FALLBACK:
            return (
                f"{percent(summary.fallback_share)} of candidate units were served something else (limit "
                f"{percent(fallback_limit)}), so its figures do not describe the candidate"
            )
        case _:
            least = summary.least_told
            needed = f"{guardrail.minimum_units:,} are needed"
            return f"the smaller arm has {least:,} units with `{guardrail.joined_by}`, {needed}"


def _no_ratio(guardrail: Guardrail) -> str:
    return f"`{guardrail.denominator}` is zero, or too near to it to divide `{guardrail.metric}` by,"


def single(guardrail: Guardrail, reason: VerdictReason, after: float | None, before: float | None, units: int) -> str:
    """The sentence of a comparison before and after."""
    was = f"{shown(guardrail, before)} before, " if before is not None else ""
    limit = shown(guardrail, guardrail.limit)
    head = f"{guardrail.name}: {was}{shown(guardrail, after)} after (limit {limit}, {units:,} units)"
    meaning = {
        VerdictReason.HARM: "still past its limit",
        VerdictReason.HARM_EXCLUDED: "no harm after",
        VerdictReason.TOO_EARLY: "too early to say whether the limit is kept",
    }[reason]
    return f"{head}; {meaning}. Observational: no control arm is left, other changes may explain it"


def single_unjudged(guardrail: Guardrail, reason: VerdictReason, units: int, joined: int) -> str:
    """The sentence of a comparison before and after that could not be made."""
    why = {
        VerdictReason.NO_DATA: f"no `{guardrail.joined_by}` arrived afterwards",
        VerdictReason.COVERAGE: f"`{guardrail.joined_by}` is known for {joined:,} of {units:,} units afterwards",
        VerdictReason.NO_DENOMINATOR: f"{_no_ratio(guardrail)} afterwards",
        VerdictReason.TOO_FEW_UNITS: f"{joined:,} units afterwards, {guardrail.minimum_units:,} are needed",
    }[reason]
    return f"{guardrail.name} cannot be judged after the change: {why}"


def fallback(guardrail: Guardrail, reason: VerdictReason, share: float, units: int) -> str:
    """The sentence about units that were assigned the candidate and served something else."""
    head = f"{guardrail.name}: {percent(share)} of {units:,} units assigned the candidate were served something else"
    meaning = {
        VerdictReason.HARM: "past its limit",
        VerdictReason.HARM_EXCLUDED: "within its limit",
        VerdictReason.TOO_EARLY: "too early to say whether its limit is kept; limit",
        VerdictReason.TOO_FEW_UNITS: f"cannot be judged below {guardrail.minimum_units:,} units; limit",
        VerdictReason.NO_DATA: "cannot be judged without exposures; limit",
    }[reason]
    return f"{head}; {meaning} {percent(guardrail.limit)}"
