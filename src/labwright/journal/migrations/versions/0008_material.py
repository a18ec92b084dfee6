"""Material is the lab's: stocks in whole nanolitres since their last count, and since when a position is as it is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

NL = ("count_nl", "dead_nl", "used_nl", "unknown_nl", "reserved_nl")
ML = ("usable_ml", "reserved_ml", "unknown_ml")


def upgrade() -> None:
    """What could be used of a stock counts as what is there: how much of it must stay is in the lab's files."""
    for name in NL:
        op.add_column("lot", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("lot", sa.Column("since_s", sa.Float))
    lot = sa.table("lot", *(sa.column(one) for one in ("instruments", "name", *NL, *ML)))
    connection = op.get_bind()
    for row in connection.execute(sa.select(lot)).all():
        mine = sa.and_(lot.c.instruments == row.instruments, lot.c.name == row.name)
        values = {
            "count_nl": round(1e6 * row.usable_ml),
            "reserved_nl": round(1e6 * row.reserved_ml),
            "unknown_nl": round(1e6 * row.unknown_ml),
        }
        connection.execute(sa.update(lot).where(mine).values(**values))
    for name in ML:
        op.drop_column("lot", name)
    op.add_column("position", sa.Column("since_s", sa.Float))
    op.add_column("position", sa.Column("used_up", sa.Boolean, nullable=False, server_default=sa.false()))
    for name in ("by", "because"):
        op.add_column("ledger", sa.Column(name, sa.Text, nullable=False, server_default=""))
