"""Alembic's entry: the connection is handed over by `core.migration.migrate`, which holds the lock."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
