"""Sign-ins that are on their way at an identity provider, by the hash of what the browser holds."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table of records."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "journeys",
        sa.Column("seq", number, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_journeys"),
        sa.UniqueConstraint("id", name="uq_journeys_id"),
        sa.UniqueConstraint("secret_hash", name="uq_journeys_secret_hash"),
        sqlite_autoincrement=True,
    )
