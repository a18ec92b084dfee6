"""What a preparation has found holds for other campaigns too, for as long as its protocol says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Preparations of earlier releases are not in it: the next campaign makes its own."""
    op.create_table(
        "preparation",
        sa.Column("instruments", sa.Text, primary_key=True),
        sa.Column("protocol", sa.String(200), primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("campaign", sa.String(200), nullable=False, server_default=""),
        sa.Column("at_s", sa.Float, nullable=False),
        sa.Column("lab_sha256", sa.String(64), nullable=False),
        sa.Column("results", sa.Text, nullable=False),
    )
