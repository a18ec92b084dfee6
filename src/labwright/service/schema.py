"""What the service keeps: people, their keys, projects, what was asked twice, and the audit trail.

It is another database than the journal: on SQLite a file of its own, `door.sqlite` beside it, so that no client can
keep the controller's writer waiting; on PostgreSQL tables of the same database whose names begin with ``door_``.
"""

from __future__ import annotations

import sqlalchemy as sa

HEAD = "0001"
"""Revision of these tables; the newest file in `migrations/versions`."""

metadata = sa.MetaData()

ID = sa.String(64)
"""Ids are ours, or a person's short name."""

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(column: str) -> sa.Column[str]:
    return sa.Column(column, sa.Text, nullable=False, server_default="")


def _json(column: str, empty: str = "[]") -> sa.Column[str]:
    return sa.Column(column, sa.Text, nullable=False, server_default=empty)


principal = sa.Table(
    "door_principal",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    _text("name"),
    _text("email"),
    _json("roles"),
    _json("groups"),
    sa.Column("created_s", sa.Float, nullable=False),
    sa.Column("disabled_s", sa.Float),
)
"""``kind``: ``person``, ``agent`` (a program that acts by its own judgement) or ``service``."""

project = sa.Table(
    "door_project",
    metadata,
    sa.Column("id", ID, primary_key=True),
    _text("title"),
    sa.Column("created_s", sa.Float, nullable=False),
    sa.Column("closed_s", sa.Float),
)

member = sa.Table(
    "door_member",
    metadata,
    sa.Column("project", ID, primary_key=True),
    sa.Column("principal", ID, primary_key=True, index=True),
    sa.Column("role", sa.String(32), primary_key=True),
    sa.Column("until_s", sa.Float),
)
"""``until_s``: when the membership ends; NULL if it does not."""

api_key = sa.Table(
    "door_api_key",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("principal", ID, nullable=False, index=True),
    _text("name"),
    sa.Column("only", sa.Text),
    sa.Column("created_s", sa.Float, nullable=False),
    sa.Column("expires_s", sa.Float),
    sa.Column("revoked_s", sa.Float),
    sa.Column("used_s", sa.Float),
)
"""``digest``: SHA-256 of the secret, which is 32 random bytes: nothing to guess, so nothing to slow down. ``only``: the
actions that it allows, as JSON; NULL for all that its owner may do."""

grant = sa.Table(
    "door_grant",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("principal", ID, primary_key=True),
    sa.Column("until_s", sa.Float),
)

asked = sa.Table(
    "door_asked",
    metadata,
    sa.Column("principal", ID, primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("at_s", sa.Float, nullable=False, index=True),
    sa.Column("status", sa.Integer),
    _json("headers", "{}"),
    _text("body"),
)
"""Requests with an Idempotency-Key: what they were, and what was answered; ``status`` is NULL as long as they run."""

audit = sa.Table(
    "door_audit",
    metadata,
    sa.Column("seq", BigId, primary_key=True, autoincrement=False),
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("actor", sa.String(64), nullable=False, index=True),
    _text("via"),
    sa.Column("action", sa.String(64), nullable=False),
    _text("target"),
    sa.Column("allowed", sa.Boolean, nullable=False),
    _text("before"),
    _text("after"),
    _text("because"),
    _text("trace"),
    _text("version"),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
"""``via``: the key or session; ``target``: ``KIND/ID``; ``before``, ``after``: JSON; ``digest``: of the row and of the
one before it (`labwright.service.audit`)."""
