"""The control store in SQL: SQLite by default, PostgreSQL when several replicas share it."""

from twokey.adapters.sql.store import SqlStore

__all__ = ["SqlStore"]
