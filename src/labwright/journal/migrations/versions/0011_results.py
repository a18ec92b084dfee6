"""What each experiment has found, as its protocol declares it, beside its state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Experiments of earlier releases have none in the table; their events have all of it."""
    op.add_column("experiment", sa.Column("results", sa.Text, nullable=False, server_default=""))
