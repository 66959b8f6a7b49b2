"""A case's decision record and a proposal's document, drawn from the same views that the pages show."""

from __future__ import annotations

from typing import Any

from twokey.documents.decision_record import decision_record
from twokey.documents.proposal_yaml import (
    ProposalDocument,
    candidate_of,
    gap_line,
    proposal_yaml,
    reach_word,
    rollback_line,
    signal_words,
)
from twokey.domain.case import Case
from twokey.domain.control import Control
from twokey.domain.footing import in_words
from twokey.domain.identity import Actor
from twokey.domain.operation import apply_all, touched
from twokey.domain.proposal import Proposal
from twokey.ports import UnitOfWork
from twokey.surfaces.http_api.audit import entry_view
from twokey.surfaces.http_api.case_views import case_view
from twokey.surfaces.http_api.flag_views import flag_view
from twokey.surfaces.http_api.proposal_views import footings_of, proposal_view
from twokey.surfaces.services import Services

ENTRIES = 1000


def record_of(services: Services, case: Case, actor: Actor) -> dict[str, Any]:
    """The decision record of a case as JSON."""
    with services.store.read() as uow:
        proposals = uow.proposals.where(case=case.id)
        state = uow.flags.state(case.project, case.environment)
        changes = uow.changes.where(case=case.id)
        keys = {flag for change in changes for flag in change.flags} & state.controls.keys()
        return decision_record(
            case_view(uow, case, actor).model_dump(mode="json"),
            proposals=[proposal_view(uow, each, actor).model_dump(mode="json") for each in proposals],
            flags=[
                flag_view(uow, services.telemetry, state, state.controls[key]).model_dump(mode="json")
                for key in sorted(keys)
            ],
            entries=[
                entry_view(each).model_dump(mode="json") for each in uow.audit.entries(case=case.id, limit=ENTRIES)
            ],
        )


def document_of(uow: UnitOfWork, proposal: Proposal) -> str:
    """The proposal as a YAML document: the signal, and what is recommended."""
    before = uow.flags.state_at(proposal.project, proposal.environment, proposal.base_revision)
    after = apply_all(before, proposal.operations)
    keys = sorted(touched(before, proposal.operations).flags)
    key = keys[0] if keys else ""
    now, then = before.controls.get(key), after.controls.get(key)
    segment = uow.flags.environment(proposal.project, proposal.environment).internal_segment
    finding = uow.findings.find(proposal.finding) if proposal.finding else None
    signals = uow.signals.where(case=proposal.case) if proposal.case else ()
    shown = now or then
    return proposal_yaml(
        ProposalDocument(
            workflow=_workflow(shown),
            current_control=key,
            active_candidate=candidate_of(shown.flag) if shown else "",
            signal=signal_words(each.alert.name for each in reversed(signals)),
            action=str(proposal.action),
            from_=reach_word(now.flag if now else None, segment),
            to=reach_word(then.flag if then else None, segment),
            reason=f"{proposal.reason.rstrip()} (rests on {in_words(footings_of(uow, proposal))})",
            rollback_command=rollback_line(key, shown.flag.baseline if shown else "", proposal.environment),
            evidence_gap=gap_line([each.sentence for each in finding.gaps] if finding else []),
            approval_required_from=proposal.required_roles,
        )
    )


def _workflow(control: Control | None) -> str:
    return (control.workflow or control.key) if control else ""
