"""The tables of control state: one per kind of record.

Rules kept here:
- `document` is the record; every other column is a copy that something is found, ordered or kept unique by;
- `seq` rises with every insert, and writers take turns, so its order is the order of commits;
- references are checked when the transaction ends, so that a step may write in the order that reads best.

What only a trigger can keep (the audit log is append-only) stands in the migrations.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def _later(name: str) -> Column[str]:
    """A copy that came with a later migration: tables that had rows by then needed a value for them."""
    return Column(name, Text, nullable=False, server_default="")


def _maybe(name: str) -> Column[str | None]:
    return Column(name, Text, nullable=True)


def _number(name: str) -> Column[int]:
    return Column(name, _NUMBER, nullable=False)


def _to(name: str, target: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, ForeignKey(target, deferrable=True, initially="DEFERRED"), nullable=nullable)


def _seq() -> Column[int]:
    return Column("seq", _NUMBER, primary_key=True, autoincrement=True)


def _records(name: str, *items: SchemaItem, by: Iterable[tuple[str, ...]] = ()) -> Table:
    """A table of records; `by` lists the groups of columns that they are looked up by, newest first."""
    id_ = Column("id", Text, nullable=False, unique=True)
    indexes = [Index(None, *columns, "seq") for columns in by]
    return Table(name, metadata, _seq(), id_, *items, _text("document"), *indexes, sqlite_autoincrement=True)


cases = _records(
    "cases",
    _text("project"),
    _text("environment"),
    _text("status"),
    _maybe("owner"),
    by=[("project", "environment", "status"), ("status",), ("owner",)],
)

signals = _records(
    "signals",
    _to("case", "cases.id"),
    _text("project"),
    _text("environment"),
    _text("fingerprint"),
    _text("starts_at"),
    _text("status"),
    _later("name"),
    _later("workflow"),
    _later("service"),
    by=[("case",), ("project", "environment", "fingerprint")],
)
Index(
    "uq_signals_firing",
    signals.c.project,
    signals.c.environment,
    signals.c.fingerprint,
    signals.c.starts_at,
    unique=True,
    sqlite_where=text("status = 'firing'"),
    postgresql_where=text("status = 'firing'"),
)

findings = _records("findings", _to("case", "cases.id"), _text("author"), by=[("case",)])

evidence = _records("evidence", _to("case", "cases.id"), _text("kind"), _text("sha256"), by=[("case", "kind")])

proposals = _records(
    "proposals",
    _to("case", "cases.id", nullable=True),
    _text("project"),
    _text("environment"),
    _text("status"),
    _text("author"),
    _text("digest"),
    _to("finding", "findings.id", nullable=True),
    _to("supersedes", "proposals.id", nullable=True),
    by=[("case", "status"), ("project", "environment", "status"), ("status",), ("finding",), ("supersedes",)],
)

approvals = _records(
    "approvals",
    _to("proposal", "proposals.id"),
    _text("digest"),
    _text("person"),
    _text("answer"),
    UniqueConstraint("proposal", "person", "digest"),
    by=[("proposal",), ("person",)],
)

changes = _records(
    "changes",
    _text("project"),
    _text("environment"),
    _text("cause"),
    _to("proposal", "proposals.id", nullable=True),
    _to("case", "cases.id", nullable=True),
    _to("undoes", "changes.id", nullable=True),
    by=[("project", "environment"), ("case",), ("proposal",), ("undoes",)],
)

checks = _records(
    "checks",
    _to("case", "cases.id"),
    _text("project"),
    _text("environment"),
    _text("flag"),
    _text("phase"),
    _to("change", "changes.id", nullable=True),
    by=[("case", "flag"), ("change",)],
)

decisions = _records("decisions", _to("case", "cases.id"), _text("choice"), _text("owner"), by=[("choice",)])

users = _records("users", Column("username", Text, nullable=False, unique=True))

sessions = _records(
    "sessions",
    _to("user", "users.username"),
    Column("secret_hash", Text, nullable=False, unique=True),
    by=[("user",)],
)

tokens = _records(
    "tokens",
    _text("name"),
    _text("kind"),
    _text("project"),
    _text("environment"),
    Column("secret_hash", Text, nullable=False, unique=True),
    by=[("project", "environment")],
)

# What is personal in the log's entries: the entries hold commitments to it, and an erasure deletes it here.
audit_asides = Table(
    "audit_asides",
    metadata,
    Column("position", BigInteger, nullable=False),
    Column("field", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("salt", Text, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("position", "field"),
    Index("ix_audit_asides_person", "person"),
)

journeys = _records("journeys", Column("secret_hash", Text, nullable=False, unique=True))

policies = _records("policies")

access_proposals = _records("access_proposals", _text("status"), _text("author"), _text("digest"), by=[("status",)])

access_approvals = _records(
    "access_approvals",
    _to("proposal", "access_proposals.id"),
    _text("digest"),
    _text("person"),
    _text("answer"),
    UniqueConstraint("proposal", "person", "digest"),
    by=[("proposal",)],
)

rollouts = _records(
    "rollouts",
    _text("project"),
    _text("environment"),
    _text("flag"),
    _text("status"),
    _text("proposal"),
    by=[("project", "environment", "flag", "status"), ("proposal",)],
)

standing_orders = _records(
    "standing_orders",
    _text("project"),
    _text("environment"),
    _text("status"),
    by=[("project", "environment", "status")],
)

reviews = _records(
    "reviews",
    _text("project"),
    _text("environment"),
    _text("status"),
    _text("person"),
    _to("change", "changes.id"),
    by=[("project", "environment", "status"), ("status",)],
)

environments = Table(
    "environments",
    metadata,
    Column("project", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    _number("revision"),
    _text("document"),
)


def _in_environment(name: str, *items: SchemaItem, keyed_by_revision: bool) -> Table:
    """A table of objects that live in an environment: as they are now, or as each revision left them."""
    reference = ForeignKeyConstraint(
        ["project", "environment"], ["environments.project", "environments.key"], deferrable=True, initially="DEFERRED"
    )
    indexes = [Index(None, "project", "environment", "revision")] if keyed_by_revision else []
    return Table(
        name,
        metadata,
        Column("project", Text, primary_key=True),
        Column("environment", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("revision", _NUMBER, primary_key=keyed_by_revision, autoincrement=False, nullable=False),
        *items,
        reference,
        *indexes,
    )


controls = _in_environment("controls", _text("document"), keyed_by_revision=False)
segments = _in_environment("segments", _text("document"), keyed_by_revision=False)
control_versions = _in_environment(
    "control_versions", _text("change"), _text("at"), _maybe("document"), keyed_by_revision=True
)
segment_versions = _in_environment(
    "segment_versions", _text("change"), _text("at"), _maybe("document"), keyed_by_revision=True
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("position", _NUMBER, primary_key=True, autoincrement=False),
    _text("at"),
    _text("action"),
    _text("subject"),
    _text("actor"),
    _text("outcome"),
    _text("project"),
    _text("environment"),
    _maybe("case"),
    _text("document"),
    _text("previous"),
    _text("hash"),
    Index(None, "case", "position"),
    Index(None, "subject", "position"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    _number("entries"),
    _text("hash"),
    CheckConstraint("id = 1", name="one_row"),
)
"""How many entries were ever written and the hash of the last, so that a lost tail is noticed."""

audit_nodes = Table(
    "audit_nodes",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("place", _NUMBER, primary_key=True, autoincrement=False),
    _text("hash"),
)
"""Hashes of complete subtrees over the entries' leaves: the entries of level 0 are the leaves themselves."""

audit_checkpoints = Table(
    "audit_checkpoints", metadata, _seq(), _number("size"), _text("at"), _text("note"), sqlite_autoincrement=True
)
Index(None, audit_checkpoints.c.size)

jobs = Table(
    "jobs",
    metadata,
    _seq(),
    Column("id", Text, nullable=False, unique=True),
    _text("kind"),
    _text("subject"),
    _text("key"),
    _text("run_at"),
    _number("attempt"),
    _maybe("owner"),
    _maybe("lease_until"),
    _maybe("again_at"),
    _maybe("done_at"),
    _text("problem"),
    sqlite_autoincrement=True,
)
Index(
    "uq_jobs_undone",
    jobs.c.kind,
    jobs.c.key,
    unique=True,
    sqlite_where=text("done_at IS NULL"),
    postgresql_where=text("done_at IS NULL"),
)
Index(
    "ix_jobs_due",
    jobs.c.run_at,
    jobs.c.seq,
    sqlite_where=text("done_at IS NULL"),
    postgresql_where=text("done_at IS NULL"),
)
