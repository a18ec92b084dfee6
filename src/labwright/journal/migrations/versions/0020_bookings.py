"""Stations that people have booked while the lab runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Earlier releases had only those of the lab's files."""
    op.create_table(
        "booking",
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False, server_default="0"),
        *map(_text, ("instruments", "station")),
        sa.Column("starts_s", sa.Float),
        sa.Column("ends_s", sa.Float),
        *map(_text, ("by", "because")),
        sa.Column("said_s", sa.Float),
        *map(_text, ("ended_by", "ended_because")),
        sa.Column("ended_s", sa.Float),
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")
