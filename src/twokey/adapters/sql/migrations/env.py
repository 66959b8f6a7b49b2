"""Where Alembic runs the migrations: on the connection that `twokey.adapters.sql.migrate` hands over."""

from alembic import context

from twokey.adapters.sql.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
