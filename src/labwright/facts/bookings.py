"""Stations that people have booked while the lab runs, as JSON."""

from __future__ import annotations

from typing import Any

from labwright.journal import Journal, schema
from labwright.journal.status import lab_time_s
from labwright.model.rows import Row

FACTS = (
    "id", "station", "instruments", "starts_s", "ends_s", "by", "because", "said_s", "ended_by", "ended_because",
    "ended_s",
)  # fmt: skip


def booking_list(journal: Journal, station: str = "", *, everything: bool = False) -> list[dict[str, Any]]:
    """Bookings, in the order in which they start.

    Args:
        journal: opened to be read.
        station: of this one; of all if empty.
        everything: those that are over, too.
    """
    table = schema.booking
    rows = journal.rows(table, *([table.c.station == station] if station else []), order=table.c.starts_s)
    now_s = {deck: lab_time_s(journal, deck) or 0.0 for deck in {row["instruments"] for row in rows}}
    found = [{**{name: row[name] for name in FACTS}, "state": _state(row, now_s[row["instruments"]])} for row in rows]
    return [one for one in found if everything or one["state"] != "over"]


def _state(row: Row, now_s: float) -> str:
    if row["ends_s"] <= now_s:
        return "over"
    return "active" if row["starts_s"] <= now_s else "planned"
