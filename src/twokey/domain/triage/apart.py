"""Flags that depend on each other: whose harm it is, where two candidates meet the same units.

Rules kept here:
- a flag's harm *needs* another flag where it shows among the units that the other one gave its candidate, and not
  among everybody else, by the same judgement as for a cohort (`cohorts`);
- a flag whose harm needs another one, whose own does not need it, is cleared: the other one does it;
- two that need each other do harm only together, and whichever was edited last stands first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twokey.domain.control import Control
from twokey.domain.guardrail import GuardrailKind
from twokey.domain.triage.cohorts import is_confined, judge_cuts
from twokey.domain.triage.collected import Measurement

Needs = Mapping[str, frozenset[str]]
"""For each suspected flag the other flags that its harm needs."""


def needed(
    breached: Sequence[Measurement], rules: Sequence[str | None], known: Mapping[str, Control]
) -> frozenset[str]:
    """The flags without whose candidate the harm of these guardrails does not show."""
    compared = [each for each in breached if each.guardrail.kind is not GuardrailKind.FALLBACK and each.beside]
    found = [_needed(each, rules, known) for each in compared]
    return frozenset.intersection(*found) if found else frozenset()


def _needed(measurement: Measurement, rules: Sequence[str | None], known: Mapping[str, Control]) -> frozenset[str]:
    return frozenset(
        cut
        for (cut, value), found in judge_cuts(measurement, measurement.beside, rules).items()
        if cut in known and value != known[cut].flag.baseline and is_confined(found)
    )


def explained(needs: Needs) -> dict[str, frozenset[str]]:
    """The suspected flags that another suspected one explains, and by which."""
    found = {
        flag: frozenset(other for other in others if other in needs and flag not in needs[other])
        for flag, others in needs.items()
    }
    return {flag: others for flag, others in found.items() if others}


def together(needs: Needs, flag: str) -> tuple[str, ...]:
    """The flags without which this one does no harm, and which do none without it or are not suspected themselves."""
    return tuple(sorted(other for other in needs.get(flag, ()) if other not in needs or flag in needs[other]))
