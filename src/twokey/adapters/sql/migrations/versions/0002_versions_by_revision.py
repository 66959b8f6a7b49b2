"""Versions are found by the revision that made them: what a publish touched is read without the rest."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = ["project", "environment", "revision"]


def upgrade() -> None:
    """An index for each table of versions."""
    for table in ("control_versions", "segment_versions"):
        op.create_index(f"ix_{table}_project_environment_revision", table, _COLUMNS)
