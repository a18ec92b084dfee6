"""What a lab has when a rehearsal begins, read from the journal of its instruments."""

from __future__ import annotations

import time
from dataclasses import replace

import sqlalchemy as sa

from labwright.engine.campaign_plan import DeckState
from labwright.engine.continuing import under_way
from labwright.engine.filling import left_at
from labwright.engine.inventory import inventory_words
from labwright.engine.learnt import learnt_moves_s, learnt_s
from labwright.engine.reservations import Reservation
from labwright.engine.station_bookings import booked_of
from labwright.journal import Journal, schema
from labwright.journal.asking import deck_of
from labwright.journal.status import lab_time_s
from labwright.model.errors import JournalError
from labwright.model.instruments import HERE, REAL
from labwright.model.lab import LabModel
from labwright.model.states import OVER

__all__ = ["deck_state"]


def deck_state(journal: Journal, model: LabModel, instruments: str, protocols: list[str]) -> DeckState:
    """What is there, and how long steps took.

    Args:
        journal: of the lab.
        model: what its files say.
        instruments: which deck (`Lab.instruments`); what is simulated in this process begins full, unless the process
            is a controller that runs.
        protocols: whose steps are looked up.
    """
    with journal.one_moment():  # a sample that begins or moves meanwhile would be in two places, or in none
        return _at_one_moment(journal, model, instruments, protocols)


def _at_one_moment(journal: Journal, model: LabModel, instruments: str, protocols: list[str]) -> DeckState:
    simulated = instruments != REAL
    learnt = learnt_s(journal, protocols, simulated=simulated)
    moves_s = learnt_moves_s(journal, model, simulated=simulated)
    full = instruments == HERE and not (journal.controlled() and deck_of(journal) == HERE)
    if full:
        return DeckState(learnt_s=learnt, moves_s=moves_s)
    count = left_at(journal, model, instruments)  # None in a lab that handles no material
    words = inventory_words(count, model) if count is not None else ""
    notes = [words] if words else []
    table = schema.campaign
    query = sa.select(table.c.id).where(table.c.state.not_in(OVER), table.c.instruments == instruments)
    live = {str(row["id"]) for row in journal.read(query)}
    continued = None
    try:
        continued = under_way(journal, instruments)
        if continued is not None and count is not None:
            count = replace(count, preparing=continued.preparing)
    except JournalError as error:
        names = ", ".join(sorted(live))
        notes.append(f"not rehearsed are campaigns under way, which keep what they were promised: {names} ({error})")
    rows = journal.rows(schema.reservation, schema.reservation.c.instruments == instruments)
    left = {
        row["resource"]: Reservation(row["campaign"], row["label"], "", row["state"])
        for row in rows
        if row["resource"].startswith("position:") and row["campaign"] not in live
    }
    booked = booked_of(journal, instruments, lab_time_s(journal, instruments) or time.time())
    return DeckState(count, left, learnt, moves_s, booked, tuple(notes), continued)
