"""Stations that people have booked, as rows of the journal's tables."""

from __future__ import annotations

from labwright.engine.events import Booking, BookingEnded
from labwright.model.rows import Key, Row


def booking_rows(event: Booking) -> dict[Key, Row]:
    """The columns that an event changes, by table and id.

    Args:
        event: of a booking.
    """
    if isinstance(event, BookingEnded):
        ended: Row = {
            "id": event.id, "ends_s": event.ends_s, "ended_by": event.by, "ended_because": event.because,
            "ended_s": event.said_s,
        }  # fmt: skip
        return {("booking", event.id): ended}
    same = ("id", "instruments", "station", "starts_s", "ends_s", "by", "because", "said_s")
    return {("booking", event.id): {"n": int(event.id[1:]), **{name: getattr(event, name) for name in same}}}
