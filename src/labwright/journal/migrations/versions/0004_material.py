"""What operations take of the stocks, in nanolitres; a ledger that says which step took it; parts of a dose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _text(column: str) -> sa.Column[str]:
    return sa.Column(column, sa.Text, nullable=False, server_default="")


def _count(column: str) -> sa.Column[int]:
    return sa.Column(column, sa.BigInteger, nullable=False, server_default="0")


def upgrade() -> None:
    """Add the columns; entries of the ledger get their nanolitres, and stay what they are."""
    for column in (
        _text("stock"),
        _count("nl"),
        sa.Column("counted", sa.Float),
        sa.Column("asked", sa.Float),
        sa.Column("before", sa.Float, nullable=False, server_default="0"),
        _text("follow"),
    ):
        op.add_column("intent", column)
    for column in (_text("step_id"), _count("change_nl"), _count("unknown_nl")):
        op.add_column("ledger", column)
    op.execute("UPDATE ledger SET change_nl = CAST(ROUND(change_ml * 1000000) AS BIGINT)")
    op.add_column("lot", sa.Column("unknown_ml", sa.Float, nullable=False, server_default="0"))
