"""Submit a finding: an outside assistant's claim beside the analyst's, or word that it has none.

Rules kept here:
- it moves nothing: not the case's status, not what is checked, not whether the analyst looks; only words are kept;
- everything that can be computed is: id, author, time, the surface of a suspect, the digests of what is cited;
- what is cited must be evidence of this case; every figure is read again, and what is not supported is on record;
- an assistant that submits without end is stopped: people have to read this;
- that a run begins is on record before a model is asked, so that runs that die without a word are counted as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from twokey.domain.audit import Happening
from twokey.domain.case import Case, CaseStatus
from twokey.domain.control import State
from twokey.domain.errors import Conflict, Refused
from twokey.domain.evidence import Evidence
from twokey.domain.figures import unsupported_figures
from twokey.domain.finding import Citation, Finding, Provenance, Recommendation, Suspect, ground
from twokey.domain.identity import Actor, ActorKind
from twokey.domain.operation import Operation
from twokey.engine.errors import Invalid
from twokey.ports import Store, UnitOfWork

MOST_FINDINGS = 5
"""Findings of one assistant on one case."""
MOST_FAILURES = 20
MOST_RUNS = 10
"""Runs of one assistant on one case that may begin."""


class SuspectClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A control that an assistant suspects; which surface that is, is looked up."""

    flag: str
    variation: str
    confidence: float
    because: str
    rule: str | None = None
    cohort: dict[str, tuple[str, ...]] = {}


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What an assistant may say of a case. The operations are what it would draft; none: it would change nothing."""

    summary: str
    recommendation: Recommendation
    reason: str
    confidence: float
    provenance: Provenance
    suspects: tuple[SuspectClaim, ...] = ()
    citations: tuple[Citation, ...] = ()
    title: str = ""
    operations: tuple[Operation, ...] = ()
    expected_effect: str = ""


class WhyNone(StrEnum):
    """Why an assistant has no finding."""

    TIMED_OUT = "timed_out"
    OVER_BUDGET = "over_budget"
    PROVIDER = "provider"
    MALFORMED = "malformed"
    TWO_ANSWERS = "two_answers"
    REFUSED = "refused"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Word that an assistant has no finding, and why, for people."""

    why: WhyNone
    summary: str
    provenance: Provenance


def submit(store: Store, actor: Actor, case_id: str, claim: Claim) -> Finding:
    """Keep an assistant's finding. Raises NotFound, Refused, Conflict for a closed case, and Invalid by the field."""
    with store.begin() as uow:
        case = _case(uow, actor, case_id)
        if uow.findings.count(case=case.id, author=actor.id) >= MOST_FINDINGS:
            raise Refused(f"{MOST_FINDINGS} findings of this token stand on the case already")
        evidence = _cited(uow, case, claim)
        finding = _finding(uow, actor, case, claim, tuple(evidence))
        uow.findings.add(finding)
        uow.audit.append(_happening("finding.submit", case, actor, finding.id, _detail(finding, evidence)))
        return finding


def report_failure(store: Store, actor: Actor, case_id: str, failure: Failure) -> None:
    """Put on record that an assistant has no finding. Raises as `submit` does."""
    with store.begin() as uow:
        case = _case(uow, actor, case_id)
        if told(uow, actor, case.id).failures >= MOST_FAILURES:
            raise Refused(f"this token has told of {MOST_FAILURES} failures on the case already")
        detail = {"why": str(failure.why), "summary": failure.summary} | _asked(failure.provenance)
        uow.audit.append(_happening("finding.fail", case, actor, case.id, detail))


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked in a run: provider and model, as the assistant names them."""

    provider: str
    model: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an assistant has done on a case so far: runs that began, findings, failures it told of."""

    runs: int
    findings: int
    failures: int


def begin_run(store: Store, actor: Actor, case_id: str, run: Run) -> None:
    """Put on record that an assistant begins to look. Raises as `submit` does."""
    with store.begin() as uow:
        case = _case(uow, actor, case_id)
        if told(uow, actor, case.id).runs >= MOST_RUNS:
            raise Refused(f"{MOST_RUNS} runs of this token began on the case already")
        detail = {"name": run.model, "assistant": msgspec.to_builtins(run)}
        uow.audit.append(_happening("finding.begin", case, actor, case.id, detail))


