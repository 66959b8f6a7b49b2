"""What is kept, and the transaction over it: a step opens one with `Store.begin`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import msgspec

from twokey.domain.access import AccessProposal, Policies
from twokey.domain.approval import Approval
from twokey.domain.case import Case
from twokey.domain.change import Change
from twokey.domain.check import Check
from twokey.domain.control import Control, State
from twokey.domain.decision import Decision
from twokey.domain.elsewhere import Journey
from twokey.domain.evidence import Evidence
from twokey.domain.finding import Finding
from twokey.domain.guarded_rollout import GuardedRollout
from twokey.domain.identity import Session, Token, User
from twokey.domain.job import Job, JobKind
from twokey.domain.permission import Question, Ruling, Written
from twokey.domain.policy import Environment
from twokey.domain.proposal import Proposal
from twokey.domain.review import Review
from twokey.domain.runbook import Runbook
from twokey.domain.signal import Alert, Signal
from twokey.domain.standing_order import StandingOrder
from twokey.ports.audit import AuditLog

R = TypeVar("R")
Clock = Callable[[], datetime]
"""The time now, aware, UTC."""
Ids = Callable[[str], str]
"""A new id with the given prefix: `ids("case")` -> `case-7k2m9qa3xv4b`."""


class Gatekeeper(Protocol):
    """One set of written policies, ready to be asked. Fails closed: it never raises, whatever it is asked."""

    digest: str
    """`sha256:...` over the shipped policies, the team's, and the schema they are checked against."""
    written: tuple[Written, ...]
    """Every policy in force, the shipped ones first."""

    def rule(self, question: Question) -> Ruling:
        """The answer to one question."""
        ...


Gatekeepers = Callable[[str], Gatekeeper]
"""The gatekeeper for a team's own policies (a text, which may be empty) beside the shipped ones.

Raises Invalid, which names the policy and the place, for a text that does not parse, does not fit the schema, names no
`@id` or one that is taken. Asked twice with one text, it gives the same gatekeeper.
"""


class Records(Protocol[R]):
    """The records of one kind, by id. `where` filters on the indexed columns of the kind, newest first."""

    def get(self, id: str) -> R:
        """The record; raises NotFound."""
        ...

    def find(self, id: str) -> R | None:
        """The record, or nothing."""
        ...

    def add(self, record: R) -> None:
        """Insert; raises Conflict where the id (or another unique column) is taken."""
        ...

    def replace(self, record: R) -> None:
        """Overwrite; raises NotFound."""
        ...

    def where(self, *, limit: int = 100, before: str | None = None, **equals: str | datetime | None) -> tuple[R, ...]:
        """Records whose indexed columns equal the given values, newest first; `before` is the id to page on from."""
        ...

    def count(self, **equals: str | datetime | None) -> int:
        """How many records have these values."""
        ...


class Signals(Records[Signal], Protocol):
    """The signals, and the problem they are about."""

    def open_case(self, project: str, environment: str, alert: Alert) -> str | None:
        """The newest case, not closed, of the same problem as this alert, among however many there are.

        That is one with a signal of its fingerprint; else of its workflow, or of its name and service.
        """
        ...


class FlagVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One edit of a flag: its revision, the environment's revision it was published with, and what it then was."""

    flag: str
    revision: int
    environment_revision: int
    at: datetime
    change: str
    control: Control | None


class Flags(Protocol):
    """Environments and the flag state in them, with every version ever published."""

    def environments(self) -> tuple[Environment, ...]:
        """All environments, by project and key."""
        ...

    def environment(self, project: str, key: str) -> Environment:
        """How one environment is governed; raises NotFound."""
        ...

    def put_environment(self, environment: Environment) -> None:
        """Create (at revision 0) or replace."""
        ...

    def revision(self, project: str, environment: str) -> int:
        """The revision that is published now."""
        ...

    def state(self, project: str, environment: str) -> State:
        """The state now; inside `Store.begin` it cannot move until the transaction ends."""
        ...

    def state_at(self, project: str, environment: str, revision: int) -> State:
        """The state as it was at an earlier revision; raises NotFound."""
        ...

    def write(self, before: State, after: State, change: str, at: datetime) -> State:
        """Store what differs as revision `before.revision + 1`; stamps the revisions and digests of what differs.

        Only `steps.publish` may call this. Raises Conflict where `before.revision` is not the published one.
        """
        ...

    def versions(self, project: str, environment: str, flag: str, limit: int = 100) -> tuple[FlagVersion, ...]:
        """The versions of a flag, newest first."""
        ...

    def histories(self, project: str, environment: str, flags: Sequence[str]) -> dict[str, tuple[FlagVersion, ...]]:
        """All versions of each of these flags, newest first."""
        ...

    def edited(self, project: str, environment: str, since: datetime, until: datetime) -> dict[str, datetime]:
        """When each flag that was edited from `since` to `until`, both included, was last edited in that time."""
        ...


class Runbooks(Protocol):
    """The team's own runbooks, read anew at each call. Blocks."""

    def read(self) -> tuple[Runbook, ...]:
        """Every runbook there is."""
        ...


class Jobs(Protocol):
    """Work left behind. `enqueue` belongs to the running transaction, and so does `complete`."""

    def enqueue(self, kind: JobKind, subject: str, run_at: datetime, key: str = "") -> None:
        """Ask for work once: a job of the same kind and key (default: the subject) that waits is left as it is."""
        ...

    def claim(self, owner: str, now: datetime, lease: timedelta) -> Job | None:
        """The next job that is due, leased to `owner`; also one whose lease ran out. Its attempt has been counted."""
        ...

    def complete(self, job: Job) -> None:
        """Mark done; raises Conflict where the lease went to somebody else (then the transaction must not commit)."""
        ...

    def postpone(self, job: Job, run_at: datetime, problem: str) -> None:
        """Give a job back after a failure, to be tried again later; fenced like `complete`."""
        ...

    def waiting(self) -> tuple[Job, ...]:
        """Jobs that are not done."""
        ...


class UnitOfWork(Protocol):
    """One transaction over everything that is control state."""

    now: datetime
    cases: Records[Case]
    signals: Signals
    findings: Records[Finding]
    evidence: Records[Evidence]
    proposals: Records[Proposal]
    approvals: Records[Approval]
    changes: Records[Change]
    checks: Records[Check]
    decisions: Records[Decision]
    users: Records[User]
    sessions: Records[Session]
    journeys: Records[Journey]
    tokens: Records[Token]
    policies: Records[Policies]
    access_proposals: Records[AccessProposal]
    access_approvals: Records[Approval]
    standing_orders: Records[StandingOrder]
    rollouts: Records[GuardedRollout]
    reviews: Records[Review]
    flags: Flags
    audit: AuditLog
    jobs: Jobs

    def new_id(self, prefix: str) -> str:
        """A new id."""
        ...

    def gatekeeper(self) -> Gatekeeper:
        """The written policy in force: the shipped one and what the team has set last."""
        ...

    def gatekeeper_for(self, text: str) -> Gatekeeper:
        """The written policy as it would be with this text of the team; raises Invalid."""
        ...


class Store(Protocol):
    """Where control state is kept."""

    def begin(self) -> AbstractContextManager[UnitOfWork]:
        """A writing transaction: commits when the block ends, rolls back when it raises. Writers take turns."""
        ...

    def read(self) -> AbstractContextManager[UnitOfWork]:
        """A reading transaction over one consistent state."""
        ...

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every committed writing transaction of this process."""
        ...
