"""What the service keeps: people, their keys, projects, requests, what was asked twice, and the audit trail.

It is another database than the journal: on SQLite a file of its own, `door.sqlite` beside it, so that no client can
keep the controller's writer waiting; on PostgreSQL tables of the same database whose names begin with ``door_``.
"""

from __future__ import annotations

import sqlalchemy as sa

HEAD = "0005"
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

request = sa.Table(
    "door_request",
    metadata,
    sa.Column("n", BigId, primary_key=True, autoincrement=True),
    sa.Column("project", ID, nullable=False),
    sa.Column("owner", ID, nullable=False, index=True),
    _text("title"),
    sa.Column("state", sa.String(32), nullable=False, index=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("priority", sa.String(16), nullable=False),
    _json("content", "{}"),
    sa.Column("digest", sa.String(64), nullable=False),
    _json("appraisal", "{}"),
    _text("note"),
    sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
    sa.Column("campaign", sa.String(200), nullable=False, server_default="", index=True),
    _text("abort"),
    _json("outcome", "{}"),
    sa.Column("created_s", sa.Float, nullable=False),
    sa.Column("changed_s", sa.Float, nullable=False),
    sa.Column("valid_until_s", sa.Float),
    sa.Index("door_request_project", "project", "n"),
)
"""``version``: counted up with each change; ``content``: what is asked for, ``digest``: of it; ``appraisal``: what the
lab found of it, with the campaign it would become, and the quote; ``note``: what it waits for, in words; ``attempt``:
how often it was handed to the controller; ``abort``: who ends it while it runs, and why, as JSON; ``outcome``: what it
came to, as JSON; ``valid_until_s``: until when an approval holds."""

request_event = sa.Table(
    "door_request_event",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("request", sa.BigInteger, nullable=False, index=True),
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("before", sa.String(32), nullable=False),
    sa.Column("after", sa.String(32), nullable=False),
    sa.Column("actor", ID, nullable=False),
    _text("because"),
    _json("detail", "{}"),
)
"""What happened to a request, in the transaction in which it did; what is sent to others is read from here."""

review = sa.Table(
    "door_review",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("request", sa.BigInteger, nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("reviewer", ID, nullable=False),
    sa.Column("decision", sa.String(16), nullable=False),
    _text("because"),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("at_s", sa.Float, nullable=False),
)
"""``kind``: ``technical`` or ``safety``; ``digest``: of the content that the reviewer has seen; no other will do."""

arrival = sa.Table(
    "door_arrival",
    metadata,
    sa.Column("request", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("label", sa.String(64), primary_key=True),
    sa.Column("barcode", sa.String(64), nullable=False, unique=True),
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("by", ID, nullable=False),
    _text("place"),
    _text("condition"),
    _text("gone"),
    sa.Column("gone_s", sa.Float),
    sa.Column("gone_by", ID),
)
"""Samples that have come with a request; ``gone``: what has become of one when it has left again."""

quota = sa.Table(
    "door_quota",
    metadata,
    sa.Column("project", ID, primary_key=True),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("amount", sa.Float, nullable=False),
)
"""``kind``: ``experiments``, ``station_minutes`` or ``cost``; without a row there is no limit."""

charge = sa.Table(
    "door_charge",
    metadata,
    sa.Column("request", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("project", ID, nullable=False, index=True),
    sa.Column("reserved", sa.Float, nullable=False),
    sa.Column("charged", sa.Float),
)
"""What a request takes of its project's quota: reserved when it is approved; ``charged`` when it is over."""

delivery = sa.Table(
    "door_delivery",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("request", sa.BigInteger, nullable=False, index=True),
    sa.Column("made_by", ID, nullable=False),
    sa.Column("made_s", sa.Float, nullable=False),
    sa.Column("expires_s", sa.Float, nullable=False),
    sa.Column("fetched", sa.Integer, nullable=False, server_default="0"),
    sa.Column("revoked_s", sa.Float),
)
"""Links to what was found: ``digest`` is of the secret in the link."""

data_policy = sa.Table(
    "door_data_policy",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("data_class", sa.String(16), nullable=False),
    _json("groups"),
    sa.Column("embargo_until_s", sa.Float),
    sa.Column("export_control", sa.String(16), nullable=False),
    _text("licence"),
    sa.Column("set_by", ID, nullable=False),
    sa.Column("set_s", sa.Float, nullable=False),
    _text("because"),
)
"""Who may see the data of a request or a campaign (``kind``), beside its project; closed where there is no row."""

webhook = sa.Table(
    "door_webhook",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("principal", ID, nullable=False, index=True),
    sa.Column("project", ID, nullable=False, server_default=""),
    _text("url"),
    _text("secret"),
    _json("events"),
    sa.Column("created_s", sa.Float, nullable=False),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("disabled_s", sa.Float),
    _text("why"),
)
"""Where what happens to requests is sent. ``secret``: signs it, so it is here as it is; ``events``: names of those that
are sent, all if empty; ``since``: id of the last event that was put into the outbox for it."""

outbox = sa.Table(
    "door_outbox",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("webhook", sa.String(16), nullable=False, server_default="", index=True),
    _text("mail_to"),
    sa.Column("event", sa.BigInteger, nullable=False, index=True),
    _text("subject"),
    _text("body"),
    sa.Column("made_s", sa.Float, nullable=False),
    sa.Column("due_s", sa.Float, index=True),
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("sent_s", sa.Float),
    _text("error"),
)
"""What is to be sent, to a webhook or by mail; ``due_s``: when it is tried next, NULL if it was sent or given up."""

told = sa.Table(
    "door_told",
    metadata,
    sa.Column("channel", sa.String(16), primary_key=True),
    sa.Column("since", sa.BigInteger, nullable=False),
)
"""Id of the last event that a channel without subscriptions has put into the outbox (``mail``)."""

session = sa.Table(
    "door_session",
    metadata,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("principal", ID, nullable=False, index=True),
    sa.Column("how", sa.String(16), nullable=False),
    sa.Column("key", sa.String(16), nullable=False, server_default=""),
    sa.Column("only", sa.Text),
    _json("granted", "{}"),
    sa.Column("created_s", sa.Float, nullable=False),
    sa.Column("seen_s", sa.Float, nullable=False),
    sa.Column("expires_s", sa.Float, nullable=False, index=True),
    sa.Column("revoked_s", sa.Float),
    _text("address"),
    _text("browser"),
)
"""Browsers that are signed in. ``digest``: SHA-256 of what the cookie holds; ``how``: ``key``, ``password``,
``invitation`` or ``oidc``; ``key``: id of the API key it was started with, without which it opens nothing; ``granted``:
roles and projects that an OpenID provider says, as JSON; ``address``, ``browser``: for its owner to know it by."""

password = sa.Table(
    "door_password",
    metadata,
    sa.Column("principal", ID, primary_key=True),
    _text("hash"),
    sa.Column("set_s", sa.Float, nullable=False),
)
"""Argon2id, with its parameters and salt in ``hash``."""

invitation = sa.Table(
    "door_invitation",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("principal", ID, nullable=False, index=True),
    sa.Column("made_by", ID, nullable=False),
    sa.Column("made_s", sa.Float, nullable=False),
    sa.Column("expires_s", sa.Float, nullable=False),
    sa.Column("used_s", sa.Float),
)
"""With one, a person sets a password and signs in, once; ``digest``: of its secret."""

identity = sa.Table(
    "door_identity",
    metadata,
    sa.Column("issuer", sa.String(200), primary_key=True),
    sa.Column("subject", sa.String(200), primary_key=True),
    sa.Column("principal", ID, nullable=False, index=True),
    sa.Column("made_s", sa.Float, nullable=False),
)
"""Who a person is at an OpenID provider: names are given again there, subjects are not."""
