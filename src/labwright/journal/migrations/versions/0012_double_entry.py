"""A double-entry ledger over containers, samples and wastes, in the smallest unit of each material."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_OID, uuid5

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Stocks keep the names that they had, which are those of their materials."""
    connection = op.get_bind()
    lots = _rows(connection, "lot")
    entries = sorted(_rows(connection, "ledger"), key=lambda row: row["id"])
    op.drop_table("lot")
    op.drop_table("ledger")
    stock = op.create_table(
        "stock",
        sa.Column("instruments", sa.Text, primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        *map(_text, ("material", "lot")),
        _unit(),
        *map(_amount, ("count", "dead", "used", "unknown", "reserved")),
        sa.Column("since_s", sa.Float),
        *map(_text, ("facts", "doubts")),
    )
    op.create_table(
        "waste",
        sa.Column("instruments", sa.Text, primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("capacity", sa.BigInteger),
        _unit(),
        *map(_amount, ("level", "unknown", "reserved")),
        _text("station"),
    )
    ledger = op.create_table(
        "ledger",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("taken_from", sa.String(220), nullable=False, index=True),
        sa.Column("put_into", sa.String(220), nullable=False, index=True),
        *map(_amount, ("amount", "unknown")),
        _unit(),
        *map(_text, ("material", "lot", "campaign", "label", "step_id", "why", "instruments")),
        sa.Column("entry", sa.BigInteger, nullable=False),
        sa.Column("at_s", sa.Float),
        *map(_text, ("by", "because")),
    )
    op.create_index("ledger_entry", "ledger", ["instruments", "entry"], unique=True)
    renamed = {
        "count_nl": "count",
        "dead_nl": "dead",
        "used_nl": "used",
        "unknown_nl": "unknown",
        "reserved_nl": "reserved",
    }
    if lots:
        connection.execute(
            sa.insert(stock), [{renamed.get(name, name): value for name, value in row.items()} for row in lots]
        )
    if entries:
        connection.execute(sa.insert(ledger), [_transfer(row) for row in entries])
    op.execute("ALTER TABLE intent RENAME COLUMN nl TO amount")
    op.add_column("campaign", _text("short"))
    sample = op.create_table(
        "sample",
        sa.Column("campaign", sa.String(200), primary_key=True),
        sa.Column("label", sa.String(200), primary_key=True),
        sa.Column("id", sa.String(36), nullable=False, server_default="", index=True),
        *map(_text, ("instruments", "labware")),
        sa.Column("made_s", sa.Float),
        _text("place"),
        sa.Column("disposition", sa.String(16), nullable=False, server_default=""),
        *map(_text, ("quarantine", "by", "because")),
    )
    if made := [_sample(row) for row in _rows(connection, "experiment")]:
        connection.execute(sa.insert(sample), made)


def _sample(row: dict[str, Any]) -> dict[str, Any]:
    """What is known of the sample of an experiment of an earlier release."""
    over = row["state"] in ("complete", "abandoned")
    disposition = "under way" if not over else "in the lab" if row["stands_at"] else "left"
    key = uuid5(NAMESPACE_OID, f"labwright:{row['campaign']}/{row['label']}")
    found = {"campaign": row["campaign"], "label": row["label"], "id": str(key), "made_s": row["began_s"]}
    return {**found, "place": row["stands_at"], "disposition": disposition}


def _transfer(row: dict[str, Any]) -> dict[str, Any]:
    """What earlier releases have as one side of an entry, with the other."""
    container = f"container:{row['lot']}"
    other = f"sample:{row['campaign']}/{row['label']}" if row["campaign"] else "outside"
    change, unknown = row["change_nl"], row["unknown_nl"]
    kept = ("campaign", "label", "step_id", "why", "instruments", "entry", "by", "because")
    if change > 0:  # into the container; what may be gone of it has flowed the other way
        ends = {"taken_from": other, "put_into": container, "amount": change, "unknown": -unknown}
    else:
        ends = {"taken_from": container, "put_into": other, "amount": -change, "unknown": unknown}
    return {**{name: row[name] for name in kept}, **ends, "material": row["lot"]}


def _rows(connection: sa.Connection, name: str) -> list[dict[str, Any]]:
    table = sa.table(name, *(sa.column(one["name"]) for one in sa.inspect(connection).get_columns(name)))
    return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _amount(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _unit() -> sa.Column[str]:
    return sa.Column("unit", sa.String(8), nullable=False, server_default="nL")
