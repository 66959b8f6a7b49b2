"""A signal is found by what it is about: the alert's name, its workflow and its service."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NAMES = ("name", "workflow", "service")


def upgrade() -> None:
    """Three columns, filled from the documents that stand."""
    for name in _NAMES:
        op.add_column("signals", sa.Column(name, sa.Text, nullable=False, server_default=""))
    table = sa.table("signals", *(sa.column(name) for name in ("seq", "document", *_NAMES)))
    rows = op.get_bind().execute(sa.select(table.c.seq, table.c.document)).all()
    for row in rows:
        op.execute(sa.update(table).where(table.c.seq == row.seq).values(**_copies(json.loads(row.document)["alert"])))


def _copies(alert: dict[str, Any]) -> dict[str, str]:
    found = {"name": alert["name"]} | {name: alert["labels"].get(name, "") for name in ("workflow", "service")}
    return {name: text.replace("\0", "\N{REPLACEMENT CHARACTER}") for name, text in found.items()}
