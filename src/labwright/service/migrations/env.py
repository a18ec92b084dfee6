"""Runs inside Alembic, on the connection that `labwright.journal.database` gives it."""

from __future__ import annotations

from alembic import context

from labwright.service.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="door_version",
    transactional_ddl=True,
)
context.run_migrations()
