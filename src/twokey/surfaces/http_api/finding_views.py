"""Findings as people read them: each cited figure read again, and a second opinion held against the analyst's."""

from __future__ import annotations

import msgspec

from twokey.domain.case import Case
from twokey.domain.evidence import EvidenceGap
from twokey.domain.figures import unsupported_figures
from twokey.domain.finding import Finding, Grounded, ground
from twokey.domain.identity import ANALYST
from twokey.domain.second_opinion import differences
from twokey.ports import UnitOfWork
from twokey.surfaces.http_api.models import (
    CitationView,
    DifferenceView,
    FindingView,
    GapView,
    OpinionView,
    ProvenanceView,
    RunbookStepView,
    SuspectView,
    UnsupportedView,
)

MOST_OPINIONS = 20


def finding_view(uow: UnitOfWork, finding: Finding) -> FindingView:
    """A finding, with every citation read again."""
    return FindingView(
        id=finding.id,
        author=finding.author,
        at=finding.at,
        summary=finding.summary,
        recommendation=str(finding.recommendation),
        reason=finding.reason,
        confidence=finding.confidence,
        suspects=[SuspectView(**msgspec.to_builtins(each) | {"rule": each.rule}) for each in finding.suspects],
        citations=[
            CitationView(**msgspec.to_builtins(each.citation), supported=each.supported, why_not=each.why_not)
            for each in grounded(uow, finding)
        ],
        gaps=[gap_view(each) for each in finding.gaps],
        lower_rungs=list(finding.lower_rungs),
        warnings=list(finding.warnings),
        steps=[RunbookStepView(**msgspec.to_builtins(each)) for each in finding.steps],
    )


def grounded(uow: UnitOfWork, finding: Finding) -> tuple[Grounded, ...]:
    """The finding's citations, read again in the evidence of its own case and in no other."""
    cited = {each.evidence for each in finding.citations}
    found = {each: evidence for each in cited if (evidence := uow.evidence.find(each)) is not None}
    return ground(finding, {key: each for key, each in found.items() if each.case == finding.case})


def opinions(uow: UnitOfWork, analyst: Finding | None, case: Case) -> list[OpinionView]:
    """The newest finding of every other assistant, oldest assistant first."""
    others = [each for each in uow.findings.where(case=case.id) if each.author != ANALYST.id]
    newest: dict[str, Finding] = {}
    for each in reversed(others):
        newest[each.author] = each
    return [opinion(uow, analyst, each) for each in list(newest.values())[:MOST_OPINIONS]]


def opinion(uow: UnitOfWork, analyst: Finding | None, finding: Finding) -> OpinionView:
    """Another assistant's finding, with where it differs and which of its figures nothing supports."""
    drafted = uow.proposals.where(finding=finding.id, limit=1)
    return OpinionView(
        finding=finding_view(uow, finding),
        provenance=ProvenanceView(**msgspec.structs.asdict(finding.provenance)) if finding.provenance else None,
        unsupported=unsupported_views(uow, finding),
        compared=analyst is not None,
        differences=difference_views(analyst, finding),
        proposal=drafted[0].id if drafted else None,
    )


def unsupported_views(uow: UnitOfWork, finding: Finding) -> list[UnsupportedView]:
    """The figures in its words that no cited evidence has."""
    found = unsupported_figures(finding, grounded(uow, finding))
    return [UnsupportedView(field=each.field, text=each.text) for each in found]


def difference_views(analyst: Finding | None, finding: Finding) -> list[DifferenceView]:
    """Where it differs from the analyst's; nothing where the analyst has none yet."""
    told = differences(analyst, finding) if analyst else ()
    return [DifferenceView(about=each.about, analyst=each.analyst, other=each.other) for each in told]


def gap_view(gap: EvidenceGap) -> GapView:
    """An evidence gap."""
    return GapView(id=gap.id, kind=str(gap.kind), sentence=gap.sentence, what_to_do=gap.what_to_do)
