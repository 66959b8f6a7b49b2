"""What should be known and is not: each gap with its id and what to do about it.

Rules kept here:
- a metric that arrives but joins no variation is named first: its guardrail says nothing until it does;
- a control whose reach moved before the signal and that has no guardrail is a gap: what it did cannot be told;
- the same gap is named once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from twokey.domain.guardrail import EvidenceGap, GapKind, GuardrailKind, presence_gap, verdict_gap
from twokey.domain.triage import timing
from twokey.domain.triage.collected import Collected, Measurement, Observed

RECENT = timedelta(hours=24)
"""A control that moved that long before the signal should have been watched."""


def gaps(collected: Collected, looked_at: Iterable[Observed]) -> tuple[EvidenceGap, ...]:
    """The gaps of these controls, joins first."""
    observed = tuple(looked_at)
    found = [gap for each in observed for measurement in each.measurements if (gap := _gap(each, measurement))]
    found += [_unwatched(each) for each in observed if not each.measurements and _moved_recently(collected, each)]
    if not collected.controls:
        found.append(_nothing())
    found.sort(key=lambda gap: gap.kind is not GapKind.NOT_JOINED)
    return tuple({gap.id: gap for gap in found}.values())


def _gap(observed: Observed, measurement: Measurement) -> EvidenceGap | None:
    seen = measurement.presence
    if seen is not None and measurement.guardrail.kind is not GuardrailKind.FALLBACK:
        missing = presence_gap(
            measurement.guardrail, seen.events, seen.joined_events, unit_names=seen.unit_names, flag=observed.flag
        )
        if missing is not None:
            return missing
    return verdict_gap(measurement.verdict)


def _moved_recently(collected: Collected, observed: Observed) -> bool:
    moment = timing.started(collected.signals)
    nearest = timing.last_before(timing.edits(observed.versions), moment)
    return nearest is not None and moment - nearest.at <= RECENT


def _unwatched(observed: Observed) -> EvidenceGap:
    return EvidenceGap(
        id=f"gap-no_guardrail-{observed.flag}",
        kind=GapKind.NO_DATA,
        sentence=f"`{observed.flag}` moved before the signal and has no guardrail, so what it did cannot be told",
        what_to_do=f"give `{observed.flag}` a guardrail on a metric that its variations could harm",
    )


def _nothing() -> EvidenceGap:
    return EvidenceGap(
        id="gap-no_data-controls",
        kind=GapKind.NO_DATA,
        sentence="no control of this environment could be looked at: there is no flag, or none with any evidence",
        what_to_do="put what can change at run time behind a flag with a guardrail, and send exposures of it",
    )
