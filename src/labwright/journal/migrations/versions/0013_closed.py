"""Campaigns say which stations their samples wait for that people have."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Earlier releases knew no such wait."""
    op.add_column("campaign", sa.Column("closed", sa.Text, nullable=False, server_default=""))
