"""Runs inside Alembic, on the connection that `labwright.journal.database` gives it."""

from __future__ import annotations

from alembic import context

from labwright.journal.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
