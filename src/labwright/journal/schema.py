"""The journal's tables. Each change of state is written in one transaction with the event that caused it.

``event`` is the truth: replayed into the engine's core it gives campaigns, trials, experiments, steps, reservations,
questions, lots and positions again. ``intent`` and ``observation`` are the truth of single operations, written by the
stations. Who and what a row belongs to stands in columns of its own; ids are compared, and never taken apart.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from labwright.model.remarks import REMARKS

HEAD = "0021"
"""Revision of these tables; the newest file in `migrations/versions`."""

metadata = sa.MetaData()

BigId = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""SQLite counts up only what it calls INTEGER."""


KEY_LENGTH = 200
"""Characters of the longest key: PostgreSQL refuses a longer one, and a controller must not find that out half way."""


def _key(column: str) -> sa.Column[str]:
    return sa.Column(column, sa.String(KEY_LENGTH), primary_key=True)


def _deck() -> sa.Column[str]:
    """Which instruments, as part of the key; the path of a file among others, so of any length."""
    return sa.Column("instruments", sa.Text, primary_key=True)


def _text(column: str) -> sa.Column[str]:
    return sa.Column(column, sa.Text, nullable=False, server_default="")


def _scope() -> sa.Column[str]:
    return sa.Column("campaign", sa.String(KEY_LENGTH), nullable=False, server_default="")


