"""What steps wait for, as the dispatcher has decided it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Empty until a controller decides."""
    op.create_table(
        "waiting",
        sa.Column("step_id", sa.String(200), primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=False, server_default="")
            for name in ("instruments", "label", "name", "holder", "holder_label", "holder_step")
        ),
        sa.Column("campaign", sa.String(200), nullable=False, server_default=""),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("because", sa.String(16), nullable=False),
        sa.Column("alike", sa.Integer, nullable=False),
    )
