"""Task cards: what a person does in a step, and what that person has read when the card was signed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Earlier releases had questions only."""
    op.add_column("question", sa.Column("kind", sa.String(16), nullable=False, server_default="question"))
    op.add_column("question", sa.Column("task", sa.Text, nullable=False, server_default=""))
    op.add_column("question", sa.Column("readings", sa.Text, nullable=False, server_default=""))
