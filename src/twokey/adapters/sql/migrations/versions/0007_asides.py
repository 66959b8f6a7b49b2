"""What is kept beside entries of the audit log, so that it can be erased."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table; an erasure deletes its rows."""
    op.create_table(
        "audit_asides",
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("salt", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", "field", name="pk_audit_asides"),
    )
    op.create_index("ix_audit_asides_person", "audit_asides", ["person"])