event = sa.Table(
    "event",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("campaign", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("lab_time_s", sa.Float, nullable=False),
    sa.Column("wall_time_s", sa.Float, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    _text("decisions"),
    _text("instruments"),
    sa.Index("event_campaign", "campaign", "id"),
    sa.Index("event_instruments", "instruments", "id"),
)
"""``campaign`` is the scope: a campaign's id, or empty for what belongs to the lab alone."""

at_work = event.c.kind.not_in(REMARKS)
"""Which events say that a campaign was at work: not those by which people have only said something about it."""

snapshot = sa.Table(
    "snapshot",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("event_id", sa.BigInteger, nullable=False),
    _text("instruments"),
    sa.Column("engine", sa.Integer, nullable=False),
    sa.Column("taken_s", sa.Float, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Index("snapshot_newest", "instruments", "event_id"),
)
"""The state of a deck's core after an event, as that version of the engine writes it; may be lost without harm."""

campaign = sa.Table(
    "campaign",
    metadata,
    _key("id"),
    sa.Column("name", sa.String(64), nullable=False, index=True),
    _text("title"),
    sa.Column("state", sa.String(16), nullable=False),
    _text("reason"),
    _text("lab"),
    _text("lab_sha256"),
    sa.Column("simulated", sa.Boolean, nullable=False),
    _text("instruments"),
    sa.Column("budget", sa.Integer, nullable=False),
    sa.Column("tried", sa.Integer, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("began_s", sa.Float),
    sa.Column("ended_s", sa.Float),
    _text("planner"),
    _text("objectives"),
    sa.Column("best", sa.Float),
    sa.Column("front", sa.Integer),
    _text("short"),
    _text("closed"),
    _text("lost"),
)
"""``objectives``: as JSON; ``best``: the best mean of the first; where it is missing, the trials may still have one;
``short``: what its next experiment waits for that the lab has too little of; ``closed``: which stations its samples
wait for that people have, in words; ``lost``: which stations its next experiment waits for that do not work."""

campaign_spec = sa.Table(
    "campaign_spec",
    metadata,
    _key("campaign"),
    _text("spec"),
)
"""Written once: with thousands of candidates a spec is by far the largest part of what a campaign is."""

trial = sa.Table(
    "trial",
    metadata,
    _key("campaign"),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.String(64), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    _text("label"),
    _text("trial"),
)
"""What was proposed, in its order; ``label`` is that of the experiment, empty where there is none (yet)."""

veto = sa.Table(
    "veto",
    metadata,
    _key("campaign"),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    _text("params"),
    sa.Column("reach", sa.Float, nullable=False),
    _text("by"),
    _text("because"),
)

experiment = sa.Table(
    "experiment",
    metadata,
    _key("campaign"),
    _key("label"),
    _text("sample"),
    _text("protocol"),
    sa.Column("state", sa.String(16), nullable=False),
    _text("reason"),
    _text("stands_at"),
    sa.Column("began_s", sa.Float),
    _text("results"),
)
"""``results``: what the protocol declares of what was found, as JSON; empty while not all of it is."""

sample = sa.Table(
    "sample",
    metadata,
    _key("campaign"),
    _key("label"),
    sa.Column("id", sa.String(36), nullable=False, server_default="", index=True),
    _text("instruments"),
    _text("labware"),
    sa.Column("made_s", sa.Float),
    _text("place"),
    sa.Column("disposition", sa.String(16), nullable=False, server_default=""),
    _text("quarantine"),
    _text("by"),
    _text("because"),
)
"""``id``: the same for this sample wherever it is known. ``place``: the position where it stands. ``disposition``: what
has become of it: ``under way``, ``in the lab``, ``left``, ``removed``, ``used up``, or, as a person says, ``disposed``,
``archived``, ``handed over``. ``quarantine``: why it may not be used, if not empty. ``by``, ``because``: a person's."""

step = sa.Table(
    "step",
    metadata,
    _key("step_id"),
    sa.Column("campaign", sa.String(200), nullable=False, index=True),
    _text("label"),
    sa.Column("protocol", sa.String(64), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    _text("station"),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    _text("error"),
    sa.Column("expected_s", sa.Float, nullable=False),
    sa.Column("started_s", sa.Float),
    sa.Column("ended_s", sa.Float),
    sa.Index("step_history", "protocol", "name", "ended_s"),
)

reservation = sa.Table(
    "reservation",
    metadata,
    _deck(),
    _key("resource"),
    _scope(),
    _text("label"),
    _text("step_id"),
    sa.Column("state", sa.String(16), nullable=False),
)

intent = sa.Table(
    "intent",
    metadata,
    _key("step_id"),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("device", sa.String(64), nullable=False),
    _text("axis"),
    sa.Column("value", sa.Float),
    sa.Column("reconcile", sa.String(16), nullable=False),
    sa.Column("witness", sa.Float),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    _text("words"),
    _text("decided_by"),
    sa.Column("result", sa.Text),
    sa.Column("prepared_s", sa.Float, nullable=False),
    sa.Column("decided_s", sa.Float),
    sa.Column("superseded", sa.Boolean, nullable=False, server_default=sa.false()),
    _text("stock"),
    sa.Column("amount", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("counted", sa.Float),
    sa.Column("asked", sa.Float),
    sa.Column("before", sa.Float, nullable=False, server_default="0"),
    _text("follow"),
    _scope(),
    sa.Column("label", sa.String(64), nullable=False, server_default=""),
    sa.Column("step", sa.String(64), nullable=False, server_default=""),
    sa.Index("intent_axis", "device", "axis"),
    sa.Index("intent_experiment", "campaign", "label"),
)

observation = sa.Table(
    "observation",
    metadata,
    _key("step_id"),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("device", sa.String(64), nullable=False),
    _text("intent"),
    sa.Column("reading", sa.Text, nullable=False),
    sa.Column("lab_time_s", sa.Float, nullable=False),
    sa.Column("superseded", sa.Boolean, nullable=False, server_default=sa.false()),
    _scope(),
    sa.Column("label", sa.String(64), nullable=False, server_default=""),
    sa.Column("step", sa.String(64), nullable=False, server_default=""),
    sa.Index("observation_experiment", "campaign", "label"),
)

question = sa.Table(
    "question",
    metadata,
    _key("id"),
    sa.Column("campaign", sa.String(200), nullable=False, index=True),
    _text("label"),
    _text("step_id"),
    _text("intent"),
    sa.Column("text", sa.Text, nullable=False),
    _text("choices"),
    sa.Column("state", sa.String(16), nullable=False),
    _text("answer"),
    _text("by"),
    _text("because"),
    sa.Column("due_s", sa.Float),
    _text("unanswered"),
    sa.Column("kind", sa.String(16), nullable=False, server_default="question"),
    _text("task"),
    _text("readings"),
    _text("parameters"),
    _text("edited"),
)
"""``due_s``: lab time until which it is to be answered. ``unanswered``: what is done if no person has: ``park``, and
``parked`` once that is done; empty if it may wait. ``kind``: ``question``, or ``task`` for the card of a step that a
person does; ``task``: what that card says, as JSON; ``readings``: what was read when it was signed, as JSON.
``parameters``: those with whose values a step that has failed can be repeated, as JSON; ``edited``: values that it is
repeated with."""


def _amount(column: str) -> sa.Column[int]:
    """In the smallest unit: nanolitres, micrograms or pieces."""
    return sa.Column(column, sa.BigInteger, nullable=False, server_default="0")


def _unit() -> sa.Column[str]:
    return sa.Column("unit", sa.String(8), nullable=False, server_default="nL")


stock = sa.Table(
    "stock",
    metadata,
    _deck(),
    _key("name"),
    _text("material"),
    _text("lot"),
    _unit(),
    *map(_amount, ("count", "dead", "used", "unknown", "reserved")),
    sa.Column("since_s", sa.Float),
    _text("facts"),
    _text("doubts"),
)
"""What a container of a deck holds of a lot, by the container's name; by material where an earlier release has counted.
``count`` was there when it was counted last, ``dead`` of it must stay; ``used`` is gone since, ``unknown`` may be, and
``reserved`` is promised to experiments under way. ``facts``: all that is known of it, as JSON (`StockFacts`);
``doubts``: steps after which it is quarantined until a person has looked, as JSON."""

waste = sa.Table(
    "waste",
    metadata,
    _deck(),
    _key("name"),
    sa.Column("capacity", sa.BigInteger),
    _unit(),
    *map(_amount, ("level", "unknown", "reserved")),
    _text("station"),
)
"""What a waste of a deck holds: ``level`` is known, ``unknown`` may be in it as well, ``reserved`` is promised."""

ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("taken_from", sa.String(KEY_LENGTH + 20), nullable=False, index=True),
    sa.Column("put_into", sa.String(KEY_LENGTH + 20), nullable=False, index=True),
    _amount("amount"),
    _amount("unknown"),
    _unit(),
    _text("material"),
    _text("lot"),
    _text("campaign"),
    _text("label"),
    _text("step_id"),
    _text("why"),
    _text("instruments"),
    sa.Column("entry", sa.BigInteger, nullable=False),
    sa.Column("at_s", sa.Float),
    _text("by"),
    _text("because"),
    sa.Index("ledger_entry", "instruments", "entry", unique=True),
)
"""What leaves one place enters another: ``container:NAME``, ``sample:CAMPAIGN/LABEL``, ``waste:NAME``, ``outside``.
``amount`` is known to have passed, and is 0 or more; ``unknown`` is by how much more, or less, may have passed than was
thought. ``why``: ``experiment``, ``preparation``, ``not counted before``, or what a person has booked: ``first fill``,
``recount``, ``receipt``, ``adjustment``, ``move``; ``relabelled`` and ``gone`` where a deck is named or filled again.
``entry`` counts the entries of a deck from 1, without a gap: the journal numbers them as it writes them."""

position = sa.Table(
    "position",
    metadata,
    _deck(),
    _key("name"),
    _scope(),
    _text("label"),
    _text("holds"),
    sa.Column("since_s", sa.Float),
    sa.Column("used_up", sa.Boolean, nullable=False, server_default=sa.false()),
)
"""``holds``: the kind of container, empty where none stands; ``campaign`` and ``label``: whose sample it is, who has
used it up, or who took what stood there; empty where it is as it was filled."""

preparation = sa.Table(
    "preparation",
    metadata,
    _deck(),
    _key("protocol"),
    sa.Column("version", sa.Text, nullable=False),
    _scope(),
    sa.Column("at_s", sa.Float, nullable=False),
    sa.Column("lab_sha256", sa.String(64), nullable=False),
    sa.Column("results", sa.Text, nullable=False),
)
"""What the newest preparation with a protocol has found on a deck, where campaigns share it (`Prepared`)."""


def _about() -> list[sa.Column[Any]]:
    """What something is said about, and its number in the lab."""
    return [
        _key("id"),
        sa.Column("n", sa.Integer, nullable=False, server_default="0"),
        sa.Column("about", sa.String(16), nullable=False, server_default=""),
        _text("name"),
        sa.Column("campaign", sa.String(KEY_LENGTH), nullable=False, server_default="", index=True),
        _text("label"),
    ]


note = sa.Table(
    "note",
    metadata,
    *_about(),
    _text("text"),
    _text("by"),
    sa.Column("said_s", sa.Float),
    _text("replaces"),
    _text("replaced_by"),
)
"""What a person has written (`NoteWritten`). ``about``: a ``campaign``, ``experiment``, ``sample``, ``station`` or
``stock``; ``replaced_by``: id of the note that has taken its place, empty while it stands. ``said_s``: wall time."""

deviation = sa.Table(
    "deviation",
    metadata,
    *_about(),
    sa.Column("state", sa.String(16), nullable=False, server_default=""),
    _text("experiments"),
    _text("expected"),
    _text("happened"),
    sa.Column("category", sa.String(16), nullable=False, server_default=""),
    sa.Column("severity", sa.String(16), nullable=False, server_default=""),
    _text("action"),
    sa.Column("first_use", sa.String(32), nullable=False, server_default=""),
    sa.Column("use", sa.String(32), nullable=False, server_default=""),
    _text("by"),
    sa.Column("said_s", sa.Float),
    _text("conclusion"),
    _text("closed_by"),
    sa.Column("closed_s", sa.Float),
)
"""What was not as it should be (`DeviationOpened`). ``state``: ``open`` or ``closed``; ``experiments``: labels, as
JSON; ``use``: whether their results may be used now, ``first_use``: when it was opened. ``said_s``, ``closed_s``: wall
time."""

booking = sa.Table(
    "booking",
    metadata,
    _key("id"),
    sa.Column("n", sa.Integer, nullable=False, server_default="0"),
    _text("instruments"),
    _text("station"),
    sa.Column("starts_s", sa.Float),
    sa.Column("ends_s", sa.Float),
    _text("by"),
    _text("because"),
    sa.Column("said_s", sa.Float),
    _text("ended_by"),
    _text("ended_because"),
    sa.Column("ended_s", sa.Float),
)
"""A time for which a person has a station (`StationBooked`). ``starts_s``, ``ends_s``: lab time, as it is now;
``ended_by``: who has ended it early, empty before; ``said_s``, ``ended_s``: wall time."""

waiting = sa.Table(
    "waiting",
    metadata,
    _key("step_id"),
    _text("instruments"),
    _scope(),
    _text("label"),
    sa.Column("kind", sa.String(16), nullable=False),
    _text("name"),
    _text("holder"),
    _text("holder_label"),
    _text("holder_step"),
    sa.Column("because", sa.String(16), nullable=False),
    sa.Column("alike", sa.Integer, nullable=False),
)
"""What a step waits for (`Waiting`), as the dispatcher has decided it last."""

epoch = sa.Table(
    "epoch",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    _text("host"),
    sa.Column("pid", sa.Integer, nullable=False),
    _text("by"),
    sa.Column("wake_port", sa.Integer, nullable=False),
    sa.Column("began_s", sa.Float, nullable=False),
    sa.Column("ended_s", sa.Float),
    sa.Column("sequence", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("engine", sa.Integer, nullable=False, server_default="1"),
    _text("instruments"),
    sa.Column("heartbeat_s", sa.Float),
    _text("stations"),
    sqlite_autoincrement=True,
)
"""``stations``: of the lab, a JSON list of names; empty for who only closed or extended a campaign."""

command = sa.Table(
    "command",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("campaign", sa.String(200), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("by", sa.String(200), nullable=False),
    _text("because"),
    sa.Column("asked_s", sa.Float, nullable=False),
    sa.Column("taken_s", sa.Float),
    _text("answer"),
    sa.Column("key", sa.String(KEY_LENGTH)),
    _text("trace"),
    sa.Index("command_key", "key", unique=True),
    sqlite_autoincrement=True,
)
"""``key``: chosen by who asks, so that what is sent twice is taken once; ``trace``: of the request that led to it."""

latch = sa.Table(
    "latch",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("scope", sa.String(16), nullable=False),
    _text("instruments"),
    _text("campaign"),
    _text("station"),
    _text("label"),
    _text("by"),
    _text("because"),
    sa.Column("set_s", sa.Float, nullable=False),
    _text("reset_by"),
    _text("reset_because"),
    sa.Column("reset_s", sa.Float),
    sqlite_autoincrement=True,
)
