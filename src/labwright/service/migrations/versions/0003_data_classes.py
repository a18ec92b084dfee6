"""Who may see data: the class of what a request or a campaign has found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """All data are closed until a data steward says otherwise."""
    op.create_table(
        "door_data_policy",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("data_class", sa.String(16), nullable=False),
        sa.Column("groups", sa.Text, nullable=False, server_default="[]"),
        sa.Column("embargo_until_s", sa.Float),
        sa.Column("export_control", sa.String(16), nullable=False),
        sa.Column("licence", sa.Text, nullable=False, server_default=""),
        sa.Column("set_by", sa.String(64), nullable=False),
        sa.Column("set_s", sa.Float, nullable=False),
        sa.Column("because", sa.Text, nullable=False, server_default=""),
    )
