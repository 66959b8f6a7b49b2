"""What each kind of record is called, which type it has, and which copies of it stand in columns.

`SqlRecords` knows nothing but this: a new kind is a table and an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Table

from twokey.adapters.sql import tables
from twokey.adapters.sql.stored import Cell, copy
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
from twokey.domain.signal import Signal, SignalStatus
from twokey.domain.standing_order import StandingOrder

R = TypeVar("R", bound=msgspec.Struct)


@dataclass(frozen=True)
class Unique:
    """Columns that no two records share; with `where`, no two of those whose columns have these values."""

    columns: tuple[str, ...]
    where: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[R]):
    """One kind of record. `columns` maps a column to how its copy is taken from the record."""

    noun: str
    type: type[R]
    table: Table
    columns: dict[str, Callable[[R], Any]]
    id: Callable[[R], str] = attrgetter("id")
    unique: tuple[Unique, ...] = ()

    def row(self, record: R) -> dict[str, Cell]:
        """The indexed columns of a record, its id included."""
        taken = {name: _cell(take(record)) for name, take in self.columns.items()}
        return {"id": copy(self.id(record)), **taken}


def _cell(value: str | int | datetime | None) -> Cell:
    return copy(value)


def _fields(*names: str) -> dict[str, Callable[[Any], Any]]:
    return {name: attrgetter(name) for name in names}


def _signal_status(signal: Signal) -> str:
    return str(SignalStatus.FIRING if signal.resolved_at is None else SignalStatus.RESOLVED)


CASES = Kind(noun="case", type=Case, table=tables.cases, columns=_fields("project", "environment", "status", "owner"))
SIGNALS = Kind(
    noun="signal",
    type=Signal,
    table=tables.signals,
    columns=_fields("case", "project", "environment", "fingerprint")
    | {"starts_at": attrgetter("alert.starts_at"), "status": _signal_status}
    | {name: attrgetter(f"alert.{name}") for name in ("name", "workflow", "service")},
    unique=(Unique(("project", "environment", "fingerprint", "starts_at"), where=(("status", "firing"),)),),
)
FINDINGS = Kind(noun="finding", type=Finding, table=tables.findings, columns=_fields("case", "author"))
EVIDENCE = Kind(noun="evidence", type=Evidence, table=tables.evidence, columns=_fields("case", "kind", "sha256"))
PROPOSALS = Kind(
    noun="proposal",
    type=Proposal,
    table=tables.proposals,
    columns=_fields("case", "project", "environment", "status", "digest", "finding", "supersedes")
    | {"author": attrgetter("author.id")},
)
APPROVALS = Kind(
    noun="approval",
    type=Approval,
    table=tables.approvals,
    columns=_fields("proposal", "digest", "person", "answer"),
    unique=(Unique(("proposal", "person", "digest")),),
)
CHANGES = Kind(
    noun="change",
    type=Change,
    table=tables.changes,
    columns=_fields("project", "environment", "cause", "proposal", "case", "undoes"),
)
CHECKS = Kind(
    noun="check",
    type=Check,
    table=tables.checks,
    columns=_fields("case", "project", "environment", "flag", "phase", "change"),
)
DECISIONS = Kind(
    noun="decision",
    type=Decision,
    table=tables.decisions,
    columns=_fields("case", "choice", "owner"),
    id=attrgetter("case"),
)
USERS = Kind(noun="user", type=User, table=tables.users, columns=_fields("username"), unique=(Unique(("username",)),))
SESSIONS = Kind(
    noun="session",
    type=Session,
    table=tables.sessions,
    columns=_fields("user", "secret_hash"),
    unique=(Unique(("secret_hash",)),),
)
TOKENS = Kind(
    noun="token",
    type=Token,
    table=tables.tokens,
    columns=_fields("name", "kind", "project", "environment", "secret_hash"),
    unique=(Unique(("secret_hash",)),),
)
JOURNEYS = Kind(
    noun="journey",
    type=Journey,
    table=tables.journeys,
    columns=_fields("secret_hash"),
    unique=(Unique(("secret_hash",)),),
)
POLICIES = Kind(noun="policy set", type=Policies, table=tables.policies, columns={})
ACCESS_PROPOSALS = Kind(
    noun="access proposal",
    type=AccessProposal,
    table=tables.access_proposals,
    columns=_fields("status", "digest") | {"author": attrgetter("author.id")},
)
ACCESS_APPROVALS = Kind(
    noun="approval",
    type=Approval,
    table=tables.access_approvals,
    columns=_fields("proposal", "digest", "person", "answer"),
    unique=(Unique(("proposal", "person", "digest")),),
)
STANDING_ORDERS = Kind(
    noun="standing order",
    type=StandingOrder,
    table=tables.standing_orders,
    columns={"project": attrgetter("rule.project"), "environment": attrgetter("rule.environment")} | _fields("status"),
)
ROLLOUTS = Kind(
    noun="guarded rollout",
    type=GuardedRollout,
    table=tables.rollouts,
    columns=_fields("project", "environment", "flag", "status", "proposal"),
)
REVIEWS = Kind(
    noun="review",
    type=Review,
    table=tables.reviews,
    columns=_fields("project", "environment", "status", "person", "change"),
)