def told(uow: UnitOfWork, actor: Actor, case_id: str) -> Told:
    """What this assistant has done on the case so far."""
    mine = [
        each
        for each in uow.audit.entries(case=case_id, limit=1_000, newest_first=True)
        if each.happening.actor["id"] == actor.id
    ]
    actions = [each.happening.action for each in mine]
    return Told(
        runs=actions.count("finding.begin"),
        findings=uow.findings.count(case=case_id, author=actor.id),
        failures=actions.count("finding.fail"),
    )


def _case(uow: UnitOfWork, actor: Actor, case_id: str) -> Case:
    case = uow.cases.get(case_id)
    if actor.kind is not ActorKind.AGENT:
        raise Refused("findings are an assistant's: a person writes a note")
    if case.status is CaseStatus.CLOSED:
        raise Conflict("the case is closed")
    return case


def _cited(uow: UnitOfWork, case: Case, claim: Claim) -> dict[str, Evidence]:
    """The evidence of this case that is cited. What is not of this case is as if it were not there."""
    asked = dict.fromkeys(each.evidence for each in claim.citations)
    found = {each: evidence for each in asked if (evidence := uow.evidence.find(each)) is not None}
    return {key: evidence for key, evidence in found.items() if evidence.case == case.id}


def _finding(uow: UnitOfWork, actor: Actor, case: Case, claim: Claim, evidence: tuple[str, ...]) -> Finding:
    state = uow.flags.state(case.project, case.environment)
    return Finding(
        id=uow.new_id("finding"),
        case=case.id,
        author=actor.id,
        at=uow.now,
        summary=claim.summary,
        recommendation=claim.recommendation,
        reason=claim.reason,
        confidence=claim.confidence,
        suspects=tuple(_suspect(state, index, each) for index, each in enumerate(claim.suspects)),
        citations=claim.citations,
        evidence=evidence,
        expected_effect=claim.expected_effect,
        title=claim.title,
        operations=claim.operations,
        provenance=claim.provenance,
    )


def _suspect(state: State, index: int, claim: SuspectClaim) -> Suspect:
    """The suspect, whose flag, variation and rule there are. Raises Invalid otherwise."""
    field, control = f"suspects.{index}", state.controls.get(claim.flag)
    if control is None:
        raise Invalid(f"{field}.flag", f"there is no flag `{claim.flag}` here", "the key of a flag, exactly")
    if claim.variation not in {each.key for each in control.flag.variations}:
        raise Invalid(f"{field}.variation", f"`{claim.flag}` has no `{claim.variation}`", "one of its variations")
    if claim.rule is not None and claim.rule not in {each.id for each in control.flag.rules}:
        raise Invalid(f"{field}.rule", f"`{claim.flag}` has no rule `{claim.rule}`", "the id of one of its rules")
    return Suspect(
        flag=claim.flag,
        surface=control.surface,
        variation=claim.variation,
        rule=claim.rule,
        cohort=claim.cohort,
        confidence=claim.confidence,
        because=claim.because,
    )


def _detail(finding: Finding, evidence: Mapping[str, Evidence]) -> dict[str, Any]:
    grounded = ground(finding, evidence)
    asked = _asked(finding.provenance) if finding.provenance else {}
    return {
        "summary": finding.summary,
        "recommendation": str(finding.recommendation),
        "confidence": finding.confidence,
        "evidence": {key: each.sha256 for key, each in evidence.items()},
        "unsupported": [each.citation.says for each in grounded if not each.supported],
        "unsupported_figures": [each.text for each in unsupported_figures(finding, grounded)],
    } | asked


def _asked(provenance: Provenance) -> dict[str, Any]:
    return {"assistant": msgspec.to_builtins(provenance)}


def _happening(action: str, case: Case, actor: Actor, subject: str, detail: dict[str, Any]) -> Happening:
    return Happening(
        action=action,
        subject=subject,
        actor=actor.reference(),
        project=case.project,
        environment=case.environment,
        case=case.id,
        detail=detail,
    )
