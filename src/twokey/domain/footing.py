"""On how many distinct units the signal behind a proposal rests, counted from the evidence that it cites.

Rules kept here:
- only evidence that is as it was when it was cited is counted, and only verdicts that say breached;
- units are distinct ones: somebody who errs a thousand times is one;
- that nothing was measured is said, never left out: words alone are no footing;
- names of attributes and values are foreign text, repeated in words only where they are plain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from twokey.domain.evidence import Evidence, EvidenceKind
from twokey.domain.triage.notebook import named, plain

MOST = 5
"""Guardrails and cohorts that the sentence names."""
BREACHED = "breached"


class Footing(msgspec.Struct, frozen=True, kw_only=True):
    """One breach: on how many distinct units of either arm, and in which cohort where it was cut by one."""

    evidence: str
    flag: str
    guardrail: str
    candidate_units: int
    baseline_units: int
    attribute: str = ""
    value: str = ""


def footings(cited: Iterable[Evidence], digests: Mapping[str, str]) -> tuple[Footing, ...]:
    """The breaches in what is cited, those of the whole before those of cohorts. `digests` is what was signed."""
    known = [each for each in cited if digests.get(each.id) == each.sha256]
    whole = [each for evidence in known for each in _of_verdict(evidence)]
    return (*whole, *(each for evidence in known for each in _of_cohorts(evidence)))


def in_words(found: tuple[Footing, ...]) -> str:
    """What it rests on, in words."""
    if not found:
        return "no measured units: nothing that it cites says that a guardrail is breached"
    more = f", and {len(found) - MOST} more" if len(found) > MOST else ""
    return "; ".join(_words(each) for each in found[:MOST]) + more


def _words(found: Footing) -> str:
    cohort = f"{named(found.attribute)} {plain(found.value, 'one value')}" if found.attribute else ""
    where = f", within {cohort}" if cohort else ""
    return (
        f"{found.candidate_units:,} distinct units of the candidate and {found.baseline_units:,} of the baseline "
        f"({found.guardrail}{where})"
    )


def _of_verdict(evidence: Evidence) -> Iterable[Footing]:
    if evidence.kind is EvidenceKind.VERDICT and evidence.body.get("status") == BREACHED:
        yield _made(evidence, evidence.body)


def _of_cohorts(evidence: Evidence) -> Iterable[Footing]:
    if evidence.kind is not EvidenceKind.COHORT:
        return
    for cohort in evidence.body.get("cohorts", ()):
        inside = cohort["inside"]
        if inside.get("status") == BREACHED:
            yield _made(evidence, inside, attribute=evidence.body["attribute"], value=cohort["value"])


def _made(evidence: Evidence, figures: Mapping[str, Any], **cohort: str) -> Footing:
    return Footing(
        evidence=evidence.id,
        flag=evidence.body["flag"],
        guardrail=evidence.body["guardrail"],
        candidate_units=figures["candidate_units"],
        baseline_units=figures["baseline_units"],
        **cohort,
    )
