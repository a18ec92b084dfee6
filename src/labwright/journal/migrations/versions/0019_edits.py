"""Steps that failed are repeated with other values: which could be changed, and which were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Earlier releases repeated steps as they were."""
    op.add_column("question", sa.Column("parameters", sa.Text, nullable=False, server_default=""))
    op.add_column("question", sa.Column("edited", sa.Text, nullable=False, server_default=""))
