"""Who may turn keys by which rules: access proposals with their approvals, policies, standing orders, reviews."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Five tables of records."""
    _records("policies")
    _records("access_proposals", "status", "author", "digest", by=[("status",)])
    _records(
        "access_approvals",
        "proposal",
        "digest",
        "person",
        "answer",
        extra=(_to("access_approvals", "proposal", "access_proposals.id"), _once("access_approvals")),
        by=[("proposal",)],
    )
    _records("standing_orders", "project", "environment", "status", by=[("project", "environment", "status")])
    _records(
        "reviews",
        "project",
        "environment",
        "status",
        "person",
        "change",
        extra=(_to("reviews", "change", "changes.id"),),
        by=[("project", "environment", "status"), ("status",)],
    )


def _to(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}_{target.partition('.')[0]}"
    return sa.ForeignKeyConstraint([column], [target], name=name, deferrable=True, initially="DEFERRED")


def _once(table: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint("proposal", "person", "digest", name=f"uq_{table}_proposal_person_digest")


def _records(
    name: str, *columns: str, extra: tuple[sa.schema.SchemaItem, ...] = (), by: list[tuple[str, ...]] | None = None
) -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        name,
        sa.Column("seq", number, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        *(sa.Column(each, sa.Text, nullable=False) for each in columns),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=f"pk_{name}"),
        sa.UniqueConstraint("id", name=f"uq_{name}_id"),
        *extra,
        sqlite_autoincrement=True,
    )
    for group in by or []:
        op.create_index(f"ix_{name}_{'_'.join(group)}_seq", name, [*group, "seq"])
