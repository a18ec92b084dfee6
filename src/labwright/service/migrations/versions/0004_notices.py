"""Notices: webhooks, and an outbox of what is to be sent to them and by mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Nothing is sent of what happened before."""
    op.create_table(
        "door_webhook",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("principal", sa.String(64), nullable=False),
        sa.Column("project", sa.String(64), nullable=False, server_default=""),
        sa.Column("url", sa.Text, nullable=False, server_default=""),
        sa.Column("secret", sa.Text, nullable=False, server_default=""),
        sa.Column("events", sa.Text, nullable=False, server_default="[]"),
        sa.Column("created_s", sa.Float, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("disabled_s", sa.Float),
        sa.Column("why", sa.Text, nullable=False, server_default=""),
    )
    op.create_index("ix_door_webhook_principal", "door_webhook", ["principal"])
    op.create_table(
        "door_outbox",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("webhook", sa.String(16), nullable=False, server_default=""),
        sa.Column("mail_to", sa.Text, nullable=False, server_default=""),
        sa.Column("event", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.Text, nullable=False, server_default=""),
        sa.Column("body", sa.Text, nullable=False, server_default=""),
        sa.Column("made_s", sa.Float, nullable=False),
        sa.Column("due_s", sa.Float),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("sent_s", sa.Float),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
    )
    for column in ("webhook", "event", "due_s"):
        op.create_index(f"ix_door_outbox_{column}", "door_outbox", [column])
    op.create_table(
        "door_told",
        sa.Column("channel", sa.String(16), primary_key=True),
        sa.Column("since", sa.BigInteger, nullable=False),
    )
