"""A stop-now stays until a named person resets it, over a restart too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "latch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("instruments", sa.Text, nullable=False, server_default=""),
        sa.Column("campaign", sa.Text, nullable=False, server_default=""),
        sa.Column("by", sa.Text, nullable=False, server_default=""),
        sa.Column("because", sa.Text, nullable=False, server_default=""),
        sa.Column("set_s", sa.Float, nullable=False),
        sa.Column("reset_by", sa.Text, nullable=False, server_default=""),
        sa.Column("reset_because", sa.Text, nullable=False, server_default=""),
        sa.Column("reset_s", sa.Float),
        sqlite_autoincrement=True,
    )
