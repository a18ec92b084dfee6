"""Until when a question is to be answered, and which stations a campaign waits for that do not work."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Questions of earlier releases may wait."""
    op.add_column("question", sa.Column("due_s", sa.Float))
    op.add_column("question", sa.Column("unanswered", sa.Text, nullable=False, server_default=""))
    op.add_column("campaign", sa.Column("lost", sa.Text, nullable=False, server_default=""))
