"""Commands that may be sent twice: a key of the one who asks, and the trace of the request that led to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Earlier commands have no key."""
    op.add_column("command", sa.Column("key", sa.String(200)))
    op.add_column("command", sa.Column("trace", sa.Text, nullable=False, server_default=""))
    op.create_index("command_key", "command", ["key"], unique=True)
