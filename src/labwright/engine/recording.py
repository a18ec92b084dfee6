"""What is recorded where no controller runs: an event of the lab with all it changes, on the deck used last."""

from __future__ import annotations

import orjson
import sqlalchemy as sa

from labwright.engine.events import Event
from labwright.journal import Journal, NewEvent, schema
from labwright.model.rows import Changes


def recorded(event: Event, now_s: float, changes: Changes, deck: str, campaign: str = "") -> NewEvent:
    """An event from which nothing follows, as it is to be recorded.

    Args:
        event: that.
        now_s: lab time.
        changes: rows of the tables as they are afterwards.
        deck: on which instruments.
        campaign: its id; empty for an event of the lab.
    """
    return NewEvent(
        campaign=campaign,
        kind=event.kind,
        payload=event.model_dump_json().encode(),
        decisions=orjson.dumps([]),
        lab_time_s=now_s,
        changes=changes,
        instruments=deck,
    )


def newest_deck(journal: Journal) -> str:
    """The instruments of the controller that ran last; empty if none has run."""
    epoch = schema.epoch
    newest = sa.select(epoch.c.instruments).where(epoch.c.instruments != "").order_by(epoch.c.id.desc()).limit(1)
    rows = journal.read(newest)
    return str(rows[0]["instruments"]) if rows else ""
