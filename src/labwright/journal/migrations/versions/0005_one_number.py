"""One number per experiment, experiments that are complete, and rows that belong to one campaign each."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Change the tables and what is in them; events stay as they are."""
    _experiments()
    _instruments()
    state = sa.Column("state", sa.String(16), nullable=False)
    _per_campaign("reservation", "resource", _text("label"), _text("step_id"), state)
    volumes = [sa.Column(name, sa.Float, nullable=False) for name in ("usable_ml", "reserved_ml")]
    volumes.append(sa.Column("unknown_ml", sa.Float, nullable=False, server_default="0"))
    _per_campaign("lot", "name", *volumes)
    _per_campaign("position", "name", _text("holds"))


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _experiments() -> None:
    """Name the state of a finished experiment `complete`; give a trial the number of its experiment."""
    names = ("campaign", "label", "state", "trial")
    table = sa.table("experiment", *(sa.column(name) for name in names))
    connection = op.get_bind()
    connection.execute(sa.update(table).where(table.c.state == "told").values(state="complete"))
    for row in connection.execute(sa.select(table).where(table.c.trial != "")).mappings().all():
        trial = orjson.dumps({**orjson.loads(row["trial"]), "id": row["label"]}).decode()
        own = (table.c.campaign == row["campaign"]) & (table.c.label == row["label"])
        connection.execute(sa.update(table).where(own).values(trial=trial))


def _instruments() -> None:
    """Which instruments a campaign is on; its first event says so."""
    op.add_column("campaign", _text("instruments"))
    campaign = sa.table("campaign", *(sa.column(name) for name in ("id", "simulated", "instruments")))
    event = sa.table("event", *(sa.column(name) for name in ("id", "campaign", "payload")))
    connection = op.get_bind()
    for row in connection.execute(sa.select(campaign.c.id, campaign.c.simulated)).mappings().all():
        first = sa.select(event.c.payload).where(event.c.campaign == row["id"]).order_by(event.c.id).limit(1)
        payload = connection.execute(first).scalar()
        known = orjson.loads(payload).get("instruments", "") if payload else ""
        found = known or ("here" if row["simulated"] else "real")
        connection.execute(sa.update(campaign).where(campaign.c.id == row["id"]).values(instruments=found))


def _per_campaign(name: str, key: str, *columns: sa.Column[Any]) -> None:
    """The campaign becomes part of the key: one must not write over what another has left."""
    connection = op.get_bind()
    old = sa.table(name, *(sa.column(one["name"]) for one in sa.inspect(connection).get_columns(name)))
    rows = [dict(row) for row in connection.execute(sa.select(old)).mappings()]
    newest = connection.execute(sa.text("SELECT campaign FROM event ORDER BY id DESC LIMIT 1")).scalar() or ""
    op.drop_table(name)
    keys = [sa.Column(one, sa.String(200), primary_key=True) for one in ("campaign", key)]
    made = op.create_table(name, *keys, *columns)
    if rows:
        connection.execute(sa.insert(made), [{**row, "campaign": row.get("campaign") or newest} for row in rows])
