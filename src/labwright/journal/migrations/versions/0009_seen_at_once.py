"""What `labwright status` shows before anything has happened: a lab's stations, and since when a sample waits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add both; controllers and samples of earlier releases have neither."""
    op.add_column("epoch", sa.Column("stations", sa.Text, nullable=False, server_default=""))
    op.add_column("experiment", sa.Column("began_s", sa.Float))
