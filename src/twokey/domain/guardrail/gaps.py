"""Evidence gaps: what should be known and is not, in a sentence, with what to do about it.

Rule: a gap never counts as good news. Ids are made from what is missing, so that the same gap keeps its id.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from twokey.domain.guardrail.model import Guardrail, GuardrailKind, Verdict, VerdictReason


class GapKind(StrEnum):
    """What is missing."""

    NO_DATA = "no_data"
    NOT_JOINED = "not_joined"
    COVERAGE = "coverage"
    TOO_FEW_UNITS = "too_few_units"
    SAMPLE_RATIO = "sample_ratio"
    FALLBACK = "fallback"
    NO_CONTROL = "no_control"
    NO_DENOMINATOR = "no_denominator"


class EvidenceGap(msgspec.Struct, frozen=True, kw_only=True):
    """Something that should be known and is not."""

    id: str
    kind: GapKind
    sentence: str
    what_to_do: str


_BY_REASON = {
    VerdictReason.NO_DATA: GapKind.NO_DATA,
    VerdictReason.NO_CONTROL: GapKind.NO_CONTROL,
    VerdictReason.NO_DENOMINATOR: GapKind.NO_DENOMINATOR,
    VerdictReason.COVERAGE: GapKind.COVERAGE,
    VerdictReason.UNEVEN_COVERAGE: GapKind.COVERAGE,
    VerdictReason.SAMPLE_RATIO: GapKind.SAMPLE_RATIO,
    VerdictReason.TOO_FEW_UNITS: GapKind.TOO_FEW_UNITS,
    VerdictReason.FALLBACK: GapKind.FALLBACK,
}

_REMEDY = {
    GapKind.NO_DATA: "send exposures and `{metric}` events for this flag, or take the guardrail off",
    GapKind.NOT_JOINED: "send `{metric}` with the unit the flag is assigned by, or with flag, variation and revision",
    GapKind.COVERAGE: "find out which exposed units never report `{metric}`, and report it for all of them",
    GapKind.TOO_FEW_UNITS: "wait for more units, or widen the stage if the other guardrails hold",
    GapKind.SAMPLE_RATIO: "look for units that are lost, counted twice or assigned outside the rollout",
    GapKind.FALLBACK: "find out why the candidate is assigned and not served; its figures describe the fallback",
    GapKind.NO_CONTROL: "keep a share of units on the baseline, or accept a comparison before and after",
    GapKind.NO_DENOMINATOR: "look at what is reported as `{metric}`: per unit it must add up to more than nothing",
}


def gap(kind: GapKind, metric: str, sentence: str) -> EvidenceGap:
    """A gap about one metric, with the remedy for its kind."""
    return EvidenceGap(
        id=f"gap-{kind}-{metric}", kind=kind, sentence=sentence, what_to_do=_REMEDY[kind].format(metric=metric)
    )


def verdict_gap(verdict: Verdict) -> EvidenceGap | None:
    """The gap behind a verdict that could not be given, None where the evidence sufficed."""
    kind = _BY_REASON.get(verdict.reason)
    return None if kind is None else gap(kind, verdict.denominator or verdict.metric, verdict.sentence)


def presence_gap(
    guardrail: Guardrail, events: int, joined_events: int, *, unit_names: tuple[str, ...] = (), flag: str = "the flag"
) -> EvidenceGap | None:
    """The gap in a metric's arrival: nothing arrives, or nothing of what arrives can be joined to a variation.

    Partial joining is no gap here: traffic that never meets the flag has metrics too. Coverage is judged among the
    units that did (`judge`).
    """
    name, metric = guardrail.name, guardrail.joined_by
    if guardrail.kind in (GuardrailKind.FALLBACK, GuardrailKind.QUERY):
        return None  # it is read off the exposures themselves, or elsewhere
    if not events:
        return gap(GapKind.NO_DATA, metric, f"{name}: no `{metric}` event arrived")
    if joined_events:
        return None
    by = f" (reported by {', '.join(unit_names)})" if unit_names else ""
    return gap(
        GapKind.NOT_JOINED, metric, f"{name}: {events:,} `{metric}` events{by}, none joined to a variation of {flag}"
    )
