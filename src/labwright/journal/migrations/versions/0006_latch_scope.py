"""A stop holds the whole lab, a station, a campaign or one sample; each name in a column of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the names; stops of earlier releases hold the whole lab, and name neither."""
    for name in ("station", "label"):
        op.add_column("latch", sa.Column(name, sa.Text, nullable=False, server_default=""))
