"""Control state: records, flag state with its versions, the audit log, jobs.

The tables stand here as they were when this migration was written, whatever `tables` says by now.
"""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

GENESIS = "sha256:" + "0" * 64
FIRING = sa.text("status = 'firing'")
UNDONE = sa.text("done_at IS NULL")
APPEND_ONLY = "the audit log is append-only"


def upgrade() -> None:
    """Make everything."""
    _cases()
    _proposals()
    _access()
    _flag_state()
    _jobs()
    _audit()
    guard = _guard_postgresql if op.get_bind().dialect.name == "postgresql" else _guard_sqlite
    guard()


def _cases() -> None:
    _records(
        "cases",
        [*_texts("project", "environment", "status"), _maybe("owner")],
        by=[("project", "environment", "status"), ("status",), ("owner",)],
    )
    _records(
        "signals",
        _texts("case", "project", "environment", "fingerprint", "starts_at", "status"),
        _to("signals", "case", "cases.id"),
        by=[("case",), ("project", "environment", "fingerprint")],
    )
    firing = ["project", "environment", "fingerprint", "starts_at"]
    _partial_index("uq_signals_firing", "signals", firing, FIRING, unique=True)
    _records("findings", _texts("case", "author"), _to("findings", "case", "cases.id"), by=[("case",)])
    _records("evidence", _texts("case", "kind", "sha256"), _to("evidence", "case", "cases.id"), by=[("case", "kind")])
    _records("decisions", _texts("case", "choice", "owner"), _to("decisions", "case", "cases.id"), by=[("choice",)])


def _proposals() -> None:
    _records(
        "proposals",
        [
            _maybe("case"),
            *_texts("project", "environment", "status", "author", "digest"),
            *_maybes("finding", "supersedes"),
        ],
        _to("proposals", "case", "cases.id"),
        _to("proposals", "finding", "findings.id"),
        _to("proposals", "supersedes", "proposals.id"),
        by=[("case", "status"), ("project", "environment", "status"), ("status",), ("finding",), ("supersedes",)],
    )
    _records(
        "approvals",
        _texts("proposal", "digest", "person", "answer"),
        _to("approvals", "proposal", "proposals.id"),
        _unique("approvals", "proposal", "person", "digest"),
        by=[("proposal",), ("person",)],
    )
    _records(
        "changes",
        [*_texts("project", "environment", "cause"), *_maybes("proposal", "case", "undoes")],
        _to("changes", "proposal", "proposals.id"),
        _to("changes", "case", "cases.id"),
        _to("changes", "undoes", "changes.id"),
        by=[("project", "environment"), ("case",), ("proposal",), ("undoes",)],
    )
    _records(
        "checks",
        [*_texts("case", "project", "environment", "flag", "phase"), _maybe("change")],
        _to("checks", "case", "cases.id"),
        _to("checks", "change", "changes.id"),
        by=[("case", "flag"), ("change",)],
    )


def _access() -> None:
    _records("users", _texts("username"), _unique("users", "username"))
    _records(
        "sessions",
        _texts("user", "secret_hash"),
        _to("sessions", "user", "users.username"),
        _unique("sessions", "secret_hash"),
        by=[("user",)],
    )
    _records(
        "tokens",
        _texts("name", "kind", "project", "environment", "secret_hash"),
        _unique("tokens", "secret_hash"),
        by=[("project", "environment")],
    )


def _flag_state() -> None:
    op.create_table(
        "environments",
        *_texts("project", "key"),
        _number("revision"),
        *_texts("document"),
        sa.PrimaryKeyConstraint("project", "key", name="pk_environments"),
    )
    now, each = ["project", "environment", "key"], ["project", "environment", "key", "revision"]
    for current, versions in (("controls", "control_versions"), ("segments", "segment_versions")):
        _in_environment(current, now, _texts("document"))
        _in_environment(versions, each, [*_texts("change", "at"), _maybe("document")])


def _in_environment(name: str, key: list[str], columns: Iterable[sa.Column[Any]]) -> None:
    op.create_table(
        name,
        *_texts("project", "environment", "key"),
        _number("revision"),
        *columns,
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        sa.ForeignKeyConstraint(
            ["project", "environment"],
            ["environments.project", "environments.key"],
            name=f"fk_{name}_project_environment",
            deferrable=True,
            initially="DEFERRED",
        ),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        _number("seq", autoincrement=True),
        *_texts("id", "kind", "subject", "key", "run_at"),
        _number("attempt"),
        *_maybes("owner", "lease_until", "again_at", "done_at"),
        *_texts("problem"),
        sa.PrimaryKeyConstraint("seq", name="pk_jobs"),
        _unique("jobs", "id"),
        sqlite_autoincrement=True,
    )
    _partial_index("uq_jobs_undone", "jobs", ["kind", "key"], UNDONE, unique=True)
    _partial_index("ix_jobs_due", "jobs", ["run_at", "seq"], UNDONE)


def _audit() -> None:
    op.create_table(
        "audit_entries",
        _number("position"),
        *_texts("at", "action", "subject", "actor", "outcome", "project", "environment"),
        _maybe("case"),
        *_texts("document", "previous", "hash"),
        sa.PrimaryKeyConstraint("position", name="pk_audit_entries"),
    )
    for column in ("case", "subject"):
        op.create_index(f"ix_audit_entries_{column}_position", "audit_entries", [column, "position"])
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        _number("entries"),
        *_texts("hash"),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.bulk_insert(head, [{"id": 1, "entries": 0, "hash": GENESIS}])


def _guard_sqlite() -> None:
    for verb in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER audit_entries_no_{verb} BEFORE {verb.upper()} ON audit_entries "
            f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
        )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION audit_entries_append_only() RETURNS trigger LANGUAGE plpgsql "
        f"AS $$ BEGIN RAISE EXCEPTION '{APPEND_ONLY}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_append_only()"
    )


def _records(
    name: str, columns: Iterable[sa.Column[Any]], *constraints: sa.Constraint, by: Iterable[tuple[str, ...]] = ()
) -> None:
    op.create_table(
        name,
        _number("seq", autoincrement=True),
        *_texts("id"),
        *columns,
        *_texts("document"),
        sa.PrimaryKeyConstraint("seq", name=f"pk_{name}"),
        _unique(name, "id"),
        *constraints,
        sqlite_autoincrement=True,
    )
    for found in by:
        op.create_index(f"ix_{name}_{'_'.join(found)}_seq", name, [*found, "seq"])


def _partial_index(name: str, table: str, columns: list[str], where: sa.TextClause, *, unique: bool = False) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [target], name=name, deferrable=True, initially="DEFERRED")


def _unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=f"uq_{table}_{'_'.join(columns)}")


def _number(name: str, *, autoincrement: bool = False) -> sa.Column[Any]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, kind, autoincrement=autoincrement, nullable=False)


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _maybes(*names: str) -> list[sa.Column[Any]]:
    return [_maybe(name) for name in names]


def _maybe(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=True)
