"""A proposal: operations with their ways back, the reason, the base they stand on and the evidence they cite.

What the machine promises:

- `draft -> pending -> approved -> applied -> reversed`. A pending proposal may be `rejected` (one rejection is a veto),
  `withdrawn` by its author, `superseded` by an edit, or become `expired` or `stale`; an approved one as well, as long
  as it is not applied. Everything but `draft`, `pending`, `approved` and `applied` is final.
- The digest covers all that an approver reads as the reason and all that will be done. An edit is a new proposal with a
  new digest and no approvals.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from twokey.domain.exposure import BlastRadius
from twokey.domain.guarded_rollout import Plan
from twokey.domain.identity import ActorKind
from twokey.domain.machine import move
from twokey.domain.operation import Action, Effect, Operation
from twokey.engine.canonical import digest as sha256


class ProposalStatus(StrEnum):
    """Where a proposal stands."""

    DRAFT = "draft"
    PENDING = "pending"
    APPROVED = "approved"
    APPLIED = "applied"
    REVERSED = "reversed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    STALE = "stale"
    SUPERSEDED = "superseded"


P = ProposalStatus
_ASIDE = frozenset({P.REJECTED, P.WITHDRAWN, P.EXPIRED, P.STALE, P.SUPERSEDED})
TRANSITIONS: Mapping[ProposalStatus, frozenset[ProposalStatus]] = {
    P.DRAFT: frozenset({P.PENDING, P.WITHDRAWN, P.SUPERSEDED}),
    P.PENDING: _ASIDE | {P.APPROVED},
    P.APPROVED: _ASIDE | {P.APPLIED},
    P.APPLIED: frozenset({P.REVERSED}),
    P.REVERSED: frozenset(),
    **{status: frozenset() for status in sorted(_ASIDE)},
}
WAITING = frozenset({P.DRAFT, P.PENDING, P.APPROVED})


class ApplyMode(StrEnum):
    """When an approved proposal is applied."""

    WHEN_OPEN = "when_open"
    MANUAL = "manual"
    AT = "at"


class Author(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who drafted a proposal; for an agent also the person it acts for."""

    id: str
    kind: ActorKind
    on_behalf_of: str | None = None


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A way back: its operations and what they would do to the state after the change."""

    operations: tuple[Operation, ...]
    effect: Effect


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """One of the proposals that stand together: where it is, and the digest of what it says by itself."""

    id: str
    environment: str
    content: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One proposed change. `base` maps each object it stands on to that object's digest when it was drafted.

    `evidence` maps each cited fact to its digest, `finding_digest` is that of the finding it follows.
    `plan` are the stages that follow, where what is proposed is a guarded rollout; `operations` begin the first one.
    `joint` lists the proposals in several environments that stand or fall together, this one among them: see `joint`.
    """

    id: str
    case: str | None
    project: str
    environment: str
    title: str
    status: ProposalStatus
    author: Author
    editors: tuple[str, ...] = ()
    operations: tuple[Operation, ...]
    effect: Effect
    effect_because: tuple[str, ...] = ()
    action: Action
    reverse: Way
    rollback: Way
    proven_on: int
    reason: str
    expected_effect: str = ""
    lower_rungs: tuple[str, ...] = ()
    justification: str = ""
    code_reference_review: str = ""
    base_revision: int
    base: dict[str, str]
    evidence: dict[str, str] = {}
    gaps: tuple[str, ...] = ()
    blast_radius: BlastRadius | None = None
    surfaces: tuple[str, ...] = ()
    required_roles: tuple[str, ...]
    policy_row: str
    policy_digest: str
    apply: ApplyMode = ApplyMode.WHEN_OPEN
    apply_at: datetime | None = None
    created_at: datetime
    expires_at: datetime
    finding: str | None = None
    finding_digest: str = ""
    supersedes: str | None = None
    plan: Plan | None = None
    joint: tuple[Joined, ...] = ()
    digest: str = ""

    def to(self, status: ProposalStatus) -> Proposal:
        """The proposal in another status; raises Conflict where the table has no such transition."""
        return msgspec.structs.replace(self, status=move(TRANSITIONS, "proposal", self.status, status))

    def excluded(self) -> frozenset[str]:
        """Everyone who never counts as an approver: author, the person an agent acts for, all editors."""
        named = {self.author.id, *self.editors}
        return frozenset(named | ({self.author.on_behalf_of} if self.author.on_behalf_of else set()))


SIGNED = [
    "case",
    "project",
    "environment",
    "title",
    "author",
    "editors",
    "operations",
    "reverse",
    "rollback",
    "effect",
    "action",
    "reason",
    "expected_effect",
    "lower_rungs",
    "justification",
    "code_reference_review",
    "base_revision",
    "base",
    "evidence",
    "gaps",
    "blast_radius",
    "surfaces",
    "required_roles",
    "policy_row",
    "policy_digest",
    "apply",
    "apply_at",
    "expires_at",
    "supersedes",
]
"""What the digest covers: everything an approver reads as the reason, and everything that will be done."""


def signed_content(proposal: Proposal) -> dict[str, Any]:
    """The part of a proposal that approvers sign, as JSON. What stands alone says nothing of others."""
    said = {name: msgspec.to_builtins(getattr(proposal, name)) for name in SIGNED}
    if proposal.finding_digest:
        said["finding"] = {"id": proposal.finding, "digest": proposal.finding_digest}
    if proposal.plan:
        said["plan"] = msgspec.to_builtins(proposal.plan)
    return said | ({"joint": msgspec.to_builtins(proposal.joint)} if proposal.joint else {})


def seal(proposal: Proposal) -> Proposal:
    """The proposal with the digest over its signed content."""
    return msgspec.structs.replace(proposal, digest=sha256(signed_content(proposal)))


def is_sealed(proposal: Proposal) -> bool:
    """Whether the digest still fits the content."""
    return proposal.digest == sha256(signed_content(proposal))
