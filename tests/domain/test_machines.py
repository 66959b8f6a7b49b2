"""State machines are tables: what stands in them can happen, everything else is rejected, and the docs show them."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from twokey.domain import case, guarded_rollout, proposal
from twokey.domain.case import CaseStatus
from twokey.domain.errors import Conflict
from twokey.domain.guarded_rollout import RolloutStatus
from twokey.domain.machine import mermaid, move
from twokey.domain.proposal import ProposalStatus

CASES = {
    ("open", "triaged"),
    ("open", "closed"),
    ("triaged", "acting"),
    ("triaged", "closed"),
    ("acting", "watching"),
    ("acting", "triaged"),
    ("acting", "closed"),
    ("watching", "acting"),
    ("watching", "closed"),
}
ASIDE = ("rejected", "withdrawn", "expired", "stale", "superseded")
PROPOSALS = {
    ("draft", "pending"),
    ("draft", "withdrawn"),
    ("draft", "superseded"),
    ("pending", "approved"),
    ("approved", "applied"),
    ("applied", "reversed"),
    *product(("pending", "approved"), ASIDE),
}


def test_a_case_moves_as_the_table_says_and_no_other_way() -> None:
    for before, after in product(CaseStatus, CaseStatus):
        if (str(before), str(after)) in CASES:
            assert move(case.TRANSITIONS, "case", before, after) is after
        else:
            with pytest.raises(Conflict, match=f"`{before}` cannot become `{after}`"):
                move(case.TRANSITIONS, "case", before, after)


def test_a_proposal_moves_as_the_table_says_and_no_other_way() -> None:
    for before, after in product(ProposalStatus, ProposalStatus):
        if (str(before), str(after)) in PROPOSALS:
            assert move(proposal.TRANSITIONS, "proposal", before, after) is after
        else:
            with pytest.raises(Conflict, match=f"`{before}` cannot become `{after}`"):
                move(proposal.TRANSITIONS, "proposal", before, after)


ROLLOUTS = {
    ("running", "paused"),
    ("running", "completed"),
    ("running", "rolled_back"),
    ("running", "stopped"),
    ("paused", "running"),
    ("paused", "rolled_back"),
    ("paused", "stopped"),
}


def test_a_guarded_rollout_moves_as_the_table_says_and_no_other_way() -> None:
    for before, after in product(RolloutStatus, RolloutStatus):
        if (str(before), str(after)) in ROLLOUTS:
            assert move(guarded_rollout.TRANSITIONS, "guarded rollout", before, after) is after
        else:
            with pytest.raises(Conflict, match=f"`{before}` cannot become `{after}`"):
                move(guarded_rollout.TRANSITIONS, "guarded rollout", before, after)


@pytest.mark.parametrize(
    ("title", "table", "start"),
    [
        ("Case", case.TRANSITIONS, CaseStatus.OPEN),
        ("Proposal", proposal.TRANSITIONS, ProposalStatus.DRAFT),
        ("Guarded rollout", guarded_rollout.TRANSITIONS, RolloutStatus.RUNNING),
    ],
)
def test_the_diagrams_in_the_docs_are_drawn_from_the_tables(
    root: Path, title: str, table: object, start: object
) -> None:
    page = (root / "docs" / "state-machines.md").read_text()
    assert f"## {title}\n\n```mermaid\n{mermaid(table, start)}```" in page  # type: ignore[arg-type]
