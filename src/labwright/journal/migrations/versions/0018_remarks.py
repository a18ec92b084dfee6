"""Notes, and deviations from what was meant."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Earlier releases had neither."""
    op.create_table("note", *_about(), *map(_text, ("text", "by")), sa.Column("said_s", sa.Float),
                    *map(_text, ("replaces", "replaced_by")))  # fmt: skip
    op.create_table(
        "deviation",
        *_about(),
        _word("state", 16),
        *map(_text, ("experiments", "expected", "happened")),
        _word("category", 16),
        _word("severity", 16),
        _text("action"),
        _word("first_use", 32),
        _word("use", 32),
        _text("by"),
        sa.Column("said_s", sa.Float),
        *map(_text, ("conclusion", "closed_by")),
        sa.Column("closed_s", sa.Float),
    )
    for table in ("note", "deviation"):
        op.create_index(f"ix_{table}_campaign", table, ["campaign"])


def _about() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.String(200), primary_key=True),
        sa.Column("n", sa.Integer, nullable=False, server_default="0"),
        _word("about", 16),
        _text("name"),
        _word("campaign", 200),
        _text("label"),
    ]


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _word(name: str, length: int) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=False, server_default="")
