"""Sessions of browsers, passwords, invitations, and who a person is at an OpenID provider."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """People who have keys keep them; no person has a password yet."""
    op.create_table(
        "door_session",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("principal", sa.String(64), nullable=False),
        sa.Column("how", sa.String(16), nullable=False),
        sa.Column("key", sa.String(16), nullable=False, server_default=""),
        sa.Column("only", sa.Text),
        sa.Column("granted", sa.Text, nullable=False, server_default="{}"),
        sa.Column("created_s", sa.Float, nullable=False),
        sa.Column("seen_s", sa.Float, nullable=False),
        sa.Column("expires_s", sa.Float, nullable=False),
        sa.Column("revoked_s", sa.Float),
        sa.Column("address", sa.Text, nullable=False, server_default=""),
        sa.Column("browser", sa.Text, nullable=False, server_default=""),
    )
    op.create_index("ix_door_session_principal", "door_session", ["principal"])
    op.create_index("ix_door_session_expires_s", "door_session", ["expires_s"])
    op.create_table(
        "door_password",
        sa.Column("principal", sa.String(64), primary_key=True),
        sa.Column("hash", sa.Text, nullable=False, server_default=""),
        sa.Column("set_s", sa.Float, nullable=False),
    )
    op.create_table(
        "door_invitation",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("principal", sa.String(64), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_s", sa.Float, nullable=False),
        sa.Column("expires_s", sa.Float, nullable=False),
        sa.Column("used_s", sa.Float),
    )
    op.create_index("ix_door_invitation_principal", "door_invitation", ["principal"])
    op.create_table(
        "door_identity",
        sa.Column("issuer", sa.String(200), primary_key=True),
        sa.Column("subject", sa.String(200), primary_key=True),
        sa.Column("principal", sa.String(64), nullable=False),
        sa.Column("made_s", sa.Float, nullable=False),
    )
    op.create_index("ix_door_identity_principal", "door_identity", ["principal"])
