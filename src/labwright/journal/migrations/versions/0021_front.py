"""How many experiments are on the Pareto front, beside the best."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Of campaigns of earlier releases it is counted when it is asked for."""
    op.add_column("campaign", sa.Column("front", sa.Integer))
