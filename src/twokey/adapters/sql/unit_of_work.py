"""Everything that one transaction reaches."""

from __future__ import annotations

from twokey.adapters.sql import kinds
from twokey.adapters.sql.audit_log import SqlAuditLog
from twokey.adapters.sql.flags import Known, SqlFlags
from twokey.adapters.sql.jobs import SqlJobs
from twokey.adapters.sql.records import SqlRecords
from twokey.adapters.sql.signals import SqlSignals
from twokey.adapters.sql.transaction import Transaction
from twokey.domain.access import AccessProposal, Policies
from twokey.domain.approval import Approval
from twokey.domain.case import Case
from twokey.domain.change import Change
from twokey.domain.check import Check
from twokey.domain.decision import Decision
from twokey.domain.elsewhere import Journey
from twokey.domain.evidence import Evidence
from twokey.domain.finding import Finding
from twokey.domain.guarded_rollout import GuardedRollout
from twokey.domain.identity import Session, Token, User
from twokey.domain.proposal import Proposal
from twokey.domain.review import Review
from twokey.domain.standing_order import StandingOrder
from twokey.ports import AuditLog, Flags, Gatekeeper, Gatekeepers, Ids, Jobs, Records, Signals


class SqlUnitOfWork:
    """One transaction over everything that is control state. `now` is when it began."""

    def __init__(self, transaction: Transaction, ids: Ids, known: Known, gatekeepers: Gatekeepers) -> None:
        self.now = transaction.now
        self.gatekeeper_for = gatekeepers
        self.cases: Records[Case] = SqlRecords(transaction, kinds.CASES)
        self.signals: Signals = SqlSignals(transaction)
        self.findings: Records[Finding] = SqlRecords(transaction, kinds.FINDINGS)
        self.evidence: Records[Evidence] = SqlRecords(transaction, kinds.EVIDENCE)
        self.proposals: Records[Proposal] = SqlRecords(transaction, kinds.PROPOSALS)
        self.approvals: Records[Approval] = SqlRecords(transaction, kinds.APPROVALS)
        self.changes: Records[Change] = SqlRecords(transaction, kinds.CHANGES)
        self.checks: Records[Check] = SqlRecords(transaction, kinds.CHECKS)
        self.decisions: Records[Decision] = SqlRecords(transaction, kinds.DECISIONS)
        self.users: Records[User] = SqlRecords(transaction, kinds.USERS)
        self.sessions: Records[Session] = SqlRecords(transaction, kinds.SESSIONS)
        self.journeys: Records[Journey] = SqlRecords(transaction, kinds.JOURNEYS)
        self.tokens: Records[Token] = SqlRecords(transaction, kinds.TOKENS)
        self.policies: Records[Policies] = SqlRecords(transaction, kinds.POLICIES)
        self.access_proposals: Records[AccessProposal] = SqlRecords(transaction, kinds.ACCESS_PROPOSALS)
        self.access_approvals: Records[Approval] = SqlRecords(transaction, kinds.ACCESS_APPROVALS)
        self.standing_orders: Records[StandingOrder] = SqlRecords(transaction, kinds.STANDING_ORDERS)
        self.rollouts: Records[GuardedRollout] = SqlRecords(transaction, kinds.ROLLOUTS)
        self.reviews: Records[Review] = SqlRecords(transaction, kinds.REVIEWS)
        self.flags: Flags = SqlFlags(transaction, known)
        self.jobs: Jobs = SqlJobs(transaction, ids)
        self.audit: AuditLog = SqlAuditLog(transaction)
        self._ids = ids

    def new_id(self, prefix: str) -> str:
        """A new id."""
        return self._ids(prefix)

    def gatekeeper(self) -> Gatekeeper:
        """The written policy in force."""
        newest = self.policies.where(limit=1)
        return self.gatekeeper_for(newest[0].text if newest else "")
