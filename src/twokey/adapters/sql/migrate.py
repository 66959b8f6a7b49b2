"""Bringing a store's tables to what this version of Twokey needs.

Rule: it happens in one writing transaction, so that two processes which start together migrate once, and a failed
migration leaves what was.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine

from twokey.adapters.sql.connect import writing
from twokey.domain.errors import Conflict

_MIGRATIONS = "twokey.adapters.sql:migrations"


def upgrade(engine: Engine) -> None:
    """Bring the tables up to date; raises Conflict for a store that a newer version of Twokey wrote."""
    config = Config()
    config.set_main_option("script_location", _MIGRATIONS)
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Conflict(f"the store cannot be brought up to date: {error}", remedy=_REMEDY) from error


_REMEDY = "a newer Twokey may have written it; start that one, or restore the backup from before"
