"""The request desk: requests, what happened to them, reviews, samples that came, quotas, charges, deliveries."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BIG = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(name: str, default: str = "") -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=False, server_default=default)


def _short(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False)


def _time(name: str, *, known: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.Float, nullable=not known)


def _count(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _own() -> sa.Column[Any]:
    return sa.Column("id", BIG, primary_key=True, autoincrement=True)


def _of_request(*, key: bool = False) -> sa.Column[Any]:
    if key:
        return sa.Column("request", sa.BigInteger, primary_key=True, autoincrement=False)
    return sa.Column("request", sa.BigInteger, nullable=False)


def upgrade() -> None:
    """There are no requests yet."""
    op.create_table(
        "door_request",
        sa.Column("n", BIG, primary_key=True, autoincrement=True),
        *(_short("project", 64), _short("owner", 64), _text("title"), _short("state", 32)),
        *(sa.Column("version", sa.Integer, nullable=False), _short("priority", 16), _text("content", "{}")),
        *(_short("digest", 64), _text("appraisal", "{}"), _text("note"), _count("attempt")),
        sa.Column("campaign", sa.String(200), nullable=False, server_default=""),
        *(_text("abort"), _text("outcome", "{}"), _time("created_s"), _time("changed_s")),
        _time("valid_until_s", known=False),
    )
    for column in ("owner", "state", "campaign"):
        op.create_index(f"ix_door_request_{column}", "door_request", [column])
    op.create_index("door_request_project", "door_request", ["project", "n"])
    op.create_table(
        "door_request_event",
        *(_own(), _of_request(), _time("at_s"), _short("event", 32), _short("before", 32), _short("after", 32)),
        *(_short("actor", 64), _text("because"), _text("detail", "{}")),
    )
    op.create_index("ix_door_request_event_request", "door_request_event", ["request"])
    op.create_table(
        "door_review",
        *(_own(), _of_request(), _short("kind", 16), _short("reviewer", 64), _short("decision", 16)),
        *(_text("because"), _short("digest", 64), _time("at_s")),
    )
    op.create_index("ix_door_review_request", "door_review", ["request"])
    op.create_table(
        "door_arrival",
        *(_of_request(key=True), sa.Column("label", sa.String(64), primary_key=True)),
        sa.Column("barcode", sa.String(64), nullable=False, unique=True),
        *(_time("at_s"), _short("by", 64), _text("place"), _text("condition"), _text("gone")),
        *(_time("gone_s", known=False), sa.Column("gone_by", sa.String(64))),
    )
    op.create_table(
        "door_quota",
        sa.Column("project", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        _time("amount"),
    )
    op.create_table(
        "door_charge",
        *(_of_request(key=True), sa.Column("kind", sa.String(32), primary_key=True), _short("project", 64)),
        *(_time("reserved"), _time("charged", known=False)),
    )
    op.create_index("ix_door_charge_project", "door_charge", ["project"])
    op.create_table(
        "door_delivery",
        sa.Column("digest", sa.String(64), primary_key=True),
        *(_of_request(), _short("made_by", 64), _time("made_s"), _time("expires_s"), _count("fetched")),
        _time("revoked_s", known=False),
    )
    op.create_index("ix_door_delivery_request", "door_delivery", ["request"])
