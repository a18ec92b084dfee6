"""Everything the engine needs to go on after a crash; events become text that SQL tools can read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from labwright.journal.schema import metadata

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the new tables, and copy the events."""
    connection = op.get_bind()
    op.rename_table("event", "event_0001")
    op.drop_index("ix_event_campaign", "event_0001")
    metadata.create_all(connection)  # today's tables; whoever adds 0003 writes them out here first
    old = sa.table(
        "event_0001",
        *(sa.column(name) for name in ("id", "campaign", "kind", "lab_time_s", "wall_time_s", "payload")),
    )
    rows = connection.execute(sa.select(old)).mappings().all()
    if rows:
        connection.execute(
            sa.insert(metadata.tables["event"]), [{**row, "payload": bytes(row["payload"]).decode()} for row in rows]
        )
    op.drop_table("event_0001")
