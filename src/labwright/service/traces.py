"""What one trace has led to: from an HTTP request over its commands to the campaigns and operations in the lab."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from labwright.journal import Journal, schema
from labwright.model.rows import Row
from labwright.service.database import Door
from labwright.service.schema import audit

MOST = 1000
"""Operations that are listed; there may be hundreds of thousands."""


def traced(door: Door, journal: Journal, trace: str) -> dict[str, Any]:
    """What one trace has led to.

    Args:
        door: the service's database.
        journal: of the lab.
        trace: the id, as an answer's ``X-Trace-Id`` has it.

    Returns:
        ``audit``: rows of the trail; ``commands``: to the controller; ``campaigns``: that they have started;
        ``operations``: of these, as intents of the journal, the first `MOST`; ``operations_in_all``: how many.
    """
    rows = door.rows(sa.select(audit).where(audit.c.trace == trace).order_by(audit.c.seq))
    commands = journal.rows(schema.command, schema.command.c.trace == trace, order=schema.command.c.id)
    started = [_campaign(row) for row in commands if row["kind"] == "submit"]
    campaigns = [name for name in started if name]
    intent = schema.intent
    mine = intent.c.campaign.in_(campaigns)
    columns = ("step_id", "n", "attempt", "kind", "device", "axis", "value", "state", "prepared_s", "decided_s")
    query = sa.select(*(intent.c[name] for name in columns)).where(mine).order_by(intent.c.prepared_s).limit(MOST)
    (count,) = journal.read(sa.select(sa.func.count().label("n")).where(mine))
    return {
        "trace": trace,
        "audit": rows,
        "commands": [
            {key: row[key] for key in ("id", "campaign", "kind", "by", "asked_s", "answer")} for row in commands
        ],
        "campaigns": campaigns,
        "operations": list(journal.read(query)),
        "operations_in_all": int(count["n"]),
    }


def trace_of(journal: Journal, campaign: str) -> str:
    """The trace of the request that has started a campaign; empty if none has."""
    command = schema.command
    rows = journal.rows(command, command.c.kind == "submit", command.c.answer == f"done: {campaign}")
    return str(rows[0]["trace"]) if rows else ""


def _campaign(row: Row) -> str:
    """The campaign that a command has started; empty if none was."""
    answered, _, name = str(row["answer"]).partition(": ")
    return name if answered == "done" else ""
